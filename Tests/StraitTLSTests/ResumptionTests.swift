// Tickets: whose they are, and where they are not good.

import COpenSSL
import StraitTLS
import Testing

@Suite("TLS connection, resumption") struct ResumptionTests {
    let settings: TLSServerSettings
    let users: TestAuthority

    init() throws {
        self.users = try TestAuthority("Acme Users")
        let leaf = try TestAuthority("Test Authority").leaf("web", dns: ["www.example.com"])
        self.settings = TLSServerSettings(
            certificates: [leaf.pair], sessionContext: Array("acme/1".utf8),
            ticketKey: TLSTicketKey.derive(root: [1, 2, 3], label: Array("acme/1".utf8)))
    }

    func ticket(_ settings: TLSServerSettings, _ version: Int32) throws -> RawTicket? {
        var options = RawPeer.Options()
        options.version = version
        var pair = try RawPair(TLSContext(server: settings), options)
        try pair.handshake()
        #expect(pair.router.isResumed == false)
        #expect(try pair.write([1]) == 1)
        #expect(pair.peer.read() == [1])
        let ticket = try #require(pair.peer.ticket())
        return SSL_SESSION_is_resumable(ticket.handle) == 1 ? ticket : nil
    }

    func resumes(
        _ ticket: RawTicket?, _ settings: TLSServerSettings, _ version: Int32
    ) throws -> Bool {
        var options = RawPeer.Options()
        options.version = version
        var pair = try RawPair(TLSContext(server: settings), options, ticket: ticket)
        try pair.handshake()
        #expect(try pair.write([1]) == 1)
        #expect(pair.peer.read() == [1])
        return pair.router.isResumed
    }

    @Test(
        "a ticket is good for another context of the same tenant and policy",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func same(version: Int32) throws {
        let ticket = try #require(try self.ticket(self.settings, version))

        #expect(try self.resumes(ticket, self.settings, version))
    }

    @Test(
        "a ticket of another tenant or policy means a full handshake, even with equal keys",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func otherContext(version: Int32) throws {
        let ticket = try #require(try self.ticket(self.settings, version))
        var other = self.settings
        other.sessionContext = Array("acme/2".utf8)

        #expect(try self.resumes(ticket, other, version) == false)
    }

    @Test(
        "a ticket under another key means a full handshake",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func otherKey(version: Int32) throws {
        let ticket = try #require(try self.ticket(self.settings, version))
        var other = self.settings
        other.ticketKey = TLSTicketKey.derive(root: [1, 2, 3], label: Array("acme/2".utf8))

        #expect(try self.resumes(ticket, other, version) == false)
    }

    /// The settings after `count` changes of keys: the last key, and the one before it.
    private func rotated(_ count: UInt8) -> TLSServerSettings {
        func key(_ number: UInt8) -> [UInt8] {
            TLSTicketKey.derive(root: [1, 2, 3], label: Array("acme/1".utf8) + [number])
        }
        var settings = self.settings
        settings.ticketKey = key(count)
        settings.previousTicketKey = count > 0 ? key(count - 1) : []
        return settings
    }

    @Test(
        "a ticket outlives one change of keys, and not two",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func rotation(version: Int32) throws {
        let ticket = try #require(try self.ticket(self.rotated(0), version))
        #expect(try self.resumes(ticket, self.rotated(0), version))

        let again = try #require(try self.ticket(self.rotated(0), version))
        #expect(try self.resumes(again, self.rotated(1), version))

        let late = try #require(try self.ticket(self.rotated(0), version))
        #expect(try self.resumes(late, self.rotated(2), version) == false)
    }

    @Test(
        "who resumes with a ticket of the key before is given one of the present key",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func renewal(version: Int32) throws {
        let ticket = try #require(try self.ticket(self.rotated(0), version))
        var options = RawPeer.Options()
        options.version = version
        var pair = try RawPair(TLSContext(server: self.rotated(1)), options, ticket: ticket)
        try pair.handshake()
        #expect(try pair.write([1]) == 1)
        #expect(pair.peer.read() == [1])
        #expect(pair.router.isResumed == true)
        let renewed = try #require(pair.peer.ticket())
        #expect(try self.resumes(renewed, self.rotated(2), version))
    }

    @Test(
        "the key before is of no use to another tenant or policy",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func rotationElsewhere(version: Int32) throws {
        let ticket = try #require(try self.ticket(self.rotated(0), version))
        var other = self.rotated(1)
        other.sessionContext = Array("acme/2".utf8)
        #expect(try self.resumes(ticket, other, version) == false)
    }

    @Test(
        "a ticket that was changed anywhere means a full handshake",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func forged(version: Int32) throws {
        var forged = self.rotated(0)
        // The same name, another key: what was made with it does not authenticate.
        let mine = self.rotated(0).ticketKey
        forged.ticketKey = Array(mine[..<16]) + mine[16...].map { $0 ^ 1 }
        let ticket = try #require(try self.ticket(forged, version))
        #expect(try self.resumes(ticket, self.rotated(0), version) == false)
    }

    @Test(
        "without a ticket key there is nothing to resume",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func noKey(version: Int32) throws {
        var settings = self.settings
        settings.ticketKey = []

        #expect(try self.ticket(settings, version) == nil)
    }

    @Test(
        "a ticket does not lead around the question for a certificate",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func certificateAsked(version: Int32) throws {
        let ticket = try #require(try self.ticket(self.settings, version))
        var settings = self.settings
        settings.clientAuthoritiesPEM = self.users.pem
        settings.requiresClientCertificate = true
        var options = RawPeer.Options()
        options.version = version
        var pair = try RawPair(TLSContext(server: settings), options, ticket: ticket)

        guard case .sentAlert(_, .certificateMissing) = pair.failure() else {
            Issue.record("let in")
            return
        }
    }

    @Test(
        "contexts that ask for certificates give no ticket, whatever key they have",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func noTicketWithCertificate(version: Int32) throws {
        var settings = self.settings
        settings.clientAuthoritiesPEM = self.users.pem

        #expect(try self.ticket(settings, version) == nil)
    }

    @Test("the ticket of TLS 1.3 goes with the first bytes, and in no send of its own")
    func ticketWithBytes() throws {
        var pair = try RawPair(TLSContext(server: self.settings))
        try pair.handshake()
        #expect(pair.peer.read() == [])
        let before = try #require(pair.peer.ticket())
        #expect(SSL_SESSION_is_resumable(before.handle) == 0)

        #expect(try pair.write([1]) == 1)
        #expect(pair.peer.read() == [1])
        let after = try #require(pair.peer.ticket())
        #expect(SSL_SESSION_is_resumable(after.handle) == 1)
    }

    @Test("a full handshake gives one ticket, and no early data")
    func oneTicket() throws {
        let context = try TLSContext(server: self.settings)
        var pair = try RawPair(context)
        try pair.handshake()
        #expect(try pair.write([1]) == 1)
        #expect(pair.peer.read() == [1])

        let ticket = try #require(pair.peer.ticket())
        #expect(SSL_SESSION_get_max_early_data(ticket.handle) == 0)
        #expect(SSL_SESSION_get_ticket_lifetime_hint(ticket.handle) == 12 * 3600)
    }

    @Test("keys are 80 bytes, equal for equal labels and unrelated for others")
    func keys() {
        let key = TLSTicketKey.derive(root: [1], label: [1])
        #expect(key.count == TLSTicketKey.bytes)
        #expect(key == TLSTicketKey.derive(root: [1], label: [1]))
        #expect(key.prefix(16) != TLSTicketKey.derive(root: [1], label: [2]).prefix(16))
        #expect(key.prefix(16) != TLSTicketKey.derive(root: [2], label: [1]).prefix(16))
    }
}
