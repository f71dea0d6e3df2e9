// Compiles configurations from text, with files from memory.

import StraitConfig
import StraitControl
import StraitCore
import StraitSnapshot
import Testing

/// A compiler over the fixtures, whose files a test may exchange.
struct Compiling {
    /// In 2026, within the validity of every fixture.
    static let now = Timestamp(nanoseconds: 1_800_000_000_000_000_000)

    var compiler: SnapshotCompiler

    /// - Parameter files: Replaces fixtures by file name.
    init(files: [String: String] = [:]) {
        let all = Fixtures.files.merging(files) { _, new in new }
        self.compiler = SnapshotCompiler(ticketRoot: Array(repeating: 7, count: 32)) { path in
            let name = path.split(separator: "/").last.map(String.init) ?? path
            guard let text = all[name] else { throw FileError(description: "no such file") }
            return Array(text.utf8)
        }
    }

    /// Compiles and keeps what was learned, as a change that goes live does.
    mutating func compile(
        _ text: String, revision: UInt64 = 1, epoch: UInt64 = 0, now: Timestamp = Self.now
    ) throws -> CompiledConfiguration {
        let reading = ConfigurationReader(checksFiles: false).read(text: text, file: "strait.yaml")
        let configuration = try #require(
            reading.configuration, "\(reading.problems.map(\.text).joined(separator: "\n"))")
        return try self.compiler.compile(
            configuration, revision: revision, epoch: epoch, now: now)
    }

    /// The problems of a configuration that must be refused.
    static func problems(
        _ text: String, files: [String: String] = [:]
    ) throws -> [ConfigurationProblem] {
        var compiling = Compiling(files: files)
        do {
            _ = try compiling.compile(text)
            Issue.record("this configuration must be refused")
            return []
        } catch let refused as ConfigurationRefused {
            return refused.problems
        }
    }
}

/// A configuration with one tenant, whose parts tests exchange.
struct ConfigurationText {
    var listeners = #"  - { name: public, address: "127.0.0.1:8443", protocols: [tls, ssh] }"#
    var certificates = "{ chain: wide.pem, key: wide.key }"
    var services = Self.www
    var more = ""

    static let www = """
              - { name: www, protocol: web, mode: terminate,
                  upstreams: [{ address: "tcp://127.0.0.1:8080" }] }
        """

    var text: String {
        """
        region: local
        router: r-1
        listeners:
        \(self.listeners)
        tenants:
          - name: acme
            domains: [acme.example.com]
            certificates: [\(self.certificates)]
            services:
        \(self.services)
        \(self.more)
        """
    }

    /// The line of the first text that contains `needle`, from 1.
    func line(of needle: String) -> Int {
        let lines = self.text.split(separator: "\n", omittingEmptySubsequences: false)
        return (lines.firstIndex { $0.contains(needle) } ?? -1) + 1
    }
}
