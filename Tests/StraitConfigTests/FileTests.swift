// The configuration file itself, and the files that it names.

import Foundation
import StraitConfig
import Testing

@Suite("The files of a configuration") struct FileTests {
    private func text(chain: String = "a.pem", key: String = "a.key") -> String {
        """
        listeners: [{ name: a, address: "127.0.0.1:1" }]
        tenants:
          - name: acme
            domains: [acme.example.com]
            certificates: [{ chain: \(chain), key: \(key) }]
            services: [{ name: w, protocol: web, upstreams: [{ address: "tcp://[::1]:80" }] }]

        """
    }

    @Test("that it names start at its folder")
    func relative() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.pem", "", mode: 0o644)
        try folder.write("a.key", "", mode: 0o640)
        let path = try folder.write("strait.yaml", self.text(), mode: 0o644)

        let reading = ConfigurationReader().read(path: path)

        #expect(reading.problems.isEmpty)
        let tenant = try #require(reading.configuration?.tenants.first)
        let chain = try #require(tenant.certificates.first?.chain.path)
        #expect(FileManager.default.fileExists(atPath: chain))
    }

    @Test("that are missing are told with the one that was meant")
    func missing() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.pem", "", mode: 0o644)
        try folder.write("a.key", "", mode: 0o600)
        let path = try folder.write("strait.yaml", self.text(chain: "aa.pem"), mode: 0o644)

        let reading = ConfigurationReader().read(path: path)

        #expect(reading.configuration == nil)
        #expect(reading.problems.map(\.code) == [.namedFileUnreadable])
        #expect(reading.problems.first?.path == "tenants[0].certificates[0].chain")
        #expect(reading.problems.first?.line == 5)
        #expect(reading.problems.first?.remedy == "did you mean \"a.pem\"?")
    }

    @Test("that are folders are told")
    func folder() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.key", "", mode: 0o600)
        let path = try folder.write("strait.yaml", self.text(chain: "."), mode: 0o644)
        let problems = ConfigurationReader().read(path: path).problems
        #expect(problems.map(\.code) == [.namedFileUnreadable])
        #expect(problems.first?.remedy == "name the file in it")
    }

    @Test("are warned of when everybody can read a key", arguments: [0o604, 0o644])
    func readableKey(mode: Int) throws {
        let folder = try TemporaryFolder()
        try folder.write("a.pem", "", mode: 0o644)
        try folder.write("a.key", "", mode: mode)
        let path = try folder.write("strait.yaml", self.text(), mode: 0o644)

        let reading = ConfigurationReader().read(path: path)

        #expect(reading.configuration != nil)
        #expect(reading.problems.map(\.code) == [.keyReadableByAll])
        #expect(reading.problems.first?.severity == .warning)
        #expect(reading.problems.first?.path == "tenants[0].certificates[0].key")
    }

    @Test("are not asked for when checks are off")
    func unchecked() {
        let result = ConfigurationReader(checksFiles: false).read(text: self.text(), file: "x.yaml")
        #expect(result.problems.isEmpty)
    }

    @Test("for access records need a folder")
    func access() {
        let text = "access: { path: /nowhere/access.log }\n" + BrokenConfiguration.listeners
        let problems = ConfigurationReader().read(
            text: text + BrokenConfiguration.tenants, file: "strait.yaml"
        ).problems
        #expect(problems.map(\.code) == [.namedFileUnreadable])
        #expect(problems.first?.path == "access.path")
    }

    @Test("are told when the configuration itself is not there, a folder, or not UTF-8")
    func configuration() throws {
        let folder = try TemporaryFolder()
        let none = ConfigurationReader().read(path: "\(folder.path)/none.yaml")
        #expect(none.problems.map(\.code) == [.fileUnreadable])
        #expect(none.problems.first?.found == "no such file")
        let inside = ConfigurationReader().read(path: folder.path)
        #expect(inside.problems.map(\.found) == ["a folder"])
        let bytes = Data("region: a\nrouter: ".utf8) + [0xFF, 0xFE] + Data("\n".utf8)
        let path = try folder.write("latin.yaml", bytes, mode: 0o644)
        let latin = ConfigurationReader().read(path: path)
        #expect(latin.problems.map(\.code) == [.notUTF8])
        #expect(latin.problems.first?.line == 2)
    }

    @Test("are told when the configuration is larger than the bound")
    func tooLarge() throws {
        let folder = try TemporaryFolder()
        let bytes = Data(repeating: UInt8(ascii: "#"), count: ConfigurationReader.fileBytesMax + 1)
        let path = try folder.write("large.yaml", bytes, mode: 0o644)
        #expect(ConfigurationReader().read(path: path).problems.map(\.code) == [.fileTooLarge])
    }
}
