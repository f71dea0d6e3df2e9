// Settings and certificates that cannot be used, and what operators read about them; digests.

import COpenSSL
import StraitTLS
import Testing

@Suite("TLS context, from settings") struct ContextTests {
    let authority: TestAuthority
    let good: TestCertificate

    init() throws {
        self.authority = try TestAuthority("Test Authority")
        self.good = try self.authority.leaf("web", dns: ["www.example.com"])
    }

    func problem(_ settings: TLSServerSettings) -> String? {
        do throws(TLSSetupError) { _ = try TLSContext(server: settings) } catch {
            return error.message
        }
        return nil
    }

    @Test("a key of another certificate is refused, and named")
    func mismatchedKey() throws {
        let other = try self.authority.leaf("other")
        let rsa = try self.authority.leaf("rsa", keyType: .rsa)
        for key in [other.keyPEM, rsa.keyPEM] {
            let single = TLSServerSettings(certificates: [(self.good.chainPEM, key)])
            #expect(
                self.problem(single)
                    == "the key does not belong to the first certificate of the chain")
            let second = TLSServerSettings(certificates: [rsa.pair, (self.good.chainPEM, key)])
            #expect(
                self.problem(second) == """
                    the key of certificate 2 does not belong to the first certificate of \
                    the chain of certificate 2
                    """)
        }
    }

    @Test("what cannot be read is named")
    func unreadable() throws {
        let garbage = Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
        let cases: [(TLSServerSettings, String)] = [
            (TLSServerSettings(certificates: []), "no certificate is given"),
            (TLSServerSettings(certificates: [([], self.good.keyPEM)]), "the chain: no PEM"),
            (
                TLSServerSettings(certificates: [(garbage, self.good.keyPEM)]),
                "the chain: certificate 1 cannot be read"
            ),
            (
                TLSServerSettings(
                    certificates: [(self.good.chainPEM + garbage, self.good.keyPEM)]),
                "the chain: certificate 2 cannot be read"
            ),
            (
                TLSServerSettings(certificates: [(self.good.chainPEM, self.good.chainPEM)]),
                "the key cannot be read"
            ),
            (
                TLSServerSettings(certificates: [self.good.pair], clientAuthoritiesPEM: []),
                "the client authorities: no PEM certificate found"
            ),
            (
                TLSServerSettings(
                    certificates: [self.good.pair], sessionContext: Array(repeating: 1, count: 33)),
                "the session context has at most 32 bytes"
            ),
            (
                TLSServerSettings(
                    certificates: [self.good.pair], ticketKey: Array(repeating: 1, count: 48)),
                "a ticket key has 80 bytes, not 48"
            ),
            (
                TLSServerSettings(certificates: [self.good.pair], applicationProtocols: [[]]),
                "an application protocol has 1 to 255 bytes, not 0"
            ),
        ]
        for (settings, expected) in cases {
            let message = try #require(self.problem(settings))
            #expect(message.hasPrefix(expected), "\(message)")
        }
        #expect(self.problem(TLSServerSettings(certificates: [self.good.pair])) == nil)
    }

    @Test("an encrypted key is refused and nobody is asked for a passphrase")
    func encryptedKey() throws {
        let bio = BIO_new_mem_buf(self.good.keyPEM, Int32(self.good.keyPEM.count))
        let key = PEM_read_bio_PrivateKey(bio, nil, nil, nil)
        let sealed = BIO_new(BIO_s_mem())
        defer {
            BIO_free(bio)
            BIO_free(sealed)
            EVP_PKEY_free(key)
        }
        #expect(PEM_write_bio_PrivateKey(sealed, key, EVP_aes_128_cbc(), [1, 2], 2, nil, nil) == 1)
        var pem = [UInt8](repeating: 0, count: 4096)
        pem.removeSubrange(Int(BIO_read(sealed, &pem, 4096))...)

        let settings = TLSServerSettings(certificates: [(self.good.chainPEM, pem)])
        #expect(
            self.problem(settings)?.hasPrefix("the key cannot be read as an unencrypted") == true)
    }

    @Test("our own certificate towards an upstream is chain and key, or neither")
    func halfPair() {
        #expect(throws: TLSSetupError("a chain without its key")) {
            try TLSContext(client: TLSClientSettings(chainPEM: self.good.chainPEM))
        }
        #expect(throws: TLSSetupError("a key without its chain")) {
            try TLSContext(client: TLSClientSettings(keyPEM: self.good.keyPEM))
        }
    }

    @Test("an address that is none is refused before anything is dialled")
    func badAddress() throws {
        let context = try TLSContext(client: TLSClientSettings())
        let channel = try TLSChannel()
        #expect(throws: TLSSetupError("10.0.0.300 is not an address to verify")) {
            _ = try TLSSession(
                clientContext: context, serverName: nil, verifyName: nil,
                verifyAddress: "10.0.0.300", applicationProtocols: [], channel: channel)
        }
    }
}

@Suite("Facts of a certificate") struct CertificateFactsTests {
    @Test(
        "subject, names, validity and key type are read",
        arguments: [(TestAuthority.KeyType.ec, "ec"), (.rsa, "rsa"), (.ed25519, "ed25519")])
    func facts(keyType: TestAuthority.KeyType, name: String) throws {
        let leaf = try TestAuthority("Test Authority").leaf(
            "Grüße, Welt", dns: ["a.example.com", "*.example.com"], addresses: ["10.0.0.1"],
            keyType: keyType, days: (-1, 30))
        let facts = try TLSCertificateFacts(chainPEM: leaf.chainPEM, keyPEM: leaf.keyPEM)

        #expect(facts.subject == "CN=Grüße\\, Welt")
        #expect(facts.dnsNames == ["a.example.com", "*.example.com"])
        #expect(facts.keyType == name)
        #expect(facts.notAfter - facts.notBefore == 31 * 86_400)
        #expect(facts.notBefore > 1_600_000_000)
    }

    @Test("a key of another certificate is refused")
    func mismatch() throws {
        let authority = try TestAuthority("Test Authority")
        let leaf = try authority.leaf("a")
        let other = try authority.leaf("b")
        #expect(
            throws: TLSSetupError("the key does not belong to the first certificate of the chain")
        ) {
            try TLSCertificateFacts(chainPEM: leaf.chainPEM, keyPEM: other.keyPEM)
        }
    }

    @Test("a bundle is read to its end, and the first certificate that cannot be read is named")
    func bundle() throws {
        let pem =
            try TestAuthority("One").pem + Array("# a comment\n".utf8) + TestAuthority("Two").pem
        try TLSCertificateFacts.checkAuthorities(pem: pem)
        #expect(throws: TLSSetupError("the authorities: no PEM certificate found")) {
            try TLSCertificateFacts.checkAuthorities(pem: Array("nothing".utf8))
        }
        #expect(throws: TLSSetupError.self) {
            try TLSCertificateFacts.checkAuthorities(pem: Array(pem.dropLast(40)))
        }
    }

    @Test("a bundle in which no certificate may sign others is no bundle of authorities")
    func leafAsAuthority() throws {
        let authority = try TestAuthority("Test Authority")
        let leaf = try authority.leaf("a").chainPEM
        #expect(
            throws: TLSSetupError("no authority: the certificate of CN=a may not sign others")
        ) {
            try TLSCertificateFacts.checkAuthorities(pem: leaf)
        }
        try TLSCertificateFacts.checkAuthorities(pem: leaf + authority.pem)
    }
}

@Suite("Digests") struct DigestTests {
    @Test("SHA-256 of abc, FIPS 180-2 B.1")
    func sha256() {
        #expect(TLSDigest.sha256(Array("abc".utf8)).starts(with: [0xBA, 0x78, 0x16, 0xBF]))
    }

    @Test("HMAC, RFC 4231 test case 2")
    func hmac() {
        let digest = TLSDigest.hmacSHA256(
            key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
        #expect(digest.starts(with: [0x5B, 0xDC, 0xC1, 0x46, 0xBF, 0x60, 0x75, 0x4E]))
    }

    @Test("HKDF without salt, RFC 5869 test case 3")
    func hkdf() {
        let output = TLSDigest.hkdfSHA256(
            secret: [UInt8](repeating: 0x0B, count: 22), info: [], count: 42)
        #expect(output.starts(with: [0x8D, 0xA4, 0xE7, 0x75, 0xA5, 0x63, 0xC1, 0x8F]))
        #expect(output.suffix(4) == [0xB6, 0x1A, 0x96, 0xC8])
        #expect(output.count == 42)
    }

    @Test("random bytes differ")
    func random() {
        #expect(TLSRandom.bytes(32).count == 32)
        #expect(TLSRandom.bytes(32) != TLSRandom.bytes(32))
        #expect(TLSRandom.bytes(0) == [])
    }

    @Test("the linked library tells its name")
    func version() { #expect(opensslVersionText().hasPrefix("OpenSSL 3.")) }
}
