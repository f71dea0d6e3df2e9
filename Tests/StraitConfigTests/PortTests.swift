// Ports of tenants' own, in the file and in a tenant's document.

import StraitConfig
import StraitCore
import Testing

@Suite("The ports of a configuration") struct PortTests {
    private func read(_ ports: String, registry: Bool = true) -> ConfigurationReader.Reading {
        let more =
            registry ? "registry: { path: registry.db }" : "tenants: [{ name: x, services: [] }]"
        return ConfigurationReader(checksFiles: false).read(
            text: """
                admin: { unix: admin.sock }
                listeners: [{ name: public, address: "127.0.0.1:0" }]
                \(more)
                ports: \(ports)
                """, file: "strait.yaml")
    }

    @Test("have ranges, and defaults for the rest")
    func defaults() throws {
        let reading = self.read("{ ranges: [11100-11999, 12500], exclude: [11200-11210] }")
        #expect(reading.problems == [])
        let ports = try #require(reading.configuration?.ports)
        #expect(ports.ranges == [11100...11999, 12500...12500])
        #expect(ports.excluded == [11200...11210])
        #expect(ports.address == IPAddress("::") && ports.steers)
        #expect(ports.quarantine == .seconds(24 * 3600))
    }

    @Test("have each of their keys")
    func all() throws {
        let reading = self.read(
            "{ ranges: [1-65535], address: 10.0.3.2, quarantine: 2h, steering: off }")
        #expect(reading.problems == [])
        let ports = try #require(reading.configuration?.ports)
        #expect(ports.address == IPAddress("10.0.3.2") && !ports.steers)
        #expect(ports.quarantine == .seconds(7200))
    }

    @Test(
        "are refused where they are wrong, with the path",
        arguments: [
            ("{}", "ports.ranges"), ("{ ranges: [] }", "ports.ranges"),
            ("{ ranges: [0] }", "ports.ranges[0]"),
            ("{ ranges: [11100-] }", "ports.ranges[0]"),
            ("{ ranges: [7, 11200-11100] }", "ports.ranges[1]"),
            ("{ ranges: [65535-65536] }", "ports.ranges[0]"),
            ("{ ranges: [1-2-3] }", "ports.ranges[0]"), ("{ ranges: [-1] }", "ports.ranges[0]"),
            ("{ ranges: [7], exclude: [x] }", "ports.exclude[0]"),
            ("{ ranges: [7], quarantine: 1m }", "ports.quarantine"),
            ("{ ranges: [7], steering: on }", "ports.steering"),
            ("{ ranges: [7], address: \"[::]:7\" }", "ports.address"),
        ])
    func wrong(_ ports: String, _ path: String) {
        let reading = self.read(ports)
        #expect(reading.configuration == nil)
        #expect(reading.problems.map(\.path) == [path], "\(reading.problems.map(\.text))")
    }

    @Test("want a registry")
    func withoutRegistry() {
        let reading = self.read("{ ranges: [7] }", registry: false)
        #expect(reading.problems.filter { $0.severity == .error }.map(\.path) == ["ports"])
    }
}
