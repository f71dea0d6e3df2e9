// Aliases of a tenant, and the times at which they end.

import StraitConfig
import StraitCore
import Testing

@Suite("Times, as operators write them") struct TimeTextTests {
    @Test(
        "are seconds since 1970",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-03-01T00:00:01Z", 5_097_601),
            ("2000-02-29T23:59:59Z", 951_868_799), ("2026-11-20T12:04:31.207Z", 1_795_176_271),
            ("2100-03-01T00:00:00Z", 4_107_542_400), ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] as [(String, UInt64)])
    func good(text: String, seconds: UInt64) {
        #expect(TimeText.parse(text) == seconds)
    }

    @Test(
        "are nothing else",
        arguments: [
            "", "2026-11-20", "2026-11-20 12:04:31Z", "2026-11-20T12:04:31", "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2025-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-20T24:00:00Z",
            "2026-11-20T00:60:00Z", "2026-11-20T00:00:60Z", "2026-11-20T00:00:00.Z",
            "2026-11-20T00:00:00.1xZ", "2026-11-20T00:00:00+01:00", "+026-11-20T00:00:00Z",
            "２026-11-20T00:00:00Z", "30d",
        ])
    func bad(text: String) { #expect(TimeText.parse(text) == nil) }

    @Test("are nothing where they are cut", arguments: 0..<20)
    func cut(count: Int) {
        #expect(TimeText.parse(String("2026-11-20T12:04:31Z".prefix(count))) == nil || count == 20)
    }
}

@Suite("Aliases of a tenant's document") struct AliasTests {
    private func read(_ aliases: String) throws -> TenantDocument.Reading {
        let process = try #require(
            ConfigurationReader().read(
                text: """
                    listeners: [{ name: a, address: "127.0.0.1:1" }]
                    registry: { path: /tmp/r.db }
                    """, file: "/tmp/strait.yaml"
            ).configuration)
        let json = #"{"name":"acme","domains":["acme.example.com"],"aliases":\#(aliases)}"#
        return try TenantDocument(json: Array(json.utf8)).tenant(
            named: "acme", certificates: [], process: process)
    }

    @Test("lead to it until they end, behind its domains")
    func names() throws {
        let reading = try self.read(
            #"[{"name":"Old.example.com","until":"1970-01-01T00:01:40Z"},{"name":"b.example"}]"#)
        let tenant = try #require(reading.tenant, "\(reading.problems)")
        let all = ["acme.example.com", "old.example.com", "b.example"].compactMap { HostName($0) }
        #expect(tenant.ownNames == all)
        #expect(tenant.ownNames(at: 99) == all)
        #expect(tenant.ownNames(at: 100) == [all[0], all[2]])
    }

    @Test(
        "are refused with the place of what is wrong",
        arguments: [
            (#"[{"until":"1970-01-01T00:01:40Z"}]"#, "aliases[0].name"),
            (#"[{"name":"a.example","until":"tomorrow"}]"#, "aliases[0].until"),
            (#"[{"name":"*.example"}]"#, "aliases[0].name"),
        ])
    func wrong(aliases: String, path: String) throws {
        let reading = try self.read(aliases)
        #expect(reading.tenant == nil)
        #expect(reading.problems.contains { $0.path == path }, "\(reading.problems)")
    }
}
