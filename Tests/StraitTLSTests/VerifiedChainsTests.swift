// The memory of verified chains: what it knows, and what it must not let in.

import COpenSSL
import StraitTLS
import Testing

@Suite("Verified chains") struct VerifiedChainsTests {
    @Test(
        "a chain is known within its validity, both ends included, and by its digest only",
        arguments: [(99, false), (100, true), (150, true), (200, true), (201, false)])
    func validity(now: Int64, isKnown: Bool) {
        var chains = VerifiedChains()
        chains.insert([1], VerifiedChains.Validity(notBefore: 100, notAfter: 200))

        #expect(chains.contains([1], at: now) == isKnown)
        #expect(!chains.contains([2], at: now))
    }

    @Test("at the bound all are forgotten")
    func bound() {
        var chains = VerifiedChains()
        let validity = VerifiedChains.Validity(notBefore: 0, notAfter: 10)
        for number in 0..<VerifiedChains.countMax {
            chains.insert([UInt8(number & 255), UInt8(number >> 8)], validity)
        }
        #expect(chains.count == VerifiedChains.countMax)
        chains.insert([1, 2, 3], validity)

        #expect(chains.count == 1)
        #expect(chains.contains([1, 2, 3], at: 5))
    }

    @Test(
        "a stranger after a known downstream is rejected, and so is a known one elsewhere",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func stranger(version: Int32) throws {
        let users = try TestAuthority("Acme Users")
        let leaf = try TestAuthority("Test Authority").leaf("db")
        var settings = TLSServerSettings(
            certificates: [leaf.pair], clientAuthoritiesPEM: users.pem,
            requiresClientCertificate: true)
        let context = try TLSContext(server: settings)
        var known = RawPeer.Options()
        known.version = version
        known.certificate = try users.leaf("ana")
        for _ in 0..<3 {
            var pair = try RawPair(context, known)
            try pair.handshake()
            #expect(pair.router.peerCertificate?.subjectCommonName == "ana")
        }
        var stranger = known
        stranger.certificate = try TestAuthority("Acme Users").leaf("ana")
        for _ in 0..<2 {
            var pair = try RawPair(context, stranger)
            guard case .sentAlert(_, .certificateRejected) = pair.failure() else {
                Issue.record("let in")
                return
            }
        }
        settings.clientAuthoritiesPEM = try TestAuthority("Others").pem
        var elsewhere = try RawPair(TLSContext(server: settings), known)
        guard case .sentAlert(_, .certificateRejected) = elsewhere.failure() else {
            Issue.record("let in")
            return
        }
    }
}
