// Ports of tenants' own, from a request to the sockets.

import Foundation
import StraitConfig
import StraitControl
import StraitCore
import StraitPosix
import StraitRouting
import StraitStore
import Testing

@Suite("Leased ports", .serialized, .timeLimit(.minutes(3)))
struct PortLeaseTests {
    @Test("a tenant gets five in a row, keeps them, and leaves them in quarantine")
    func life() async throws {
        let rig = try await PortRig(PortRig.ownAddress(1))
        try await rig.put("acme")
        try await rig.put("beta")
        let acme = try await rig.ports("acme")
        #expect(
            acme == [
                "ssh": 11100, "ssh_tunnel": 11101, "kube": 11102, "mysql": 11103,
                "postgres": 11104,
            ])
        #expect(try await rig.ports("beta").values.min() == 11105)
        try await rig.put("acme", more: #","limits":{"connections":7}"#)
        #expect(try await rig.ports("acme") == acme)
        _ = try await rig.control.removeTenant("acme", if: .none, by: "test")
        let all = try await rig.control.ports(after: 0, limit: 6, of: nil)
        #expect(all.ports.prefix(5).allSatisfy { $0.state == "quarantined" && $0.until != nil })
        #expect(all.ports.last?.tenant == "beta" && all.next == 11105)
        try await rig.put("gamma")
        #expect(try await rig.ports("gamma").values.min() == 11110)
        try await rig.put("acme")
        #expect(try await rig.ports("acme") == acme, "who comes back gets its own")
        let status = try #require(await rig.control.portStatus)
        #expect(status.leased == 15 && status.quarantined == 0 && status.free == 15)
        #expect(status.region == "eu" && !status.isSteered)
        try await rig.end()
    }

    @Test("two routers on one registry both show; their rows are nobody's change")
    func routers() async throws {
        let rig = try await PortRig(PortRig.ownAddress(13))
        try await rig.put("acme")
        let services = await rig.control.status().services
        let audits = try await rig.control.registry?.audit(after: nil, limit: 1000).entries.count
        await rig.control.notePresence()
        let second = try await PortRig(PortRig.ownAddress(14), in: rig.folder, router: "r-2")
        await second.control.notePresence()
        await rig.control.notePresence()
        let addresses = rig.control.webAPI.addresses
        #expect(Set(addresses.map(\.router)) == ["r-1", "r-2"])
        #expect(
            Set(second.control.webAPI.addresses.map(\.address)) == Set(addresses.map(\.address)))
        let found = try await rig.control.routers(after: nil, limit: 100).routers
        #expect(found.map(\.router.name) == ["r-1", "r-2"])
        #expect(found.allSatisfy { $0.state == "present" && $0.router.region == "eu" })
        #expect(try await rig.control.routers(after: "r-1", limit: 1).routers.count == 1)
        let region = try await rig.control.registry?.region("eu")
        #expect(region?.name == "eu", "it came with its first router")
        let after = try await rig.control.registry?.audit(after: nil, limit: 1000).entries.count
        #expect(after == (audits ?? 0) + 1, "that alone is told")
        #expect(await rig.control.status().services == services)
        await #expect(throws: RegistryRefusal.self) {
            try await second.control.removeRegion("eu", if: .none, by: "test")
        }
        await second.control.leavePresence()
        #expect(try await rig.control.routers(after: nil, limit: 9).routers.count == 1)
        await second.control.leavePresence()
        let store = try #require(rig.control.registry?.store)
        let key = try RowKey("router/r-1")
        let row = try #require(try await store.row(key))
        let old = String(decoding: row.value, as: UTF8.self)
            .replacing(/"seen":[0-9]+/, with: "\"seen\":1000000000")
        _ = try await store.commit([.put(key, Array(old.utf8))], if: [])
        let away = try await rig.control.router("r-1")
        #expect(away.state == "away" && away.seen == "2001-09-09T01:46:40.000Z")
        try await second.stop()
        try await rig.end()
    }

    @Test("a tenant that is at home elsewhere gets what it asks for here, and the rest at home")
    func homes() async throws {
        let rig = try await PortRig(PortRig.ownAddress(12))
        let region = RegionRow(name: "us")
        _ = try await rig.control.putRegion(region, if: .absent, by: "test")
        try await rig.put("acme", more: #","region":"us""#)
        #expect(try await rig.ports("acme") == [:])
        let cache = #","ports":[{"kind":"cache","service":"raw"}]"#
        try await rig.put("acme", more: #","region":"us"\#(cache)"#)
        #expect(try await Array(rig.ports("acme").keys) == ["cache"])
        try await rig.put("acme", more: #","region":"eu""#)
        #expect(try await rig.ports("acme").count == 5)
        try await rig.put("acme", more: #","region":"us""#)
        #expect(try await rig.ports("acme") == [:])
        try await rig.end()
    }

    @Test("a router that is started again has the same ports, quarantines included")
    func restart() async throws {
        let first = try await PortRig(PortRig.ownAddress(2))
        for name in ["acme", "beta", "gamma"] { try await first.put(name) }
        _ = try await first.control.removeTenant("beta", if: .none, by: "test")
        let before = try await first.control.ports(after: 0, limit: 1000, of: nil)
        try await first.stop()
        let second = try await PortRig(first.address, in: first.folder)
        #expect(try await second.control.ports(after: 0, limit: 1000, of: nil) == before)
        try await second.put("delta")
        #expect(try await second.ports("delta").values.min() == 11115)
        try await second.end()
    }

    @Test("a router that is started while its registry is away has the same ports")
    func away() async throws {
        let first = try await PortRig(PortRig.ownAddress(9))
        for name in ["beta", "acme", "gone"] { try await first.put(name) }
        let last = try await first.control.removeTenant("gone", if: .none, by: "test")
        let before = try await first.control.ports(after: 0, limit: 1000, of: nil)
        try await waitForCopy(of: last.revision, in: first.folder)
        try await first.stop()
        let path = first.folder.appendingPathComponent("registry.db")
        let aside = first.folder.appendingPathComponent("aside.db")
        try FileManager.default.moveItem(at: path, to: aside)
        let second = try await PortRig(first.address, in: first.folder)
        #expect(try await second.control.ports(after: 0, limit: 1000, of: nil) == before)
        try FileManager.default.moveItem(at: aside, to: path)
        try await second.put("delta")
        #expect(try await second.ports("delta").values.min() == 11115)
        try await second.end()
    }

    @Test("ports are fixed on request, others are had for services, and given back")
    func requests() async throws {
        let rig = try await PortRig(PortRig.ownAddress(3), more: ", exclude: [11120]")
        let cache = #"{"kind":"cache","service":"raw"}"#
        try await rig.put(
            "acme", more: #","ports":[{"kind":"ssh","port":11110},\#(cache)]"#)
        let ports = try await rig.ports("acme")
        #expect(ports.count == 6 && ports["ssh"] == 11110 && ports["cache"] != nil)
        try await rig.put("acme", more: #","ports":[{"kind":"ssh","port":11115}]"#)
        let later = try await rig.ports("acme")
        #expect(later.count == 5 && later["ssh"] == 11115 && later["mysql"] == ports["mysql"])
        for (more, fits) in [
            (#"{"kind":"ssh","port":11115}"#, { if case .leased = $0 { true } else { false } }),
            (#"{"kind":"ssh","port":11120}"#, { if case .outside = $0 { true } else { false } }),
            (#"{"kind":"ssh","port":80}"#, { if case .outside = $0 { true } else { false } }),
            (
                #"{"kind":"ssh","port":11110}"#,
                { if case .quarantined = $0 { true } else { false } }
            ),
        ] as [(String, (PortRefusal) -> Bool)] {
            for manner in [WriteManner.tried, .live] {
                let refusal = try await rig.refusal(
                    "beta", more: #","ports":[\#(more)]"#, manner)
                guard case .port(let why) = refusal, fits(why) else {
                    Issue.record("\(more), \(manner): \(refusal)")
                    continue
                }
            }
        }
        #expect(try await rig.ports("beta").isEmpty, "nothing was noted")
        for wrong in [
            #"{"kind":"Cache"}"#, #"{"kind":"cache"}"#, #"{"kind":"cache","service":"no"}"#,
            #"{"kind":"ssh","port":0}"#, #"{"kind":"ssh"},{"kind":"ssh"}"#, #"{"port":11111}"#,
        ] {
            let refusal = try await rig.refusal("beta", more: #","ports":[\#(wrong)]"#)
            guard case .wrong = refusal else {
                Issue.record("\(wrong): \(refusal)")
                continue
            }
        }
        try await rig.end()
    }

    @Test("where ports run out, or the host has them, that is said, and nothing is changed")
    func exhaustion() async throws {
        let address = PortRig.ownAddress(4)
        let other = try Descriptor(.ip(address, port: 11102))
        defer { other.close() }
        let rig = try await PortRig(address, ports: "11100-11108")
        try await rig.put("acme")
        #expect(try await rig.ports("acme").values.min() == 11103, "behind what the host has")
        let used = try await rig.refusal(
            "beta", more: #","ports":[{"kind":"ssh","port":11102}]"#)
        guard case .port(.usedByHost) = used else {
            Issue.record("\(used)")
            return
        }
        let refusal = try await rig.refusal("beta")
        guard case .port(.exhausted(wanted: 5, free: 3, largestRun: 2)) = refusal else {
            Issue.record("\(refusal)")
            return
        }
        #expect(await rig.control.status().services.allSatisfy { $0.tenant == "acme" })
        try await rig.end()
    }

    @Test("many that come at once get different ports, also from two routers on one store")
    func races() async throws {
        let rig = try await PortRig(PortRig.ownAddress(5), ports: "11100-11399")
        let registry = try #require(rig.control.registry)
        let settings = try #require(
            ConfigurationReader(checksFiles: false).read(path: rig.path).configuration)
        let ports = try #require(settings.ports)
        // Another router's: it has read nothing, so that it learns by what is refused.
        let other = Registry(
            store: registry.store,
            ports: PortBook(ports, region: "eu", isUsedByHost: { _ in false }))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask { try await rig.put("t\(number)") }
                group.addTask {
                    let document = try TenantDocument(
                        json: Array(#"{"name":"o\#(number)","services":[]}"#.utf8))
                    do {
                        _ = try await other.put(
                            document, named: "o\(number)", if: .none, by: "test",
                            process: settings, check: { _, _ in [] })
                    } catch RegistryRefusal.store(.conflict) {
                        // Lost five races in a row: told, and nothing is half done.
                    }
                }
            }
            try await group.waitForAll()
        }
        try await rig.waitUntilLive()
        var seen: Set<UInt16> = []
        for number in 0..<20 {
            let mine = try await rig.ports("t\(number)")
            #expect(mine.count == 5)
            let theirs = try await rig.ports("o\(number)")
            #expect(theirs.isEmpty || theirs.count == 5)
            for port in Array(mine.values) + Array(theirs.values) {
                #expect(seen.insert(port).inserted)
            }
        }
        let all = try await rig.control.ports(after: 0, limit: 1000, of: nil)
        #expect(all.ports.count == seen.count)
        try await rig.end()
    }

    @Test("a quarantine without end, written by hand, is one of centuries")
    func endlessQuarantine() async throws {
        let rig = try await PortRig(PortRig.ownAddress(10))
        let store = try #require(rig.control.registry?.store)
        let row = #"{"tenant":"acme","kind":"ssh","until":18446744073709551615}"#
        _ = try await store.commit(
            [.put(try RowKey("port/eu/11100"), Array(row.utf8))], if: [])
        try await rig.waitUntilLive()
        let ports = try await rig.control.ports(after: 0, limit: 10, of: nil).ports
        #expect(ports.map(\.state) == ["quarantined"])
        #expect(ports.first?.until == "2554-07-21T23:34:33.000Z")
        try await rig.end()
    }

    @Test("a tenant that came as a row gets its ports, and a row that is none is left out")
    func rows() async throws {
        let rig = try await PortRig(PortRig.ownAddress(6))
        let store = try #require(rig.control.registry?.store)
        _ = try await store.commit(
            [
                .put(
                    try RowKey("tenant/acme/document"),
                    Array(#"{"name":"acme","services":[]}"#.utf8)),
                .put(try RowKey("port/eu/11100"), Array("?".utf8)),
                .put(try RowKey("port/us/11101"), Array("?".utf8)),
            ], if: [])
        while try await rig.ports("acme").count < 5 {
            _ = try await store.commits(after: try await store.revision() - 1, limit: 1)
            await Task.yield()
        }
        try await rig.waitUntilLive()
        #expect(try await rig.ports("acme").values.min() == 11100, "a row that says nothing")
        try await rig.end()
    }

    @Test("tenants that were there before the ranges get their ports at the start")
    func before() async throws {
        let first = try await PortRig(PortRig.ownAddress(7), ports: "11100-11104")
        let count = 120
        for number in 0..<count {
            let store = try #require(first.control.registry?.store)
            _ = try await store.commit(
                [
                    .put(
                        try RowKey("tenant/t\(number)/document"),
                        Array(#"{"name":"t\#(number)","services":[]}"#.utf8))
                ], if: [])
        }
        try await first.waitUntilLive()
        try await first.stop()
        let second = try await PortRig(first.address, in: first.folder, ports: "11100-11999")
        while await second.control.portStatus?.leased != 5 * count {
            try Task.checkCancellation()
            await Task.yield()
        }
        try await second.waitUntilLive()
        try await second.end()
    }

    @Test("tenants whose ports cannot be written now get them when the registry can be")
    func interrupted() async throws {
        let first = try await PortRig(PortRig.ownAddress(8), ports: "11100-11104")
        let store = try #require(first.control.registry?.store)
        let count = 60
        for number in 0..<count {
            _ = try await store.commit(
                [
                    .put(
                        try RowKey("tenant/t\(number)/document"),
                        Array(#"{"name":"t\#(number)","services":[]}"#.utf8))
                ], if: [])
        }
        try await first.waitUntilLive()
        try await first.stop()
        let second = try await PortRig(first.address, in: first.folder, ports: "11100-11999") {
            try PortRig.moveRegistry(in: $0, away: true)
        }
        while await second.control.readiness().checks.allSatisfy({ $0.name != "registry" || $0.ok })
        {
            try Task.checkCancellation()
            await Task.yield()
        }
        try second.moveRegistry(away: false)
        while await second.control.portStatus?.leased != 5 * count {
            try Task.checkCancellation()
            await Task.yield()
        }
        try await second.end()
    }

    @Test("who was refused ports gets them when there are some, and waits no more when it goes")
    func refused() async throws {
        let address = PortRig.ownAddress(9)
        let other = try Descriptor(.ip(address, port: 11104))
        let rig = try await PortRig(address, ports: "11100-11104")
        let store = try #require(rig.control.registry?.store)
        for name in ["acme", "beta"] {
            let document = Array(#"{"name":"\#(name)","services":[]}"#.utf8)
            _ = try await store.commit(
                [.put(try RowKey("tenant/\(name)/document"), document)], if: [])
        }
        while await rig.control.portStatus?.waiting != 2 {
            try Task.checkCancellation()
            await Task.yield()
        }
        let why = try await rig.control.problems(ofTenant: "acme")
        #expect(why.ports?.isEmpty == false && why.problems.isEmpty)
        await rig.control.retryPorts()
        #expect(await rig.control.portStatus?.leased == 0)
        other.close()
        await rig.control.retryPorts()
        try await rig.waitUntilLive()
        #expect(try await rig.ports("acme").count == 5)
        #expect(try await rig.control.problems(ofTenant: "acme").ports == nil)
        #expect(await rig.control.portStatus?.waiting == 1)
        _ = try await rig.control.removeTenant("beta", if: .none, by: "test")
        #expect(await rig.control.portStatus?.waiting == 0)
        try await rig.end()
    }
}

@Suite("Sockets of leased ports", .serialized, .timeLimit(.minutes(3)))
struct PortSocketTests {
    /// With one listener for all ports, and without.
    enum Listening: String, CaseIterable, Sendable {
        case plain, steered
        var steering: String { self == .plain ? "\"off\"" : "auto" }
        static let possible = Self.allCases.filter { $0 == .plain || maySteer }
    }

    @Test("lead to their tenant; others are closed", arguments: Listening.possible)
    func sockets(listening: Listening) async throws {
        let number: UInt8 = listening == .plain ? 11 : 12
        let greeters = try ["one", "two", "three"].map { try Greeter($0) }
        defer { for greeter in greeters { greeter.end() } }
        let rig = try await PortRig(
            PortRig.ownAddress(number), steering: listening.steering)
        #expect(await rig.control.portStatus?.isSteered == (listening == .steered))
        try await rig.put("acme", mysql: greeters[0].port, ssh: greeters[2].port)
        try await rig.put(
            "beta", mysql: greeters[1].port, ssh: greeters[2].port,
            more: #","ports":[{"kind":"extra","service":"raw"}]"#)
        let acme = try await rig.ports("acme")
        let beta = try await rig.ports("beta")
        func hear(_ port: UInt16?) throws -> String? { try rig.hear(port) }
        #expect(try hear(acme["mysql"]) == "one")
        #expect(try hear(beta["mysql"]) == "two")
        let told = try await rig.control.explain(
            ExplainQuery(
                serverName: nil, applicationProtocols: [], listener: nil, port: beta["mysql"],
                from: nil, opening: .raw))
        #expect(told.tenant == "beta" && told.service == "db")
        #expect(try hear(beta["ssh"]) == "three", "a silent downstream waits for its banner")
        #expect(try hear(beta["extra"]) == "three")
        for kind in ["ssh_tunnel", "kube", "postgres"] {
            #expect(try hear(acme[kind]) == nil, "\(kind) leads nowhere, so it is closed")
        }
        for port: UInt16 in [11128, 11129, 11099] { #expect(try hear(port) == nil) }
        _ = try await rig.control.removeTenant("acme", if: .none, by: "test")
        #expect(try hear(acme["mysql"]) == nil)
        #expect(try hear(beta["mysql"]) == "two")
        try await rig.put("acme", mysql: greeters[2].port)
        #expect(try hear(acme["mysql"]) == "three")
        try await rig.stop()
        #expect(try hear(beta["mysql"]) == nil)
        let second = try await PortRig(
            rig.address, in: rig.folder, steering: listening.steering)
        #expect(try hear(beta["mysql"]) == "two" && hear(acme["mysql"]) == "three")
        try await second.end()
    }
}

@Suite("Leased ports that another process has", .serialized, .timeLimit(.minutes(3)))
struct ClosedPortTests {
    @Test("are told, and open when it lets go", arguments: [false, true])
    func closed(isByChange: Bool) async throws {
        let greeter = try Greeter("one")
        defer { greeter.end() }
        let first = try await PortRig(PortRig.ownAddress(isByChange ? 31 : 32))
        try await first.put("acme", mysql: greeter.port, ssh: greeter.port)
        try await first.stop()
        let ports = try [11100, 11103].map { port in
            try Descriptor(.ip(first.address, port: port))
        }
        let second = try await PortRig(first.address, in: first.folder)
        let status = try #require(await second.control.portStatus)
        #expect(status.closed == 2 && status.closedPorts.map(\.port) == [11100, 11103])
        #expect(status.closedPorts.allSatisfy { !$0.reason.isEmpty })
        let listed = try await second.control.ports(after: 0, limit: 10, of: "acme").ports
        #expect(
            listed.map { $0.whyClosed?.contains("service") } == [false, true, true, false, true]
                && listed.allSatisfy { $0.state == "leased" })
        let metrics = await second.control.metricsText()
        #expect(metrics.contains("\nstrait_ports_closed{region=\"eu\"} 2\n"))
        ports[1].close()
        if isByChange { try await second.put("beta") } else { await second.control.retryPorts() }
        #expect(try second.hear(11103) == "one")
        #expect(await second.control.portStatus?.closedPorts.map(\.port) == [11100])
        ports[0].close()
        if isByChange { try await second.put("gamma") } else { await second.control.retryPorts() }
        #expect(try second.hear(11100) == "one")
        #expect(await second.control.portStatus?.closed == 0)
        try await second.end()
    }
}

/// A socket of another process, as far as the router can tell.
private struct Descriptor {
    let number: Int32

    init(_ address: SocketAddress) throws {
        self.number = try Sockets.listen(on: address, options: ListenerOptions(backlog: 1))
    }

    func close() { Sockets.close(self.number) }
}
