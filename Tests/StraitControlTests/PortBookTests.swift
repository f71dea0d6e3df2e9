// Who has which port, while the store does not answer.

import Foundation
import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitStore
import Testing

@Suite("Ports of a region, while the store leaves", .timeLimit(.minutes(3)))
struct PortBookTests {
    private let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("strait-book-\(UUID().uuidString)")
    private let store: LeavingStore
    private let book: PortBook
    private let registry: Registry
    private let process: Configuration

    init() throws {
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        let reading = ConfigurationReader(checksFiles: false).read(
            text: """
                region: eu
                admin: { unix: admin.sock }
                listeners: [{ name: public, address: "127.0.0.1:0" }]
                registry: { path: registry.db }
                ports: { ranges: [11100-11119] }
                """, file: "strait.yaml")
        self.process = try #require(reading.configuration, "\(reading.problems)")
        self.store = LeavingStore(
            try SQLiteStore(path: self.folder.appendingPathComponent("registry.db").path))
        let settings = try #require(self.process.ports)
        let book = PortBook(settings, region: "eu", isUsedByHost: { _ in false })
        self.book = try #require(book)
        self.registry = Registry(store: self.store, ports: self.book)
    }

    private func put(
        _ name: String, ports: [String] = [], as role: Caller.Role = .operator
    ) async throws {
        let ports = ports.map { #"{"kind":"\#($0)","service":"s"}"# }.joined(separator: ",")
        let services =
            #"[{"name":"s","protocol":"tcp","upstreams":[{"address":"tcp://192.0.2.1:1"}]}]"#
        let document = try TenantDocument(
            json: Array(#"{"name":"\#(name)","services":\#(services),"ports":[\#(ports)]}"#.utf8))
        _ = try await self.registry.put(
            document, named: name, if: .none, by: "test", as: role, process: self.process,
            check: { _, _ in [] })
    }

    @Test("a tenant's administrator cannot keep all ports of a region from others")
    func shareOfAnAdministrator() async throws {
        try await self.put("alpha")
        let role = Caller.Role.tenantAdministrator(tenant: "alpha")
        try await self.put("alpha", ports: (1...11).map { "k\($0)" }, as: role)
        #expect(self.leased("alpha").count == 16)
        // Given back they are still kept from others.
        try await self.put("alpha", as: role)
        try await self.put("alpha", ports: (1...11).map { "k\($0)" }, as: role)
        let error = await #expect(throws: RegistryRefusal.self) {
            try await self.put("alpha", ports: (1...12).map { "k\($0)" }, as: role)
        }
        guard case .port(.keepsTooMany(17, most: 16)) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // Operators can.
        try await self.put("alpha", ports: (1...12).map { "k\($0)" })
        #expect(self.leased("alpha").count == 17)
    }

    private func remove(_ name: String) async throws {
        _ = try await self.registry.remove(name, if: .none, by: "test", process: self.process)
    }

    private func leased(_ name: String) -> [UInt16] {
        self.book.list(after: 0, limit: 1000, tenant: name, now: 0).ports
            .filter { $0.state == "leased" }.map(\.port)
    }

    private func rows(of name: String) async throws -> [UInt16] {
        try await self.store.store.page(prefix: "port/eu/", after: nil, limit: 1000).rows
            .filter { String(decoding: $0.value, as: UTF8.self).contains(#""\#(name)""#) }
            .filter { !String(decoding: $0.value, as: UTF8.self).contains("until") }
            .compactMap { UInt16($0.key.description.dropFirst("port/eu/".count)) }.sorted()
    }

    @Test(
        "nobody has what was not acknowledged; it is read again",
        arguments: LeavingStore.Leaving.allCases)
    func leaving(_ leaving: LeavingStore.Leaving) async throws {
        try await self.put("acme")
        self.store.leave(leaving)
        await #expect(throws: RegistryRefusal.self) { try await self.put("beta") }
        #expect(self.leased("beta").isEmpty && self.book.counts.leased == 5)
        self.store.comeBack()
        try await self.put("gamma")
        let gamma = try await self.rows(of: "gamma")
        #expect(gamma.count == 5 && gamma == self.leased("gamma"))
        try await self.put("beta")
        let beta = try await self.rows(of: "beta")
        #expect(beta.count == 5 && beta == self.leased("beta"))
        #expect(Set(beta).isDisjoint(with: gamma))
        try FileManager.default.removeItem(at: self.folder)
    }

    @Test(
        "who was about to give ports back has them still", arguments: LeavingStore.Leaving.allCases)
    func givingBack(_ leaving: LeavingStore.Leaving) async throws {
        try await self.put("acme")
        self.store.leave(leaving)
        await #expect(throws: RegistryRefusal.self) { try await self.remove("acme") }
        #expect(self.leased("acme") == Array(11100...11104))
        self.store.comeBack()
        try await self.put("beta")
        #expect(self.leased("acme") == (leaving == .before ? Array(11100...11104) : []))
        #expect(try await self.rows(of: "acme") == self.leased("acme"))
        #expect(try await self.rows(of: "beta") == Array(11105...11109))
        try FileManager.default.removeItem(at: self.folder)
    }
}
