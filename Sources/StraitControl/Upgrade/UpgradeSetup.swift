// What a process must know in order to hand over to a newer one, or to take over from an older one.

internal import Foundation
internal import StraitPosix

/// One process' place in a chain of upgrades.
package struct UpgradeSetup: Sendable {
    /// The program that an upgrade starts where none is named; as it was named at the start, so
    /// that a link that was swung leads to the new one.
    package var program: String
    /// The operators' socket; nil where there is none, and then there are no upgrades.
    package var admin: AdminSocket?
    /// The process that this one takes over from.
    package var predecessor: Predecessor?
    /// Listening sockets that systemd has opened for this process.
    package var passed: [InheritedListener]

    /// See the properties.
    package init(
        program: String = Self.ownProgram, admin: AdminSocket? = nil,
        predecessor: Predecessor? = nil, passed: [InheritedListener] = []
    ) {
        self.program = program
        self.admin = admin
        self.predecessor = predecessor
        self.passed = passed
    }

    /// The path by which this process was started.
    package static var ownProgram: String {
        let name = CommandLine.arguments.first ?? ""
        let folders =
            name.contains("/")
            ? [FileManager.default.currentDirectoryPath]
            : (ProcessInfo.processInfo.environment["PATH"] ?? "").components(separatedBy: ":")
        let found = folders.map {
            URL(fileURLWithPath: name, relativeTo: URL(fileURLWithPath: $0)).path
        }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return found ?? Self.running
    }

    /// Leads to the program that runs, also when its file was replaced or removed.
    private static let running = "/proc/self/exe"

    /// Whether `program` is another file than the one that runs.
    static func isOther(_ program: String) -> Bool {
        FileMark(path: program) != FileMark(path: Self.running)
    }
}

/// Another process of this router, which has handed over and finishes what is open in it.
package struct DrainingProcess: Codable, Hashable, Sendable {
    /// Its number.
    package var pid: Int32
    /// Its operators' socket.
    package var admin: String
}

/// What an upgrade came to: the answer of `POST /v1/upgrade`.
package struct UpgradeAnswer: Codable, Hashable, Sendable {
    /// `done`, `unchanged` (the program is the one that runs) or `refused`.
    package var result: String
    /// For people.
    package var text: String
    /// The process that accepts now.
    package var pid: Int32
    /// The process that drains, if one does.
    package var draining: DrainingProcess?
    /// What is open in the process that drains.
    package var openConnections: Int
    /// From the request until the other process accepted.
    package var milliseconds: UInt64
}
