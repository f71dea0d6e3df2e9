// How a router follows its registry where that is not easy: names that lead elsewhere, changes that
// are not all known, rows that were put back, and a registry that goes away at the wrong moment.

import Foundation
import StraitControl
import StraitCore
import StraitState
import StraitStore
import Synchronization
import Testing

@Suite("Following a registry", .timeLimit(.minutes(3))) struct RegistryFollowTests {
    /// What names lead to, as a test has it.
    private final class Answers: Sendable {
        private let address = Mutex("192.0.2.1")

        func lead(to address: String) { self.address.withLock { $0 = address } }

        func answer(_ name: HostName) -> (ipv4: NameMachine.Answer, ipv6: NameMachine.Answer) {
            let text = name.description == "self.example.net" ? "127.0.0.1" : nil
            let address = IPAddress(text ?? self.address.withLock { $0 })
            return (.addresses([address].compactMap(\.self), lifetimeSeconds: 1), .none)
        }
    }

    private func upstreams(_ rig: RegistryRig, _ service: String) async throws -> [String] {
        try await rig.control.explain(
            ExplainQuery(
                serverName: service, applicationProtocols: [], listener: "public", port: nil,
                from: nil, opening: .tls)
        ).upstreams
    }

    @Test("a name that leads elsewhere leads there for tenants of a registry, and never home")
    func names() async throws {
        let answers = Answers()
        let rig = try await RegistryRig(lookUp: { answers.answer($0) })
        func document(_ name: String, _ upstream: String) -> [UInt8] {
            Array(
                String(decoding: RegistryRig.document(name), as: UTF8.self)
                    .replacing("127.0.0.1:8080", with: "\(upstream):80").utf8)
        }
        for (name, upstream) in [
            ("acme", "db.example.net"), ("beta", "self.example.net"), ("gamma", "10.0.0.1"),
        ] {
            let write = try await rig.control.putTenant(
                name, document(name, upstream), if: .none, by: "test")
            #expect(write.isLive)
        }
        #expect(try await self.upstreams(rig, "www.acme.example.com") == ["192.0.2.1:80"])
        #expect(try await self.upstreams(rig, "www.beta.example.com") == [])
        answers.lead(to: "192.0.2.7")
        while try await self.upstreams(rig, "www.acme.example.com") != ["192.0.2.7:80"] {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
        }
        #expect(try await self.upstreams(rig, "www.gamma.example.com") == ["10.0.0.1:80"])
        try await rig.end()
    }

    /// In a folder of its own, which moves with all that belongs to the file.
    private static let place = "registry/registry.db"

    private static func move(_ rig: RegistryRig, _ from: String, to other: String) throws {
        let files = FileManager.default
        let (source, place) = (
            rig.folder.appendingPathComponent(from), rig.folder.appendingPathComponent(other)
        )
        if files.fileExists(atPath: place.path) { try files.removeItem(at: place) }
        try files.moveItem(at: source, to: place)
        try files.createDirectory(at: source, withIntermediateDirectories: false)
    }

    @Test("where changes are not all kept any more, all is read anew")
    func compacted() async throws {
        let first = try await RegistryRig(registry: Self.place)
        let copied = try await first.put("acme")
        try await first.waitForCopy(of: copied.revision)
        try await first.stop()
        try Self.move(first, "registry", to: "aside")
        let second = try await RegistryRig(in: first.folder, registry: Self.place)
        let other = try SQLiteStore(
            path: first.folder.appendingPathComponent("aside/registry.db").path)
        let revision = try await other.commit(
            [.put(try RowKey("tenant/beta/document"), RegistryRig.document("beta"))], if: [])
        try await other.compact(through: revision)
        try Self.move(first, "aside", to: "registry")
        #expect(await second.control.waitUntilLive(revision, timeout: .seconds(30)))
        #expect(await second.services() == ["acme/www", "beta/www"])
        #expect(try await second.put("gamma").isLive)
        #expect(await second.services() == ["acme/www", "beta/www", "gamma/www"])
        try await second.end()
    }

    @Test("a registry that was put back from a backup is what counts")
    func backup() async throws {
        let first = try await RegistryRig(registry: Self.place)
        _ = try await first.put("acme")
        try await first.stop()
        try FileManager.default.copyItem(
            at: first.folder.appendingPathComponent("registry"),
            to: first.folder.appendingPathComponent("backup"))
        let second = try await RegistryRig(in: first.folder, registry: Self.place)
        var last = try await second.put("beta")
        for name in ["gamma", "delta"] { last = try await second.put(name) }
        try await second.waitForCopy(of: last.revision)
        try await second.stop()
        try Self.move(first, "registry", to: "lost")
        let third = try await RegistryRig(in: first.folder, registry: Self.place)
        #expect(await third.services().count == 4)
        try Self.move(first, "backup", to: "registry")
        while await third.services() != ["acme/www"] {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
        }
        #expect(try await third.put("omega").isLive)
        #expect(await third.services() == ["acme/www", "omega/www"])
        try await third.end()
    }

    @Test("a registry that is written over costs changes, not traffic, and the status says why")
    func writtenOver() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        let path = rig.folder.appendingPathComponent("registry.db")
        let file = try FileHandle(forUpdating: path)
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: Data(repeating: 7, count: 20_000))
        try file.close()
        let refusal = try await rig.refusal { try await rig.put("beta") }
        guard case .store(.unavailable(let why)) = refusal, why.contains("written over") else {
            Issue.record("\(refusal)")
            return
        }
        while await rig.control.status().registry?.failure?.contains("written over") != true {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
        }
        #expect(await rig.services() == ["acme/www"])
        try await rig.stop()
        #expect(try Data(contentsOf: path) == Data(repeating: 7, count: 20_000))
        try FileManager.default.removeItem(at: rig.folder)
    }

    @Test("what is refused stays as it was over a reload")
    func kept() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        let last = try await rig.put("beta")
        try await rig.waitForCopy(of: last.revision)
        let store = try #require(rig.control.registry?.store)
        let revision = try await store.commit(
            [.put(try RowKey("tenant/acme/document"), Array("{}".utf8))], if: [])
        #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
        let file = rig.folder.appendingPathComponent("strait.yaml")
        var text = try String(contentsOf: file, encoding: .utf8)
        text += "\nregion: elsewhere\n"
        try Data(text.utf8).write(to: file)
        guard case .applied = await rig.control.reload(trigger: "test") else {
            Issue.record("the reload must be applied")
            return
        }
        #expect(await rig.services() == ["acme/www", "beta/www"])
        #expect(await rig.control.status().registry?.refused == ["acme"])
        try await rig.end()
    }

    @Test("of changes at once, one that is in another's way waits for it, whatever the order")
    func order() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("zeta", domain: "shop.example.org")
        _ = try await rig.put("yota", domain: "acme.example.com")
        let store = try #require(rig.control.registry?.store)
        let revision = try await store.commit(
            [
                .put(
                    try RowKey("tenant/acme/document"),
                    RegistryRig.document("acme", domain: "shop.example.org")),
                .put(try RowKey("tenant/bad/document"), Array("{}".utf8)),
                .put(
                    try RowKey("tenant/worse/document"),
                    RegistryRig.document("worse", domain: "acme.example.com")),
                .put(try RowKey("tenant/zeta/document"), RegistryRig.document("zeta")),
            ], if: [])
        #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
        let services = await rig.services()
        #expect(services == ["acme/www", "yota/www", "zeta/www"], "\(services)")
        #expect(try await rig.explain("www.shop.example.org") == "www")
        #expect(await rig.control.status().registry?.refused == ["bad", "worse"])
        let bad = try await rig.control.problems(ofTenant: "bad")
        #expect(!bad.problems.isEmpty && bad.problems.allSatisfy { !$0.text.isEmpty })
        #expect(bad.ports == nil)
        await #expect(throws: RegistryRefusal.self) {
            try await rig.control.problems(ofTenant: "nobody")
        }
        try await rig.end()
    }
}
