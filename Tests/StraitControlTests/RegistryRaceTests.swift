// Two routers that change one registry at once.

import Foundation
import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitStore
import Testing

@Suite("Two routers on one registry", .timeLimit(.minutes(3))) struct RegistryRaceTests {
    private let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("strait-race-\(UUID().uuidString)")
    private let store: SQLiteStore
    private let hooked: HookedStore
    private let process: Configuration
    private let settings: Configuration.Ports

    init() throws {
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        let reading = ConfigurationReader(checksFiles: false).read(
            text: """
                region: eu
                admin: { unix: admin.sock }
                listeners: [{ name: public, address: "127.0.0.1:0" }]
                registry: { path: registry.db }
                ports: { ranges: [11100-11299] }
                """, file: "strait.yaml")
        self.process = try #require(reading.configuration, "\(reading.problems)")
        self.settings = try #require(self.process.ports)
        self.store = try SQLiteStore(path: self.folder.appendingPathComponent("registry.db").path)
        self.hooked = HookedStore(self.store)
    }

    /// Of a router that has read nothing yet.
    private func registry(_ store: any Store) -> Registry {
        Registry(
            store: store,
            ports: PortBook(self.settings, region: "eu", isUsedByHost: { _ in false }))
    }

    private func put(
        _ name: String, by registry: Registry, if precondition: Precondition = .none,
        more: String = ""
    ) async throws {
        let text = #"{"name":"\#(name)","services":[]\#(more)}"#
        _ = try await registry.put(
            try TenantDocument(json: Array(text.utf8)), named: name, if: precondition, by: "test",
            process: self.process, check: { _, _ in [] })
    }

    @Test("one that is far behind the other leases all the same")
    func farBehind() async throws {
        let (near, far) = (self.registry(self.store), self.registry(self.store))
        for number in 0..<12 { try await self.put("t\(number)", by: near) }
        try await self.put("late", by: far)
        let late = far.ports?.list(after: 0, limit: 100, tenant: "late", now: 0).ports.map(\.port)
        #expect(late == Array(11160...11164))
        #expect(far.ports?.counts.leased == 65, "it has read all of them")
        try await self.put("t12", by: near)
        #expect(near.ports?.counts.leased == 65 + 5)
        try FileManager.default.removeItem(at: self.folder)
    }

    @Test(
        "who gave no condition is not told that it does not hold",
        arguments: [("port/eu/11100", false), ("tenant/acme/document", true)])
    func words(key: String, isOwn: Bool) async throws {
        let registry = self.registry(self.hooked)
        try await self.put("acme", by: registry)
        self.hooked.refuse(.conflict(try RowKey(key), changed: 7))
        // Another wish, so that it is about ports, too.
        for precondition in [Precondition.none, .present] {
            do {
                try await self.put(
                    "acme", by: registry, if: precondition, more: #","limits":{"connections":7}"#)
                Issue.record("it must be refused")
            } catch RegistryRefusal.changedSince(7) {
                #expect(isOwn && precondition == .present)
            } catch RegistryRefusal.store(.conflict) {
                #expect(!isOwn || precondition == .none)
            }
        }
        try FileManager.default.removeItem(at: self.folder)
    }

    @Test("a region that becomes a home while it is taken out stays")
    func home() async throws {
        let registry = self.registry(self.hooked)
        let us = RegionRow(name: "us")
        _ = try await self.store.commit(
            [.put(try RowKey("region/us"), Array(try JSONEncoder().encode(us)))], if: [])
        for (name, isMoved) in [("new", false), ("moved", true)] {
            if isMoved { try await self.put(name, by: registry) }
            self.hooked.afterLoad(of: "tenant/") {
                do {
                    try await self.put(name, by: registry, more: #","region":"us""#)
                } catch {
                    Issue.record("\(error)")
                }
            }
            do {
                _ = try await registry.removeRegion("us", if: .none, by: "test")
                Issue.record("it is a home")
            } catch RegistryRefusal.inUse {
            }
            #expect(try await self.store.row(try RowKey("region/us")) != nil)
            _ = try await registry.remove(name, if: .none, by: "test", process: self.process)
        }
        _ = try await registry.removeRegion("us", if: .none, by: "test")
        #expect(try await self.store.page(prefix: "home", after: nil, limit: 9).rows.isEmpty)
        do {
            try await self.put("late", by: registry, more: #","region":"us""#)
            Issue.record("there is no such region")
        } catch RegistryRefusal.wrong {
        }
        try FileManager.default.removeItem(at: self.folder)
    }
}
