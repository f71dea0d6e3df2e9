// The reference, the schema and the examples of configs/ say what the code does.

import Foundation
import StraitConfig
import Testing

/// The folder configs/ of the repository.
let configsFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("configs")

@Suite("The reference of keys") struct ReferenceTests {
    @Test("is what the table of keys generates")
    func yaml() throws {
        let url = configsFolder.appendingPathComponent("reference.yaml")
        try self.regenerate(url, ConfigurationReference.yaml)
        #expect(try String(contentsOf: url, encoding: .utf8) == ConfigurationReference.yaml)
    }

    @Test("is the schema that the table of keys generates")
    func schema() throws {
        let url = configsFolder.appendingPathComponent("schema.json")
        try self.regenerate(url, ConfigurationReference.jsonSchema)
        #expect(try String(contentsOf: url, encoding: .utf8) == ConfigurationReference.jsonSchema)
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
        #expect(object is [String: Any])
    }

    /// Writes the file anew when STRAIT_REGENERATE=1 stands in the environment.
    private func regenerate(_ url: URL, _ text: String) throws {
        guard ProcessInfo.processInfo.environment["STRAIT_REGENERATE"] == "1" else { return }
        try text.write(to: url, atomically: true, encoding: .utf8)
    }

    @Test("has every key once, with its default")
    func everyKey() {
        let lines = ConfigurationReference.yaml.split(separator: "\n").map { line in
            line.drop { $0 == " " || $0 == "#" || $0 == "-" }
        }
        let names = Dictionary(grouping: ConfigurationReference.entries) { entry in
            entry.path.split(separator: ".").last.map(String.init) ?? ""
        }
        for (name, entries) in names {
            let found = lines.filter { $0 == "\(name):" || $0.hasPrefix("\(name): ") }
            #expect(found.count == entries.count, "\(name)")
            for text in entries.compactMap(\.defaultText) {
                #expect(found.contains { $0 == "\(name): \(text)" }, "\(name): \(text)")
            }
        }
    }

    @Test("says of every key what it is for")
    func sentences() {
        for entry in ConfigurationReference.entries {
            #expect(entry.sentence.hasSuffix("."), "\(entry.path)")
            #expect(entry.sentence.count <= 100, "\(entry.path)")
        }
        #expect(
            Set(ConfigurationReference.entries.map(\.path)).count
                == ConfigurationReference.entries.count)
    }

    @Test("loads, and means the same as a file that says nothing but what must be said")
    func loads() throws {
        let reader = ConfigurationReader(checksFiles: false)
        let file = "/etc/strait/strait.yaml"
        let full = reader.read(text: ConfigurationReference.yaml, file: file)
        #expect(full.problems.isEmpty, "\(full.problems.map(\.text).joined(separator: "\n"))")
        let text = """
            listeners: [{ name: public, address: "[::]:443" }]
            tenants:
              - name: acme
                domains: [acme.example.com]
                aliases: [{ name: old.example.com }]
                services:
                  - { name: bastion, protocol: ssh, upstreams: [{ address: "tcp://10.0.3.5:22" }] }
            """
        let short = reader.read(text: text, file: file)
        let configuration = try #require(full.configuration)
        #expect(short.configuration.map(self.withoutPlaces) == self.withoutPlaces(configuration))
    }

    /// What a configuration says, wherever it says it.
    private func withoutPlaces(_ configuration: Configuration) -> String {
        "\(configuration)".replacing(/SourcePlace\([^)]*\)/, with: "")
    }
}

@Suite("The examples in configs/") struct ExampleTests {
    static let names = [
        "behind-a-load-balancer.yaml", "client-certificates.yaml", "complete.yaml",
        "kubernetes.yaml", "minimal.yaml", "mysql.yaml",
        "passthrough.yaml", "postgres.yaml", "reference.yaml", "ssh.yaml", "tenant-port.yaml",
        "upstreams.yaml", "web.yaml",
    ]

    @Test("are all tested here")
    func all() throws {
        let found = try FileManager.default.contentsOfDirectory(atPath: configsFolder.path)
        #expect(found.filter { $0.hasSuffix(".yaml") }.sorted() == Self.names)
    }

    @Test("load without a problem once the files that they name are there", arguments: names)
    func loads(name: String) throws {
        let folder = try TemporaryFolder()
        let source = configsFolder.appendingPathComponent(name)
        let text = try String(contentsOf: source, encoding: .utf8)
        for match in text.matches(of: /[a-z-]+\.(?:pem|key)/) {
            try folder.write(String(match.0), "", mode: 0o600)
        }
        let path = try folder.write("strait.yaml", text, mode: 0o600)

        let reading = ConfigurationReader().read(path: path)

        #expect(reading.problems.isEmpty, "\(reading.problems.map(\.text).joined(separator: "\n"))")
        #expect(reading.configuration?.listeners.isEmpty == false)
    }
}
