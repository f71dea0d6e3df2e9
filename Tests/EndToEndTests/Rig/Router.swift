// The program under test, as an operator runs it: `strait serve`, its admin socket, its records.

import Foundation
import Glibc

/// A running router with a configuration of its own.
struct Router: Sendable {
    let daemon: Daemon
    let shell: Shell
    let configurationPath: String
    let adminSocket: String
    let accessPath: String

    /// Starts a router and waits until it is ready.
    ///
    /// - Parameters:
    ///   - name: Names its folder below the rig's.
    ///   - body: Its configuration without `region`, `router`, `admin` and `access`.
    ///   - shell: Whose environment and folder it has.
    ///   - descriptors: How many it may have open; nil: as many as the tests.
    ///   - environment: Variables added to the shell's.
    ///   - launcher: A program and its arguments that becomes the router.
    /// - Returns: The router, ready.
    /// - Throws: ``Missing`` without an executable; what goes wrong on the way.
    static func start(
        _ name: String, _ body: String, in shell: Shell, descriptors: Int? = nil,
        environment: [String: String] = [:], by launcher: [String] = []
    ) async throws -> Router {
        guard FileManager.default.isExecutableFile(atPath: Programs.strait) else {
            throw Missing(what: Programs.strait)
        }
        let directory = "\(shell.directory)/\(name)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let path = "\(directory)/strait.yaml"
        try (head(directory) + body).write(toFile: path, atomically: true, encoding: .utf8)
        let limit = descriptors.map { ["prlimit", "--nofile=\($0)"] } ?? []
        let daemon = try Daemon.start(
            name, launcher + [Programs.strait, "serve", "--config", path], in: shell,
            by: limit, environment: environment, unit: Programs.unit)
        let router = Router(
            daemon: daemon, shell: shell, configurationPath: path,
            adminSocket: "\(directory)/admin.sock", accessPath: "\(directory)/access.json")
        try await daemon.ready("is ready") { try await router.ask("/readyz").succeeded }
        return router
    }

    private static func head(_ directory: String) -> String {
        """
        region: test
        router: \((directory as NSString).lastPathComponent)
        admin: { unix: \(directory)/admin.sock }
        access: { path: \(directory)/access.json }

        """
    }

    /// Puts another body in place of the configuration's, at once.
    func rewrite(_ body: String) throws {
        let directory = (self.configurationPath as NSString).deletingLastPathComponent
        try (Self.head(directory) + body).write(
            toFile: self.configurationPath, atomically: true, encoding: .utf8)
    }

    /// Asks the admin socket; fails on a status of 400 and more.
    func ask(_ path: String) async throws -> Output {
        try await self.shell.run(
            [
                "curl", "-sS", "--fail", "--max-time", "5", "--unix-socket", self.adminSocket,
                "http://admin\(path)",
            ], seconds: 10)
    }

    /// The value of a metric: the sum over the series whose labels contain all of `labels`.
    func metric(_ name: String, _ labels: [String] = []) async throws -> Double {
        let text = try await self.ask("/metrics").text
        return text.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix(name + "{") || line.hasPrefix(name + " "),
                labels.allSatisfy({ line.contains($0) }),
                let value = line.split(separator: " ").last.flatMap({ Double($0) })
            else { return sum }
            return sum + value
        }
    }

    /// Every access record so far, as JSON objects.
    func records() throws -> [AccessRecord] {
        // Nothing was written yet: no record.
        let text = (try? String(contentsOfFile: self.accessPath, encoding: .utf8)) ?? ""
        return try text.split(separator: "\n").map(AccessRecord.init)
    }

    /// Waits for the record of a connection.
    func record(
        _ what: String, where isIt: @Sendable (AccessRecord) -> Bool
    ) async throws -> AccessRecord {
        try await eventually("a record: \(what)", within: 10) {
            try self.records().last(where: isIt)
        }
    }
}

/// One line of the access file.
struct AccessRecord: Sendable {
    let line: String
    private let fields: [String: String]
    /// Which of the fields are numbers.
    let numbers: Set<String>

    init(_ line: Substring) throws {
        self.line = String(line)
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        guard let object = object as? [String: Any] else { throw NotAnObject(line: self.line) }
        var fields: [String: String] = [:]
        var numbers: Set<String> = []
        Self.flatten(object, "", &fields, &numbers)
        self.fields = fields
        self.numbers = numbers
    }

    subscript(_ name: String) -> String? { self.fields[name] }

    var names: Set<String> { Set(self.fields.keys) }

    /// Names are flat and dotted; an object inside an object reads the same.
    private static func flatten(
        _ object: [String: Any], _ prefix: String, _ fields: inout [String: String],
        _ numbers: inout Set<String>
    ) {
        for (key, value) in object {
            if let inner = value as? [String: Any] {
                flatten(inner, prefix + key + ".", &fields, &numbers)
            } else if let number = value as? NSNumber {
                fields[prefix + key] = number.stringValue
                numbers.insert(prefix + key)
            } else {
                fields[prefix + key] = "\(value)"
            }
        }
    }
}

/// An access record that is JSON but no object.
struct NotAnObject: Error { let line: String }
