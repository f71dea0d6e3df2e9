// What the kernel says of this process, for the standard `process_` metrics.

internal import Foundation
internal import StraitPosix

/// The standard numbers of a process.
package struct ProcessFacts: Sendable {
    /// CPU time, user and system.
    package var cpuSeconds = 0.0
    /// Resident memory.
    package var residentBytes: UInt64 = 0
    /// Descriptors that are open.
    package var openDescriptors = 0
    /// Descriptors that may be open.
    package var descriptorsMax = 0
    /// When the process began, in seconds since 1970.
    package var startSeconds = 0.0

    /// Ports that a source has for each destination.
    package var sourcePorts = 0

    /// All zero.
    package init() {}

    /// Reads /proc; what cannot be read stays 0.
    package static func now() -> ProcessFacts {
        var facts = ProcessFacts()
        facts.descriptorsMax = Sockets.descriptorLimit()
        // ip(7): the first and the last port.
        let range =
            text("/proc/sys/net/ipv4/ip_local_port_range")?.split { $0.isWhitespace }
            .compactMap { Int($0) } ?? []
        if range.count == 2 { facts.sourcePorts = max(range[1] - range[0] + 1, 0) }
        if let names = directory("/proc/self/fd") {
            facts.openDescriptors = max(names.count - 1, 0)  // the one that is reading this
        }
        guard let stat = text("/proc/self/stat"), let end = stat.lastIndex(of: ")") else {
            return facts
        }
        // Behind the name in parentheses: state is field 3 of proc(5), so field n is at n - 3.
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        func field(_ number: Int) -> Double {
            let index = number - 3
            return fields.indices.contains(index) ? Double(fields[index]) ?? 0 : 0
        }
        facts.cpuSeconds = (field(14) + field(15)) / ticksPerSecond
        facts.residentBytes = UInt64(field(24)) * pageBytes
        facts.startSeconds = bootSeconds() + field(22) / ticksPerSecond
        return facts
    }

    /// USER_HZ, the same on every Linux that we run on.
    private static let ticksPerSecond = 100.0
    private static let pageBytes: UInt64 = 4096

    private static func bootSeconds() -> Double {
        let line = text("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) } ?? 0
    }

    private static func text(_ path: String) -> String? {
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { handle.closeFile() }
            return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
        } catch {
            return nil  // no /proc here: the metric stays 0
        }
    }

    private static func directory(_ path: String) -> [String]? {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path)
        } catch {
            return nil  // as above
        }
    }
}
