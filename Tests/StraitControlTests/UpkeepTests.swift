// What the router does by itself to what tenants have in the registry, and rows that tell of it.

import StraitConfig
import StraitControl
import StraitStore
import Testing

@Suite("Upkeep of a registry", .timeLimit(.minutes(3))) struct UpkeepTests {
    private static func entries(_ rig: RegistryRig) async throws -> [String] {
        let registry = try #require(rig.control.registry)
        return try await registry.audit(after: nil, limit: 1000).entries
            .filter { $0.actor == "strait" }.map { "\($0.action) \($0.resource)" }
    }

    @Test("a tenant with more to do than one commit has is kept, and so is the next one")
    func many() async throws {
        let rig = try await RegistryRig()
        for name in ["bees", "zed"] {
            _ = try await rig.put(name, more: #","mode":"terminate""#)
        }
        let store = try #require(rig.control.registry?.store)
        let row = try #require(
            try await store.row(try RowKey("tenant/bees/certificate/installation")))
        // Of services that are gone.
        let older = try (0..<70).map { try RowKey("tenant/bees/certificate/installation-\($0)") }
        for some in [older.prefix(40), older.suffix(30)] {
            _ = try await store.commit(some.map { .put($0, row.value) }, if: [])
        }
        let key = try RowKey("tenant/zed/certificate/installation")
        var document = try CertificateDocument(json: try #require(try await store.row(key)).value)
        document.notBefore -= 70 * 86_400
        document.notAfter -= 70 * 86_400
        let revision = try await store.commit([.put(key, document.json)], if: [])
        #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
        // The router's own look, which may be under way, leaves to this one what it has done.
        var renewed = document
        repeat {
            try Task.checkCancellation()  // the time limit ends it
            #expect(try await rig.control.lookThroughCertificates())
            renewed = try CertificateDocument(
                json: try #require(try await store.row(key)).value)
        } while try await rig.control.certificates(of: "bees").certificates.count > 1
            || renewed.fingerprint == document.fingerprint
        let entries = try await Self.entries(rig)
        #expect(entries.filter { $0.hasPrefix("delete tenant/bees/certificate/") }.count == 70)
        #expect(entries.contains("issue tenant/zed/certificate/installation"))
        try await rig.end()
    }

    @Test("names that tenants had are forgotten when their time is over, however many there are")
    func renames() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        let store = try #require(rig.control.registry?.store)
        let living = Array(#"{"to":"acme","until":9999999999}"#.utf8)
        var writes = try (0..<1020).map { try StoreWrite.put(RowKey("renamed/a\($0)"), living) }
        writes.append(.put(try RowKey("renamed/z"), Array(#"{"to":"acme","until":1}"#.utf8)))
        while !writes.isEmpty {
            _ = try await store.commit(Array(writes.prefix(60)), if: [])
            writes.removeFirst(min(60, writes.count))
        }
        await rig.control.endAliases()
        #expect(try await store.row(try RowKey("renamed/z")) == nil)
        #expect(try await store.row(try RowKey("renamed/a0")) != nil)
        #expect(try await Self.entries(rig).last == "delete renamed/z")
        try await rig.end()
    }

    @Test("a page of rows that a newer program wrote ends no list")
    func newerRows() async throws {
        let rig = try await RegistryRig()
        let registry = try #require(rig.control.registry)
        let writes = try ["region/a", "region/b", "region/c", "router/a", "router/b", "router/c"]
            .map { StoreWrite.put(try RowKey($0), Array("[]".utf8)) }
        _ = try await registry.store.commit(writes, if: [])
        let regions = try await registry.regions(after: nil, limit: 2)
        #expect(regions.regions.isEmpty && regions.next == "b")
        #expect(try await registry.regions(after: "b", limit: 2).next == nil)
        let routers = try await rig.control.routers(after: nil, limit: 2)
        #expect(routers.routers.isEmpty && routers.next == "b")
        try await rig.end()
    }
}
