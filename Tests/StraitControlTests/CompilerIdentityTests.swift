// What stays the same from one revision to the next.

import Foundation
import StraitControl
import StraitCore
import StraitRouting
import StraitSnapshot
import Testing

@Suite("SnapshotCompiler, over revisions") struct CompilerIdentityTests {
    @Test("the same configuration compiled twice has the same ids everywhere")
    func idsAreStable() throws {
        var compiling = Compiling()
        let text = ConfigurationText().text
        let first = try compiling.compile(text, revision: 1)
        let second = try compiling.compile(text, revision: 2)
        #expect(
            first.snapshot.services.elements.map(\.policy)
                == second.snapshot.services.elements.map(\.policy))
        #expect(
            first.snapshot.services.elements.map(\.metricsSlot)
                == second.snapshot.services.elements.map(\.metricsSlot))
        #expect(first.snapshot.listeners.map(\.id) == second.snapshot.listeners.map(\.id))
        #expect(
            first.snapshot.tenants.elements.flatMap { $0.certificates.sets.map(\.id) }
                == second.snapshot.tenants.elements.flatMap { $0.certificates.sets.map(\.id) })
        #expect(second.tenantsChanged(since: first) == 0)
    }

    @Test("a tenant's counters are one object over revisions")
    func usageIsKept() throws {
        var compiling = Compiling()
        let first = try compiling.compile(ConfigurationText().text)
        _ = first.snapshot.tenants[0].usage.opened()
        let second = try compiling.compile(ConfigurationText().text, revision: 2)
        #expect(second.snapshot.tenants[0].usage === first.snapshot.tenants[0].usage)
        #expect(second.snapshot.tenants[0].usage.openConnections == 1)
    }

    @Test("a listener keeps its id while its address stays, whatever else changes")
    func listenerIDs() throws {
        var compiling = Compiling()
        var text = ConfigurationText()
        let first = try compiling.compile(text.text)
        text.listeners = """
              - { name: new, address: "127.0.0.1:9443", protocols: [tls] }
              - { name: renamed, address: "127.0.0.1:8443", protocols: [tls] }
            """
        let second = try compiling.compile(text.text, revision: 2)
        #expect(second.snapshot.listeners[1].id == first.snapshot.listeners[0].id)
        #expect(second.snapshot.listeners[0].id != first.snapshot.listeners[0].id)
        #expect(second.directory.listeners[first.snapshot.listeners[0].id] == "renamed")
    }

    @Test("a tenant's own listener leads what has no name to that tenant's default service")
    func tenantListenerDefaults() throws {
        var compiling = Compiling()
        var text = ConfigurationText()
        text.listeners = """
              - { name: own, address: "127.0.0.1:8443", tenant: acme, protocols: [tls, ssh] }
            """
        text.services = """
                  - { name: www, protocol: web, upstreams: [{ address: "tcp://127.0.0.1:8080" }] }
                  - { name: shell, protocol: ssh, default: true,
                      upstreams: [{ address: "tcp://127.0.0.1:22" }] }
            """
        let scope = try compiling.compile(text.text).snapshot.listeners[0].scope
        #expect(scope.tenant == 0)
        #expect(scope.service == nil)
        #expect(scope.defaults == [.ssh: 1])
    }

    @Test("listeners with port 0 have ids of their own")
    func anyPort() throws {
        var compiling = Compiling()
        var text = ConfigurationText()
        text.listeners = """
              - { name: one, address: "127.0.0.1:0", protocols: [tls] }
              - { name: two, address: "127.0.0.1:0", protocols: [tls] }
            """
        let ids = try compiling.compile(text.text).snapshot.listeners.map(\.id)
        #expect(Set(ids).count == 2)
    }

    @Test("a service keeps its slot when others come before it, and a slot is never given again")
    func slots() throws {
        var compiling = Compiling()
        var text = ConfigurationText()
        let first = try compiling.compile(text.text)
        let www = first.snapshot.services[0].metricsSlot
        text.services =
            """
                  - { name: api, protocol: web, mode: terminate,
                      upstreams: [{ address: "tcp://127.0.0.1:8081" }] }

            """ + ConfigurationText.www
        let second = try compiling.compile(text.text, revision: 2)
        #expect(second.snapshot.services[1].metricsSlot == www)
        let api = second.snapshot.services[0].metricsSlot
        #expect(api != www)
        #expect(www > 0 && api > 0, "slot 0 is for connections that no service is known of")
        let third = try compiling.compile(ConfigurationText().text, revision: 3)
        #expect(!third.directory.liveServices.contains(api))
        #expect(third.directory.labels(ofSlot: api).service == "api")
    }

    @Test("another certificate is another set, and the first one again is not confused with it")
    func certificateSets() throws {
        let text = ConfigurationText()
        var compiling = Compiling()
        let first = try compiling.compile(text.text).snapshot.tenants[0].certificates.sets[0].id
        var other = ConfigurationText()
        other.certificates = "{ chain: www.pem, key: www.key }"
        let second = try compiling.compile(other.text, revision: 2)
            .snapshot.tenants[0].certificates.sets[0].id
        let third = try compiling.compile(text.text, revision: 3)
            .snapshot.tenants[0].certificates.sets[0].id
        #expect(first != second)
        #expect(third != second)
    }

    @Test(
        "a change of ALPN, of the client certificate policy or of the authorities is another policy"
    )
    func policies() throws {
        var compiling = Compiling()
        var text = ConfigurationText()
        var seen: Set<ContentDigest> = []
        let services = [
            ConfigurationText.www,
            """
                  - { name: www, protocol: web, mode: terminate, alpn: [acme-tls/1, http/1.1],
                      upstreams: [{ address: "tcp://127.0.0.1:8080" }] }
            """,
            """
                  - { name: www, protocol: web, mode: terminate, client_certificate: required,
                      upstreams: [{ address: "tcp://127.0.0.1:8080" }] }
            """,
        ]
        for (index, service) in services.enumerated() {
            text.services = service
            let authority = "    client_ca: [ca.pem]\n"
            let whole = text.text.replacingFirst("    services:", with: authority + "    services:")
            let compiled = try compiling.compile(whole, revision: UInt64(index) + 1)
            seen.insert(compiled.snapshot.services[0].policy)
        }
        #expect(seen.count == services.count)
    }

    @Test("a change of one tenant is counted as one")
    func tenantMarks() throws {
        var compiling = Compiling()
        let first = try compiling.compile(ConfigurationText().text)
        var text = ConfigurationText()
        text.services = ConfigurationText.www.replacingFirst("8080", with: "8081")
        let second = try compiling.compile(text.text, revision: 2)
        #expect(second.tenantsChanged(since: first) == 1)
        #expect(second.tenantsChanged(since: nil) == 1)
    }
}

@Suite("SnapshotCompiler, ticket keys") struct TicketKeyTests {
    private static func service(_ text: String, epoch: UInt64) throws -> ServicePlan {
        var compiling = Compiling()
        return try compiling.compile(text, epoch: epoch).snapshot.services[0]
    }

    @Test(
        "another epoch changes what keys are derived from, and no policy"
    )
    func epochs() throws {
        var compiling = Compiling()
        let text = ConfigurationText().text
        let first = try compiling.compile(text, revision: 1, epoch: 0).snapshot
        let later = try compiling.compile(text, revision: 2, epoch: 1).snapshot
        #expect(first.services[0].givesTickets)
        #expect(first.tickets.root.count == 32)
        #expect(later.tickets == TicketSecrets(root: first.tickets.root, epoch: 1))
        #expect(
            first.services[0].policy == later.services[0].policy,
            "another policy's tickets would not be good")
    }

    @Test("two tenants with equal keys have different policies, from which ticket keys derive")
    func tenants() throws {
        var text = ConfigurationText()
        text.more = """
              - name: second
                domains: [other.test]
                certificates: [{ chain: other.pem, key: other.key }]
                services:
                  - { name: www, protocol: web, mode: terminate, hosts: [other.example.com],
                      upstreams: [{ address: "tcp://127.0.0.1:8080" }] }
            """
        var compiling = Compiling()
        let services = try compiling.compile(text.text).snapshot.services
        #expect(services.elements.map(\.givesTickets) == [true, true])
        #expect(services[0].policy != services[1].policy)
    }

    @Test("passthrough gives no tickets")
    func passthrough() throws {
        var text = ConfigurationText()
        text.services = ConfigurationText.www.replacingFirst("terminate", with: "passthrough")
        #expect(try !Self.service(text.text, epoch: 0).givesTickets)
    }

    @Test("a service that asks for certificates gives no tickets")
    func clientCertificates() throws {
        var text = ConfigurationText()
        text.services = ConfigurationText.www.replacingFirst(
            "mode: terminate,", with: "mode: terminate, client_certificate: optional,")
        let whole = text.text.replacingFirst(
            "    services:", with: "    client_ca: [ca.pem]\n    services:")
        #expect(try !Self.service(whole, epoch: 0).givesTickets)
    }
}

extension String {
    /// The text with its first `needle` replaced.
    func replacingFirst(_ needle: String, with replacement: String) -> String {
        guard let range = self.range(of: needle) else { return self }
        return self.replacingCharacters(in: range, with: replacement)
    }
}
