// Runs a real program to its end, with a deadline, and keeps what it said.

import Foundation
import Glibc

/// What a program left behind.
struct Output: Sendable {
    let commandLine: String
    let status: Int32
    let standardOutput: Data
    let standardError: String

    var text: String { String(decoding: self.standardOutput, as: UTF8.self) }
    var trimmed: String { self.text.trimmingCharacters(in: .whitespacesAndNewlines) }
    var succeeded: Bool { self.status == 0 }
}

extension Output: CustomStringConvertible {
    var description: String {
        """
        \(self.commandLine)
        exit \(self.status)
        stdout: \(self.text.prefix(2000))
        stderr: \(self.standardError.suffix(2000))
        """
    }
}

/// A program that failed where it had to succeed.
struct CommandFailed: Error, CustomStringConvertible {
    let output: Output
    var description: String { self.output.description }
}

/// What a program reads.
enum Input: Sendable {
    case nothing
    case text(String)
    case file(String)
}

/// Runs programs with an environment of their own, so that nothing of the developer's settings is
/// read.
struct Shell: Sendable {
    /// HOME, working directory, and where outputs are kept while a program runs.
    let directory: String

    static let path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

    var environment: [String: String] {
        ["PATH": Self.path, "HOME": self.directory, "LANG": "C.UTF-8", "TMPDIR": self.directory]
    }

    /// Runs a program; one that takes longer than `seconds` is ended and has status 124.
    func run(
        _ arguments: [String], input: Input = .nothing, environment extra: [String: String] = [:],
        seconds: Int = 60
    ) async throws -> Output {
        let stem = "\(self.directory)/run-\(UUID().uuidString)"
        defer {
            for suffix in ["out", "err", "in"] { unlink("\(stem).\(suffix)") }
        }
        let files = Spawn.Files(
            input: try Self.path(of: input, stem: stem), output: "\(stem).out",
            error: "\(stem).err")
        let environment = self.environment.merging(extra) { $1 }
        let status = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Int32, any Error>) in
            do {
                _ = try Spawn.start(
                    ["timeout", "--kill-after=5", "\(seconds)"] + arguments,
                    environment: environment, directory: self.directory, files: files
                ) { continuation.resume(returning: $0) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
        return Output(
            commandLine: arguments.joined(separator: " "), status: status,
            standardOutput: try Data(contentsOf: URL(filePath: "\(stem).out")),
            standardError: String(
                decoding: try Data(contentsOf: URL(filePath: "\(stem).err")), as: UTF8.self))
    }

    /// Runs a program that has to succeed.
    @discardableResult
    func must(
        _ arguments: [String], input: Input = .nothing, environment: [String: String] = [:],
        seconds: Int = 60
    ) async throws -> Output {
        let output = try await self.run(
            arguments, input: input, environment: environment, seconds: seconds)
        guard output.succeeded else { throw CommandFailed(output: output) }
        return output
    }

    /// Runs a line of bash that stops at the first failure, also inside a pipe.
    func bash(
        _ line: String, environment: [String: String] = [:], seconds: Int = 60
    ) async throws -> Output {
        try await self.run(
            ["bash", "-c", "set -euo pipefail\n" + line], environment: environment,
            seconds: seconds)
    }

    private static func path(of input: Input, stem: String) throws -> String {
        switch input {
        case .nothing: return "/dev/null"
        case .file(let path): return path
        case .text(let text):
            try Data(text.utf8).write(to: URL(filePath: "\(stem).in"))
            return "\(stem).in"
        }
    }
}
