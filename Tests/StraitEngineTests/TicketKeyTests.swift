// A change of ticket keys reaches the workers' contexts, and costs nobody a handshake.

import COpenSSL
import StraitCore
import StraitEngine
import StraitRouting
import StraitSnapshot
import StraitTLS
import Testing

/// A session of OpenSSL's that a test keeps in order to resume it.
private final class Ticket {
    let handle: OpaquePointer

    init(owning handle: OpaquePointer) { self.handle = handle }

    deinit { SSL_SESSION_free(self.handle) }
}

@Suite("A worker, when the ticket keys change", .serialized, .timeLimit(.minutes(3)))
struct TicketKeyTests {
    /// The snapshot with the keys of a revision, from 2 on, all else equal.
    private func snapshot(
        _ setup: RawSetup, revision: UInt64, epoch: UInt64? = nil, incarnation: UInt64 = 0
    ) -> Snapshot {
        let old = setup.snapshot
        let service = old.services[0]
        let tenant = TenantPlan(
            name: service.tenant.name, incarnation: incarnation,
            certificates: service.tenant.certificates, clientAuthoritiesPEM: [],
            usage: service.tenant.usage)
        let services: SlotTable<ServicePlan> = [
            ServicePlan(
                metricsSlot: 1, tenant: tenant, name: service.name,
                serviceProtocol: service.serviceProtocol, mode: service.mode,
                applicationProtocols: [], clientCertificate: .none, policy: service.policy,
                givesTickets: true, upstreams: service.upstreams)
        ]
        return Snapshot(
            revision: revision, router: old.router, region: old.region, listeners: old.listeners,
            routes: old.routes, services: services, tenants: [tenant],
            timeouts: old.timeouts, limits: old.limits, access: old.access,
            tickets: TicketSecrets(root: [1, 2, 3], epoch: epoch ?? revision))
    }

    /// One connection in TLS 1.2, where the ticket comes within the handshake.
    ///
    /// - Returns: Whether it resumed, and what it may resume with next.
    private func connect(
        _ setup: RawSetup, _ upstream: Upstream, with ticket: Ticket?
    ) throws -> (isResumed: Bool, ticket: Ticket) {
        let context = try #require(SSL_CTX_new(TLS_client_method()))
        defer { SSL_CTX_free(context) }
        let ssl = try #require(SSL_new(context))
        defer { SSL_free(ssl) }
        SSL_set_ciphersuites(ssl, "")
        _ = SSL_set_options(ssl, 1 << 29)  // SSL_OP_NO_TLSv1_3
        let wire = try Wire(connectedTo: setup.address)
        // SSL_CTRL_SET_TLSEXT_HOSTNAME of a host_name, RFC 6066 §3.
        var name = Array("echo.acme.example.com".utf8CString)
        #expect(SSL_ctrl(ssl, 55, 0, &name) == 1)
        #expect(SSL_set_fd(ssl, wire.descriptor) == 1)
        if let ticket { #expect(SSL_set_session(ssl, ticket.handle) == 1) }
        try #require(SSL_connect(ssl) == 1)
        let next = try #require(SSL_get1_session(ssl))
        let isResumed = SSL_session_reused(ssl) == 1
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN)  // one that breaks off is not resumed
        _ = try upstream.accept()
        return (isResumed, Ticket(owning: next))
    }

    @Test("resumes with the key before, gives tickets of the new one, and forgets older ones")
    func rotation() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], mode: .terminate, listenerProtocols: PeekTests.all)
        defer { setup.end() }
        try setup.apply(self.snapshot(setup, revision: 2))
        let first = try self.connect(setup, upstream, with: nil)
        #expect(!first.isResumed)
        try setup.apply(self.snapshot(setup, revision: 3))
        let second = try self.connect(setup, upstream, with: first.ticket)
        #expect(second.isResumed)
        try setup.apply(self.snapshot(setup, revision: 4))
        #expect(try self.connect(setup, upstream, with: first.ticket).isResumed == false)
        #expect(try self.connect(setup, upstream, with: second.ticket).isResumed)
        #expect(try setup.rig.metrics().tlsContexts == 1)
    }

    @Test("gives a tenant nothing of the tickets of another one that had its name")
    func incarnations() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], mode: .terminate, listenerProtocols: PeekTests.all)
        defer { setup.end() }
        try setup.apply(self.snapshot(setup, revision: 2, epoch: 1, incarnation: 5))
        let ticket = try self.connect(setup, upstream, with: nil).ticket
        try setup.apply(self.snapshot(setup, revision: 3, epoch: 1, incarnation: 5))
        #expect(try self.connect(setup, upstream, with: ticket).isResumed)
        try setup.apply(self.snapshot(setup, revision: 4, epoch: 1, incarnation: 9))
        #expect(try self.connect(setup, upstream, with: ticket).isResumed == false)
    }
}
