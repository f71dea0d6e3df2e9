// A tenant gets another name: what moves, what stays open, who is told, and what ends by itself.

import Foundation
import StraitConfig
import StraitControl
import StraitCore
import StraitIdentity
import StraitPosix
import StraitStore
import Testing

@Suite("A tenant that is renamed", .timeLimit(.minutes(3))) struct RenameTests {
    private static func document(_ aliases: String = "") -> [UInt8] {
        Array(
            #"""
            {"name":"acme","domains":["acme.example.com","second.example.org"],\#(aliases)\#
            "services":[{"name":"www","protocol":"web","mode":"terminate",\#
            "hosts":["shop.example.org"],"upstreams":[{"address":"tcp://127.0.0.1:8080"}]}]}
            """#.utf8)
    }

    private static func put(
        _ name: String, _ json: [UInt8], _ rig: PortRig, if condition: Precondition = .none
    ) async throws -> RegistryWrite {
        try await rig.control.putTenant(name, json, if: condition, by: "test")
    }

    private static func rename(
        _ rig: PortRig, _ old: String = "acme", to new: String = "anvil",
        domain: String? = "anvil.example.com", grace: String? = nil,
        if condition: Precondition = .none, _ manner: WriteManner = .live
    ) async throws -> RegistryWrite {
        try await rig.control.renameTenant(
            old, RenameWish(name: new, domain: domain, grace: grace), if: condition, by: "test",
            manner)
    }

    private static func explain(
        _ name: String, _ protocols: [String], _ rig: PortRig
    ) async throws -> String? {
        let answer = try await rig.control.explain(
            ExplainQuery(
                serverName: name, applicationProtocols: protocols, listener: "public", port: nil,
                from: nil, opening: .tls))
        return answer.service.map { "\(answer.tenant ?? "")/\($0)" }
    }

    private static func refusal(
        _ body: () async throws -> RegistryWrite
    ) async throws -> RegistryRefusal {
        do {
            let write = try await body()
            Issue.record("it must be refused, and came to \(write)")
            throw CancellationError()
        } catch let refusal as RegistryRefusal {
            return refusal
        }
    }

    private static func rows(_ rig: PortRig) async throws -> [String: String] {
        let store = try #require(rig.control.registry?.store)
        var rows: [String: String] = [:]
        for row in try await store.page(prefix: "", after: nil, limit: 1000).rows
        where !row.key.description.hasPrefix("audit/") {
            rows[row.key.description] = String(decoding: row.value, as: UTF8.self)
        }
        return rows
    }

    @Test("takes names, ports, certificates and authorities along, in one commit")
    func moves() async throws {
        let rig = try await PortRig(PortRig.ownAddress(60))
        _ = try await Self.put("acme", Self.document(), rig)
        let now = Int64(Date().timeIntervalSince1970)
        let bundle = try InstallationAuthority.create(now: now)
            .issue(for: [try #require(CertificateName("shop.example.org"))], now: now)
        let upload = [
            "chain": String(decoding: bundle.chainPEM, as: UTF8.self),
            "key": String(decoding: bundle.keyPEM.revealed, as: UTF8.self),
        ]
        let last = try await rig.control.putCertificate(
            "main", of: "acme", Array(try JSONEncoder().encode(upload)), if: .none, by: "test")
        let ports = try await rig.ports("acme")
        let before = try await Self.rows(rig)
        let write = try await Self.rename(rig)
        #expect(write.isLive && write.revision == last.revision + 1, "one commit, all of it live")
        let after = try await Self.rows(rig)
        #expect(try await rig.ports("anvil") == ports && ports.count == 5)
        #expect(try await rig.ports("acme") == [:])
        #expect(!after.keys.contains { $0.hasPrefix("tenant/acme/") })
        #expect(after["tenant/anvil/certificate/main"] != before["tenant/acme/certificate/main"])
        #expect(after["tenant/anvil/certificate/installation"] != nil)
        for name in ["acme.example.com", "anvil.example.com", "shop.example.org"] {
            #expect(after["name/\(name)"] == "anvil")
        }
        #expect(after["renamed/acme"]?.contains(#""to":"anvil""#) == true)
        for name in ["www.acme.example.com", "www.anvil.example.com", "shop.example.org"] {
            #expect(try await Self.explain(name, ["http/1.1"], rig) == "anvil/www", "\(name)")
        }
        // What was sealed for the old rows opens in the new ones, and covers the alias.
        let certificates = try await rig.control.certificates(of: "anvil").certificates
        #expect(
            certificates.first { $0.name == "installation" }?.names.contains(
                "*.acme.example.com") == true)
        let entry = try await rig.control.registry?.audit(after: nil, limit: 1000).entries.last
        #expect(entry?.action == "rename" && entry?.resource == "tenant/acme")
        #expect(entry?.after?.contains("anvil") == true)
        try await rig.stop()
        let again = try await PortRig(PortRig.ownAddress(60), in: rig.folder)
        #expect(try await again.ports("anvil") == ports)
        #expect(try await Self.explain("shop.example.org", ["http/1.1"], again) == "anvil/www")
        try await again.end()
    }

    @Test("has its names listed, an alias also where it ends later than a timestamp can say")
    func listed() async throws {
        let rig = try await PortRig(PortRig.ownAddress(69))
        let aliases = [
            #"{"name":"far.example.com","until":"9999-12-31T23:59:59Z"}"#,
            #"{"name":"near.example.com","until":"2038-01-19T03:14:07Z"}"#,
            #"{"name":"stays.example.com"}"#,
        ].joined(separator: ",")
        _ = try await Self.put("acme", Self.document(#""aliases":[\#(aliases)],"#), rig)
        for tenant in ["acme", nil] {
            let names = try await rig.control.nameListings(after: nil, limit: 9, of: tenant).names
            #expect(
                names.map { "\($0.name) \($0.kind)" } == [
                    "acme.example.com primary", "far.example.com alias", "near.example.com alias",
                    "second.example.org domain", "shop.example.org host", "stays.example.com alias",
                ])
            #expect(names[1].until == "2554-07-21T23:34:33.709Z", "the last that one can say")
            #expect(names[2].until == "2038-01-19T03:14:07.000Z")
            #expect(names[5].until == nil && names.allSatisfy { $0.sinceRevision != nil })
        }
        try await rig.end()
    }

    @Test("keeps what is open, and counts it under its new name")
    func open() async throws {
        let greeter = try Greeter("SSH-2.0-here\r\n")
        let rig = try await PortRig(PortRig.ownAddress(61))
        try await rig.put("acme", ssh: greeter.port)
        let port = try #require(try await rig.ports("acme")["ssh"])
        let address = SocketAddress.ip(rig.address, port: port)
        let held = try BlockingStream(connectingTo: address, timeoutMilliseconds: 20_000)
        #expect(try held.receive(bytesMax: 64).count == 14)
        let open =
            #"strait_connections_open{tenant="NAME",service="shell",protocol="ssh","#
            + #"mode="passthrough"} "#
        func line(_ tenant: String) -> String {
            open.replacingOccurrences(of: "NAME", with: tenant)
        }
        #expect(await rig.control.metricsText().contains(line("acme") + "1\n"))
        #expect(try await Self.rename(rig).isLive)
        let metrics = await rig.control.metricsText()
        #expect(metrics.contains(line("anvil") + "1\n"))
        #expect(!metrics.contains(#"tenant="acme""#))
        #expect(try rig.hear(port) == "SSH-2.0-here\r\n", "its port leads there as before")
        Sockets.close(held.release())
        while await !rig.control.metricsText().contains(line("anvil") + "0\n") {
            await Task.yield()
        }
        // Its counters went on: the two that were closed have the new name, too.
        let closed = await rig.control.metricsText().split(separator: "\n").filter {
            $0.hasPrefix(#"strait_connections_closed_total{tenant="anvil""#) && !$0.hasSuffix(" 0")
        }
        #expect(!closed.isEmpty)
        greeter.end()
        try await rig.end()
    }

    @Test("is told to whoever asks for the old name, which nobody else gets meanwhile")
    func told() async throws {
        let rig = try await PortRig(PortRig.ownAddress(62))
        _ = try await Self.put("acme", Self.document(), rig)
        _ = try await Self.rename(rig)
        for body in [
            { try await Self.put("acme", Self.document(), rig) },
            { try await Self.put("acme", Self.document(), rig, if: .absent) },
            { try await rig.control.removeTenant("acme", if: .none, by: "test") },
            { try await Self.rename(rig) },
            { try await rig.control.removeCertificate("x", of: "acme", if: .none, by: "test") },
        ] {
            let refusal = try await Self.refusal(body)
            guard case .renamed("acme", to: "anvil") = refusal else {
                Issue.record("\(refusal)")
                continue
            }
        }
        // Twice, and back: each name leads to where the tenant is.
        _ = try await Self.rename(rig, "anvil", to: "brick", domain: nil)
        guard case .renamed(_, to: "brick") = await rig.control.registry?.missing("acme") else {
            Issue.record("it is called brick")
            return
        }
        _ = try await Self.rename(rig, "brick", to: "anvil", domain: "acme.example.com")
        #expect(try await Self.explain("www.acme.example.com", [], rig) == "anvil/www")
        #expect(try await Self.explain("www.anvil.example.com", [], rig) == "anvil/www")
        _ = try await rig.control.removeTenant("anvil", if: .none, by: "test")
        #expect(
            try await Self.put("acme", Self.document(), rig).isNew, "there is nobody to tell of")
        try await rig.end()
    }

    @Test("is refused where it cannot be, and nothing is changed")
    func refused() async throws {
        let rig = try await PortRig(PortRig.ownAddress(63))
        let made = try await Self.put("acme", Self.document(), rig)
        try await rig.put("beta")
        let before = try await Self.rows(rig)
        let wishes: [() async throws -> RegistryWrite] = [
            { try await Self.rename(rig, to: "beta") },
            { try await Self.rename(rig, to: "UPPER") },
            { try await Self.rename(rig, to: "a/b") },
            { try await Self.rename(rig, to: "other") },
            { try await Self.rename(rig, domain: "beta.example.com") },
            { try await Self.rename(rig, domain: "no name") },
            { try await Self.rename(rig, grace: "9000h") },
            { try await Self.rename(rig, grace: "soon") },
            { try await Self.rename(rig, if: .revision(made.revision + 100)) },
            { try await Self.rename(rig, "nobody", to: "anvil") },
        ]
        for wish in wishes { _ = try await Self.refusal(wish) }
        #expect(try await Self.rename(rig, if: .none, .tried).isLive)
        #expect(try await Self.rows(rig) == before)
        _ = try await Self.rename(rig, if: .revision(made.revision))
        try await rig.end()
    }

    @Test("may change its domain alone")
    func domainAlone() async throws {
        let rig = try await PortRig(PortRig.ownAddress(64))
        _ = try await Self.put("acme", Self.document(), rig)
        _ = try await Self.rename(rig, to: "acme")
        #expect(try await Self.explain("www.acme.example.com", [], rig) == "acme/www")
        #expect(try await Self.explain("www.anvil.example.com", [], rig) == "acme/www")
        #expect(try await Self.rows(rig)["renamed/acme"] == nil)
        try await rig.end()
    }

    @Test("loses its old names when their time is over, by itself")
    func ends() async throws {
        let rig = try await PortRig(PortRig.ownAddress(65))
        _ = try await Self.put("acme", Self.document(), rig)
        _ = try await Self.rename(rig, grace: "0s")
        #expect(try await Self.explain("www.acme.example.com", [], rig) == nil)
        #expect(try await Self.explain("www.anvil.example.com", [], rig) == "anvil/www")
        await rig.control.endAliases()
        try await rig.waitUntilLive()
        let rows = try await Self.rows(rig)
        #expect(rows["name/acme.example.com"] == nil && rows["renamed/acme"] == nil)
        #expect(rows["tenant/anvil/document"]?.contains("aliases") == false)
        let audit = try await rig.control.registry?.audit(after: nil, limit: 1000).entries
        let told = audit?.filter { $0.actor == "strait" }.map { "\($0.action) \($0.resource)" }
        #expect(told?.suffix(2) == ["change tenant/anvil", "delete renamed/acme"])
        #expect(try await rig.put("acme").isNew, "the names are free")
        try await rig.end()
    }

    @Test("keeps an alias without an end, and one whose end has not come")
    func stays() async throws {
        let rig = try await PortRig(PortRig.ownAddress(66))
        let aliases =
            #""aliases":[{"name":"a.example"},"#
            + #"{"name":"b.example","until":"2100-01-01T00:00:00Z"},"#
            + #"{"name":"c.example","until":"2001-01-01T00:00:00Z"}],"#
        _ = try await Self.put("acme", Self.document(aliases), rig)
        for (name, service) in [("a", "acme/www"), ("b", "acme/www"), ("c", nil)] {
            #expect(try await Self.explain("www.\(name).example", [], rig) == service)
        }
        #expect(
            await rig.control.metricsText().contains(
                #"strait_name_alias_connections_total{tenant="acme",name="a.example"} 0"#))
        await rig.control.endAliases()
        try await rig.waitUntilLive()
        let rows = try await Self.rows(rig)
        #expect(rows["name/a.example"] == "acme" && rows["name/b.example"] == "acme")
        #expect(rows["name/c.example"] == nil)
        try await rig.end()
    }
}
