// Tenants of a registry, from a request to the workers; and what becomes of rows that are wrong.

import Foundation
import Logging
import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitState
import StraitStore
import Testing

@Suite("A registry, from a request to the workers", .timeLimit(.minutes(3)))
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
        guard case .exists(made.revision) = second else {
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

    @Test("a router that is started again serves what the registry has, of bad rows what was good")
    func restart() async throws {
        let first = try await RegistryRig()
        for number in 0..<300 { _ = try await first.put("t\(number)") }
        let last = try await first.put("acme")
        try await first.waitForCopy(of: last.revision)
        let store = try #require(first.control.registry?.store)
        _ = try await store.commit(
            [
                .put(try RowKey("tenant/t7/document"), Array("{}".utf8)),
                .put(try RowKey("tenant/never/document"), Array("{}".utf8)),
            ], if: [])
        let before = await first.services()
        try await first.stop()
        let second = try await RegistryRig(in: first.folder)
        #expect(await second.services() == before)
        #expect(await second.control.status().registry?.refused == ["never", "t7"])
        #expect(try await second.put("t7").isLive)
        #expect(await second.control.status().registry?.refused == ["never"])
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

    @Test("a service's name and another tenant's own, asked for at once, do not both come about")
    func serviceNameRace() async throws {
        let rig = try await RegistryRig()
        for number in 0..<12 {
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                let domain = "d\(number).example.com"
                for (name, domain) in [("a\(number)", domain), ("b\(number)", "www.\(domain)")] {
                    group.addTask {
                        do { return try await rig.put(name, domain: domain).isLive } catch {
                            return false
                        }
                    }
                }
                return await group.reduce(into: [Bool]()) { $0.append($1) }
            }
            #expect(outcomes.count { $0 } == 1, "\(number)")
        }
        #expect(await rig.control.status().registry?.refused == [])
        try await rig.end()
    }

    @Test("a name that was the tenant's own may become its service's")
    func ownNameToService() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme", domain: "www.acme.example.com")
        #expect(try await rig.put("acme", domain: "acme.example.com").isLive)
        try await rig.end()
    }

    @Test(
        "the router's own sockets are no upstreams of a tenant",
        arguments: ["admin.sock", "./x/../admin.sock", "admin.sock.1.web/s", "link/admin.sock"])
    func ownSockets(_ path: String) async throws {
        let rig = try await RegistryRig()
        try FileManager.default.createSymbolicLink(
            atPath: rig.folder.appendingPathComponent("link").path,
            withDestinationPath: ".")
        let address = "unix:\(rig.folder.path)/\(path)"
        let document =
            #"{"name":"acme","domains":["acme.test"],"services":[{"name":"www","#
            + #""protocol":"web","upstreams":[{"address":"\#(address)"}]}]}"#
        let refusal = try await rig.refusal {
            try await rig.control.putTenant("acme", Array(document.utf8), if: .none, by: "test")
        }
        guard case .wrong(let problems) = refusal else {
            Issue.record("\(refusal)")
            return
        }
        #expect(problems.contains { $0.path == "services[0].upstreams[0].address" })
        try await rig.end()
    }

    @Test("a router that is started while its registry is away serves what was good last")
    func away() async throws {
        let first = try await RegistryRig()
        for number in 0..<20 { _ = try await first.put("t\(number)") }
        let last = try await first.put("acme", more: #","hosts":["shop.example.org"]"#)
        let before = await first.services()
        try await waitForCopy(of: last.revision, in: first.folder)
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
        while await !second.control.readiness().checks.allSatisfy(\.ok) {
            try Task.checkCancellation()  // it is found without a change
            await Task.yield()
        }
        #expect(try await second.put("beta").isLive)
        #expect(await second.services() == (before + ["beta/www"]).sorted())
        try await second.end()
    }

    @Test("a copy that is damaged is put aside where the registry is there, and made anew")
    func damagedCopy() async throws {
        let first = try await RegistryRig()
        let last = try await first.put("acme")
        try await first.waitForCopy(of: last.revision)
        try await first.stop()
        let path = first.folder.appendingPathComponent("registry.db.snapshot")
        let junk = Data(repeating: 0x2A, count: 20_000)
        func damage() throws {
            for ending in ["-wal", "-shm"] {
                // Gone already where it was closed in order.
                try? FileManager.default.removeItem(atPath: path.path + ending)
            }
            try junk.write(to: path)
        }
        try damage()
        let second = try await RegistryRig(in: first.folder)
        #expect(await second.services() == ["acme/www"])
        try await second.waitForCopy(of: last.revision)
        try await second.stop()
        #expect(FileManager.default.contents(atPath: path.path + ".damaged") == junk)
        try damage()
        let registry = first.folder.appendingPathComponent("registry.db")
        let aside = first.folder.appendingPathComponent("aside.db")
        try FileManager.default.moveItem(at: registry, to: aside)
        await #expect(throws: StartFailure.self, "there is nothing to serve") {
            _ = try await RegistryRig(in: first.folder)
        }
        try FileManager.default.removeItem(at: first.folder)
    }

    @Test("the copy is up to date while nothing changes, and its gauge says so")
    func quiet() async throws {
        let rig = try await RegistryRig()
        let last = try await rig.put("acme")
        try await rig.waitForCopy(of: last.revision)
        var seen: Set<String> = []
        while seen.count < 3 {
            let lines = await rig.control.metricsText().split(separator: "\n")
            let line = lines.first { $0.hasPrefix("strait_registry_snapshot_timestamp_seconds ") }
            seen.insert(String(line ?? ""))
        }
        try await rig.end()
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

    @Test("a tenant that is made anew under its name is another one; one that is changed is not")
    func incarnation() async throws {
        let rig = try await RegistryRig()
        let name = try #require(HostName("acme.example.com"))
        func isOwn(_ incarnation: UInt64) -> Bool {
            rig.control.webAPI.isOwnName(name, ofTenant: "acme", incarnation: incarnation)
        }
        let first = try await rig.put("acme").revision
        #expect(isOwn(first))
        _ = try await rig.put("acme", more: #","hosts":["www.example.org"],"mode":"passthrough""#)
        #expect(isOwn(first))
        _ = try await rig.control.removeTenant("acme", if: .none, by: "test")
        #expect(!isOwn(first))
        let second = try await rig.put("acme").revision
        #expect(isOwn(second) && !isOwn(first))
        try await rig.end()
    }

    @Test("a change with too many names of upstreams is refused before one is looked up")
    func upstreamNames() async throws {
        let rig = try await RegistryRig { name in
            Issue.record("\(name) must not be looked up")
            return (.none, .none)
        }
        let services = [0..<33, 33..<65].map { numbers in
            let upstreams = numbers.map { #"{"address":"tcp://u\#($0).internal:80"}"# }
                .joined(separator: ",")
            return #"{"name":"s\#(numbers.count)","protocol":"web","upstreams":[\#(upstreams)]}"#
        }.joined(separator: ",")
        let document = #"{"name":"acme","domains":["acme.example.com"],"services":[\#(services)]}"#
        for manner in [WriteManner.tried, .live] {
            let refusal = try await rig.refusal {
                try await rig.control.putTenant(
                    "acme", Array(document.utf8), if: .none, by: "test", manner)
            }
            guard case .wrong(let problems) = refusal else {
                Issue.record("\(refusal)")
                continue
            }
            #expect(problems.map(\.code) == [.wrongCount])
            #expect(problems[0].path == "services[1].upstreams[31]")
        }
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
        #expect(page.next != nil && page.entries.map(\.action) == ["create", "change"])
        let rest = try await registry.audit(after: page.next, limit: 10)
        #expect(rest.next == nil && rest.entries.map(\.action) == ["delete"])
        #expect(rest.entries.map(\.actor) == ["somebody"])
        #expect(page.entries[0].before == nil && page.entries[0].after != nil)
        #expect(page.entries[1].before == page.entries[0].after)
        #expect(rest.entries[0].before == page.entries[1].after && rest.entries[0].after == nil)
        try await rig.end()
    }
}
