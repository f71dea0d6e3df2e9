// The program `openssl`, which judges what we made and makes what we judge.

import Foundation
import Testing

/// A folder of its own in which `openssl` runs; removed with the value.
final class OpenSSL {
    let folder: URL

    init() throws {
        self.folder = FileManager.default.temporaryDirectory
            .appending(path: "strait-identity-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        // Requests do not depend on the machine's own settings.
        try self.write(
            "openssl.cnf", Array("[req]\ndistinguished_name = dn\n[dn]\n".utf8))
    }

    deinit {
        // What stays is in the system's folder for such files.
        try? FileManager.default.removeItem(at: self.folder)
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: self.folder.appending(path: name))
    }

    func read(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: self.folder.appending(path: name)))
    }

    func text(_ name: String) throws -> String {
        String(decoding: try self.read(name), as: UTF8.self)
    }

    /// Runs it and says what it wrote, and whether it was content.
    func run(_ line: String) throws -> (isContent: Bool, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = Self.words(line)
        process.currentDirectoryURL = self.folder
        process.environment = ["OPENSSL_CONF": self.folder.appending(path: "openssl.cnf").path]
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus == 0, String(decoding: bytes, as: UTF8.self))
    }

    /// Runs it; a refusal is a failure of the test.
    @discardableResult
    func must(_ line: String) throws -> String {
        let (isContent, output) = try self.run(line)
        try #require(isContent, "openssl \(line)\n\(output)")
        return output
    }

    /// Words are apart by spaces, but for what stands between single quotes.
    private static func words(_ line: String) -> [String] {
        var words: [String] = []
        for (number, part) in line.split(separator: "'", omittingEmptySubsequences: false)
            .enumerated()
        {
            if number % 2 == 1 {
                words.append(String(part))
            } else {
                words += part.split(separator: " ").map(String.init)
            }
        }
        return words
    }
}
