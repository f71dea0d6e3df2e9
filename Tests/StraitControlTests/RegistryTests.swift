// Tenants of a registry, from a request to the workers; and what becomes of rows that are wrong.

import Foundation
import Logging
import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitStore
import Testing

/// A router whose tenants are in a registry.
private struct RegistryRig {
    let folder: URL
    let control: ControlPlane
    private let delivery: Task<Void, Never>
    private let running: Task<Void, any Error>

    init(in folder: URL? = nil) async throws {
        self.folder =
            folder
            ?? FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-registry-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: true)
        let text = """
            workers: 2
            access: { path: "off" }
            admin: { unix: admin.sock }
            listeners:
              - { name: public, address: "127.0.0.1:0", protocols: [tls, ssh] }
              - { name: acme, address: "127.0.0.1:0", tenant: acme, service: www }
            registry: { path: registry.db }
            defaults: { ssh: acme/bastion }
            """
        let path = self.folder.appendingPathComponent("strait.yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let reading = ConfigurationReader().read(path: path)
        let configuration = try #require(reading.configuration, "\(reading.problems)")
        let control = try ControlPlane(
            path: path, configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            logLinesDropped: { 0 })
        self.control = control
        self.delivery = Task { await control.deliverReports() }
        try await control.start(configuration)
        self.running = Task { try await control.run() }
    }

    /// Ends the router; its folder stays.
    func stop() async throws {
        await self.control.requestDrain(within: .zero)
        try await self.running.value
        self.delivery.cancel()
    }

    func end() async throws {
        try await self.stop()
        try FileManager.default.removeItem(at: self.folder)
    }

    static func document(_ name: String, domain: String? = nil, more: String = "") -> [UInt8] {
        let domain = domain ?? "\(name).example.com"
        return Array(
            """
            {"name":"\(name)","domains":["\(domain)"],"services":[{"name":"www","protocol":"web",\
            "upstreams":[{"address":"tcp://127.0.0.1:8080"}]\(more)}]}
            """.utf8)
    }

    func put(
        _ name: String, domain: String? = nil, more: String = "",
        if precondition: Precondition = .none
    ) async throws -> RegistryWrite {
        try await self.control.putTenant(
            name, Self.document(name, domain: domain, more: more), if: precondition, by: "test")
    }

    /// Until the copy of the last good state is of that revision; the time limit ends it.
    func waitForCopy(of revision: UInt64) async throws {
        let path = self.folder.appendingPathComponent("registry.db.snapshot").path
        let store = try SQLiteStore(path: path)
        let key = try RowKey("copy/of")
        while true {
            let seen = try await store.revision()
            let row = try await store.row(key)
            let text = row.map { String(decoding: $0.value, as: UTF8.self) } ?? ""
            if text.hasPrefix("\(revision) ") { return }
            // Compacted, too, says that there was one.
            _ = await Task { try await store.commits(after: seen, limit: 1) }.result
        }
    }

    func services() async -> [String] {
        await self.control.status().services.map { "\($0.tenant)/\($0.service)" }.sorted()
    }

    func refusal(_ body: () async throws -> RegistryWrite) async throws -> RegistryRefusal {
        do {
            let write = try await body()
            Issue.record("it must be refused, and came to \(write)")
            throw CancellationError()
        } catch let refusal as RegistryRefusal {
            return refusal
        }
    }

    /// The service that a name leads to.
    func explain(_ name: String) async throws -> String? {
        try await self.control.explain(
            ExplainQuery(
                serverName: name, applicationProtocols: [], listener: "public", port: nil,
                from: nil, opening: .tls)
        ).service
    }
}

@Suite("A registry, from a request to the workers", .timeLimit(.minutes(1)))
struct RegistryTests {
    @Test("a tenant is live when its request is answered, changes, and goes")
    func life() async throws {
        let rig = try await RegistryRig()
        #expect(await rig.services() == [])
        let first = try await rig.put("acme")
        let made = first.revision
        #expect(first.isNew && first.isLive)
        #expect(await rig.services() == ["acme/www"])
        #expect(try await rig.explain("www.acme.example.com") == "www")
        let second = try await rig.put("acme", more: #","hosts":["shop.example.org"]"#)
        #expect(!second.isNew && second.isLive && second.revision == made + 1)
        #expect(try await rig.explain("shop.example.org") == "www")
        let again = try await rig.put("acme", more: #","hosts":["shop.example.org"]"#)
        #expect(again.revision == made + 1, "nothing was to be done")
        let gone = try await rig.control.removeTenant("acme", if: .none, by: "test")
        #expect(gone.isLive && gone.revision == made + 2)
        #expect(await rig.services() == [])
        #expect(try await rig.explain("shop.example.org") == nil)
        try await rig.end()
    }

    @Test("a change depends on what whoever asks has seen")
    func preconditions() async throws {
        let rig = try await RegistryRig()
        let absent = try await rig.refusal { try await rig.put("acme", if: .present) }
        guard case .changedSince(nil) = absent else {
            Issue.record("\(absent)")
            return
        }
        let made = try await rig.put("acme", if: .absent)
        let second = try await rig.refusal { try await rig.put("acme", if: .absent) }
        guard case .changedSince(made.revision) = second else {
            Issue.record("\(second)")
            return
        }
        let changed = try await rig.put(
            "acme", domain: "acme.example.net", if: .revision(made.revision))
        let late = try await rig.refusal {
            try await rig.put("acme", domain: "late.example.net", if: .revision(made.revision))
        }
        guard case .changedSince(changed.revision) = late else {
            Issue.record("\(late)")
            return
        }
        try await rig.end()
    }

    @Test("what does not compile is refused with its path, and changes nothing")
    func wrong() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        let revision = try await rig.control.registry?.store.revision()
        for (more, path) in [
            (
                #","mode":"terminate","client_certificate":"required""#,
                "services[0].client_certificate"
            ),
            (#","alpn":7"#, "services[0].alpn"),
        ] {
            let refusal = try await rig.refusal { try await rig.put("beta", more: more) }
            guard case .wrong(let problems) = refusal else {
                Issue.record("\(refusal)")
                return
            }
            #expect(problems.map(\.path).contains(path), "\(problems)")
        }
        let taken = try await rig.refusal {
            try await rig.put("beta", more: #","hosts":["x.acme.example.com"]"#)
        }
        guard case .wrong(let problems) = taken else {
            Issue.record("\(taken)")
            return
        }
        #expect(problems.first?.found.contains("tenant acme") == true)
        #expect(try await rig.control.registry?.store.revision() == revision)
        #expect(await rig.services() == ["acme/www"])
        try await rig.end()
    }

    @Test("a tenant whose row is wrong keeps its last good state, alone; a good one mends it")
    func badRow() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        _ = try await rig.put("beta")
        let store = try #require(rig.control.registry?.store)
        let key = try RowKey("tenant/acme/document")
        for bad in ["{", #"{"name":"acme","services":7}"#, #"{"name":"other"}"#] {
            let revision = try await store.commit([.put(key, Array(bad.utf8))], if: [])
            #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
            #expect(try await rig.explain("www.acme.example.com") == "www", "\(bad)")
        }
        // Two at once, of which one is wrong by claiming what is the other's.
        let thief = RegistryRig.document("thief", domain: "beta.example.com")
        let honest = RegistryRig.document("honest")
        let revision = try await store.commit(
            [
                .put(try RowKey("tenant/thief/document"), thief),
                .put(try RowKey("tenant/honest/document"), honest),
            ], if: [])
        #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
        #expect(await rig.services() == ["acme/www", "beta/www", "honest/www"])
        let mended = try await rig.put("acme", more: #","hosts":["shop.example.org"]"#)
        #expect(mended.isLive)
        #expect(try await rig.explain("shop.example.org") == "www")
        try await rig.end()
    }

    @Test("a router that is started again serves what the registry has, bad rows left out")
    func restart() async throws {
        let first = try await RegistryRig()
        for number in 0..<300 { _ = try await first.put("t\(number)") }
        _ = try await first.put("acme")
        let store = try #require(first.control.registry?.store)
        _ = try await store.commit(
            [.put(try RowKey("tenant/t7/document"), Array("{}".utf8))], if: [])
        let before = await first.services()
        try await first.stop()
        let second = try await RegistryRig(in: first.folder)
        #expect(await second.services() == before.filter { $0 != "t7/www" })
        #expect(try await second.put("t7").isLive)
        #expect(await second.services() == before)
        try await second.end()
    }

    @Test("changes of many at once are each live when they are answered")
    func concurrent() async throws {
        let rig = try await RegistryRig()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    let write = try await rig.put("t\(number)")
                    #expect(write.isLive)
                    #expect(try await rig.explain("www.t\(number).example.com") == "www")
                }
            }
            try await group.waitForAll()
        }
        #expect(await rig.services().count == 40)
        try await rig.end()
    }

    @Test("of two tenants that ask for one name at once, one gets it, and the other is told whose")
    func race() async throws {
        let rig = try await RegistryRig()
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 {
                group.addTask {
                    do {
                        _ = try await rig.put("t\(number)", domain: "one.example.com")
                        return true
                    } catch {
                        return false
                    }
                }
            }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(outcomes.count { $0 } == 1)
        #expect(await rig.services().count == 1)
        try await rig.end()
    }

    @Test("a router that is started while its registry is away serves what was good last")
    func away() async throws {
        let first = try await RegistryRig()
        for number in 0..<20 { _ = try await first.put("t\(number)") }
        let last = try await first.put("acme", more: #","hosts":["shop.example.org"]"#)
        let before = await first.services()
        try await first.waitForCopy(of: last.revision)
        try await first.stop()
        let path = first.folder.appendingPathComponent("registry.db")
        let aside = first.folder.appendingPathComponent("aside.db")
        try FileManager.default.moveItem(at: path, to: aside)
        let second = try await RegistryRig(in: first.folder)
        #expect(await second.services() == before)
        #expect(try await second.explain("shop.example.org") == "www")
        let readiness = await second.control.readiness()
        #expect(readiness.isReady)
        #expect(readiness.checks.contains { $0.name == "registry" && !$0.ok })
        let refusal = try await second.refusal { try await second.put("beta") }
        guard case .store(.unavailable) = refusal else {
            Issue.record("\(refusal)")
            return
        }
        #expect(!FileManager.default.fileExists(atPath: path.path), "it is not begun anew")
        try FileManager.default.moveItem(at: aside, to: path)
        #expect(try await second.put("beta").isLive)
        #expect(await second.services() == (before + ["beta/www"]).sorted())
        try await second.end()
    }

    @Test("a file that is taken away from a running router is not written to any more")
    func takenAway() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        let path = rig.folder.appendingPathComponent("registry.db")
        try FileManager.default.moveItem(
            at: path, to: rig.folder.appendingPathComponent("aside.db"))
        let refusal = try await rig.refusal { try await rig.put("beta") }
        guard case .store(.unavailable) = refusal else {
            Issue.record("\(refusal)")
            return
        }
        #expect(await rig.services() == ["acme/www"])
        try await rig.end()
    }

    @Test("each change leaves a row that tells who, what, before and after")
    func audit() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        _ = try await rig.put("acme", domain: "acme.example.net")
        _ = try await rig.control.removeTenant("acme", if: .none, by: "somebody")
        let registry = try #require(rig.control.registry)
        let page = try await registry.audit(after: nil, limit: 2)
        #expect(page.hasMore && page.entries.map(\.action) == ["create", "change"])
        let rest = try await registry.audit(after: page.entries.last?.id, limit: 10)
        #expect(!rest.hasMore && rest.entries.map(\.action) == ["delete"])
        #expect(rest.entries.map(\.actor) == ["somebody"])
        #expect(page.entries[0].before == nil && page.entries[0].after != nil)
        #expect(page.entries[1].before == page.entries[0].after)
        #expect(rest.entries[0].before == page.entries[1].after && rest.entries[0].after == nil)
        try await rig.end()
    }
}
