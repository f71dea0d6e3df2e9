// Who is who: application protocols, certificates of downstreams, certificates of upstreams.

import COpenSSL
import StraitTLS
import Testing

@Suite("TLS connection, application protocols") struct ApplicationProtocolTests {
    let authority: TestAuthority
    let certificate: TestCertificate

    init() throws {
        self.authority = try TestAuthority("Test Authority")
        self.certificate = try self.authority.leaf("web", dns: ["www.example.com"])
    }

    func pair(ours: [String], theirs: [String]) throws -> TestPair {
        try TestPair(
            router: TLSContext(
                server: TLSServerSettings(
                    certificates: [self.certificate.pair],
                    applicationProtocols: ours.map { Array($0.utf8) })),
            dialler: TLSContext(client: TLSClientSettings(authoritiesPEM: self.authority.pem)),
            protocols: theirs.map { Array($0.utf8) })
    }

    @Test(
        "our order decides",
        arguments: [
            (["h2", "http/1.1"], ["http/1.1", "h2"], "h2"),
            (["http/1.1", "h2"], ["h2", "http/1.1"], "http/1.1"),
            (["postgresql"], ["h", "postgres", "postgresql"], "postgresql"),
            (["h2"], ["http/1.1,h2", "h2"], "h2"),
        ])
    func ourOrder(ours: [String], theirs: [String], agreed: String) throws {
        var pair = try self.pair(ours: ours, theirs: theirs)
        try pair.handshake()

        #expect(pair.router.applicationProtocol == Array(agreed.utf8))
        #expect(pair.dialler.applicationProtocol == Array(agreed.utf8))
    }

    @Test(
        "none in common is alert 120, which the peer sees",
        arguments: [(["h2"], ["http/1.1"]), (["postgresql"], ["postgresq", "postgresqll", "p"])])
    func noneInCommon(ours: [String], theirs: [String]) throws {
        var pair = try self.pair(ours: ours, theirs: theirs)

        let failures = pair.failures()
        #expect(failures.router == .sentAlert(120, .noApplicationProtocol))
        #expect(failures.dialler == .peerAlert(120))
    }

    @Test(
        "none offered, or none of ours, and the handshake goes on without",
        arguments: [(["h2"], []), ([], ["h2"]), ([], [])])
    func noneOffered(ours: [String], theirs: [String]) throws {
        var pair = try self.pair(ours: ours, theirs: theirs)
        try pair.handshake()

        #expect(pair.router.applicationProtocol == nil)
        #expect(pair.dialler.applicationProtocol == nil)
    }
}

@Suite("TLS connection, with certificates of downstreams") struct ClientCertificateTests {
    let authority: TestAuthority
    let users: TestAuthority
    let settings: TLSServerSettings

    init() throws {
        self.authority = try TestAuthority("Test Authority")
        self.users = try TestAuthority("Acme Users")
        self.settings = TLSServerSettings(
            certificates: [try self.authority.leaf("db", dns: ["db.example.com"]).pair],
            clientAuthoritiesPEM: self.users.pem, requiresClientCertificate: true)
    }

    func pair(
        _ certificate: TestCertificate?, version: Int32, required: Bool = true
    ) throws -> RawPair {
        var options = RawPeer.Options()
        options.version = version
        options.certificate = certificate
        var settings = self.settings
        settings.requiresClientCertificate = required
        return try RawPair(TLSContext(server: settings), options)
    }

    @Test(
        "a certificate of the authority is accepted and described",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func accepted(version: Int32) throws {
        let certificate = try self.users.leaf("ana@acme", days: (-1, 10))
        var pair = try self.pair(certificate, version: version)
        try pair.handshake()

        let shown = pair.router.peerCertificate
        let peer = try #require(shown)
        #expect(peer.subjectCommonName == "ana@acme")
        #expect(peer.fingerprint.count == 64)
        #expect(peer.notAfter > 1_600_000_000)
        #expect(!peer.der.isEmpty)
    }

    @Test(
        "a missing one is alert 116, or 40 before TLS 1.3",
        arguments: [(TLS1_2_VERSION, UInt8(40)), (TLS1_3_VERSION, UInt8(116))])
    func missing(version: Int32, alert: UInt8) throws {
        var pair = try self.pair(nil, version: version)

        #expect(pair.failure() == .sentAlert(alert, .certificateMissing))
    }

    @Test(
        "a missing one is no matter where it is optional",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func optional(version: Int32) throws {
        var pair = try self.pair(nil, version: version, required: false)
        try pair.handshake()

        #expect(pair.router.peerCertificate == nil)
    }

    @Test("an expired one is alert 45", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func expired(version: Int32) throws {
        let certificate = try self.users.leaf("ana@acme", days: (-10, -1))
        var pair = try self.pair(certificate, version: version)

        #expect(pair.failure() == .sentAlert(45, .certificateExpired))
    }

    @Test(
        "one that is not valid yet is rejected, alert 42",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func notYetValid(version: Int32) throws {
        let certificate = try self.users.leaf("ana@acme", days: (1, 10))
        var pair = try self.pair(certificate, version: version)

        #expect(
            pair.failure()
                == .sentAlert(42, .certificateRejected("certificate is not yet valid")))
    }

    @Test(
        "one of another authority is rejected, also where it is optional",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION], [true, false])
    func otherAuthority(version: Int32, required: Bool) throws {
        let certificate = try TestAuthority("Other Users").leaf("ana@acme")
        var pair = try self.pair(certificate, version: version, required: required)

        guard case .sentAlert(48, .certificateRejected(let reason)) = pair.failure() else {
            Issue.record("not rejected")
            return
        }
        #expect(reason == "unable to get local issuer certificate")
    }

    @Test("one of an authority of the same name with another key is rejected")
    func sameName() throws {
        let certificate = try TestAuthority("Acme Users").leaf("ana@acme")
        var pair = try self.pair(certificate, version: TLS1_3_VERSION)

        guard case .sentAlert(_, .certificateRejected) = pair.failure() else {
            Issue.record("not rejected")
            return
        }
    }

    @Test("the authority that signed our own certificate is not an authority for downstreams")
    func ourAuthority() throws {
        let certificate = try self.authority.leaf("ana@acme")
        var pair = try self.pair(certificate, version: TLS1_3_VERSION)

        guard case .sentAlert(_, .certificateRejected) = pair.failure() else {
            Issue.record("not rejected")
            return
        }
    }

    @Test("only the tenant's own authorities are named, and nobody is asked without any")
    func namedAuthorities() throws {
        var pair = try self.pair(try self.users.leaf("ana"), version: TLS1_3_VERSION)
        try pair.handshake()
        let names = SSL_get0_peer_CA_list(pair.peer.ssl)
        #expect(OPENSSL_sk_num(names) == 1)
        let name = OPENSSL_sk_value(names, 0).map { OpaquePointer($0) }
        var text = [CChar](repeating: 0, count: 64)
        X509_NAME_get_text_by_NID(name, NID_commonName, &text, 64)
        #expect(
            String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self) == "Acme Users"
        )

        var settings = self.settings
        settings.clientAuthoritiesPEM = nil
        var options = RawPeer.Options()
        options.certificate = try self.users.leaf("ana")
        var unasked = try RawPair(TLSContext(server: settings), options)
        try unasked.handshake()
        #expect(unasked.router.peerCertificate == nil)
    }
}

@Suite("TLS connection, towards an upstream") struct UpstreamTests {
    let authority: TestAuthority
    let router: TLSServerSettings

    init() throws {
        self.authority = try TestAuthority("Upstream Authority")
        let leaf = try self.authority.leaf(
            "pg", dns: ["pg.internal", "*.db.internal", "f*.bad.internal"],
            addresses: ["10.0.0.7", "::1"])
        self.router = TLSServerSettings(certificates: [leaf.pair])
    }

    func pair(
        name: String? = nil, address: String? = nil, authorities: [UInt8]?, verifies: Bool = true
    ) throws -> TestPair {
        try TestPair(
            router: TLSContext(server: self.router),
            dialler: TLSContext(
                client: TLSClientSettings(authoritiesPEM: authorities, verifies: verifies)),
            serverName: name, verifyName: name, verifyAddress: address)
    }

    @Test(
        "its certificate must carry the name",
        arguments: [
            ("pg.internal", true), ("PG.internal", true), ("a.db.internal", true),
            ("a.b.db.internal", false), ("db.internal", false), ("pg.external", false),
            ("foo.bad.internal", false), ("pg.internal.example.com", false),
        ])
    func name(name: String, isGood: Bool) throws {
        var pair = try self.pair(name: name, authorities: self.authority.pem)

        let failures = pair.failures()
        #expect(
            failures.dialler
                == (isGood ? nil : .sentAlert(42, .upstreamVerify("hostname mismatch")))
        )
        #expect(failures.router == (isGood ? nil : .peerAlert(42)))
    }

    @Test(
        "its certificate must carry the address",
        arguments: [("10.0.0.7", true), ("::1", true), ("10.0.0.8", false)])
    func address(address: String, isGood: Bool) throws {
        var pair = try self.pair(address: address, authorities: self.authority.pem)

        #expect(
            pair.failures().dialler
                == (isGood ? nil : .sentAlert(42, .upstreamVerify("IP address mismatch"))))
    }

    @Test("it must be signed by the authorities that are listed, or by the system's")
    func unknownAuthority() throws {
        let other = try TestAuthority("Other Authority")
        for authorities in [other.pem, nil] {
            var pair = try self.pair(name: "pg.internal", authorities: authorities)

            guard case .sentAlert(48, .upstreamVerify) = pair.failures().dialler else {
                Issue.record("not refused")
                return
            }
        }
    }

    @Test("an expired certificate is refused, alert 45")
    func expired() throws {
        let leaf = try self.authority.leaf("pg", dns: ["pg.internal"], days: (-10, -1))
        var pair = try TestPair(
            router: TLSContext(server: TLSServerSettings(certificates: [leaf.pair])),
            dialler: TLSContext(client: TLSClientSettings(authoritiesPEM: self.authority.pem)),
            serverName: "pg.internal", verifyName: "pg.internal")

        #expect(
            pair.failures().dialler
                == .sentAlert(45, .upstreamVerify("certificate has expired")))
    }

    @Test("nothing is verified where that is switched off")
    func unverified() throws {
        var pair = try self.pair(authorities: nil, verifies: false)
        try pair.handshake()

        #expect(pair.dialler.version == "1.3")
    }

    @Test("we show our own certificate when asked")
    func ourCertificate() throws {
        var router = self.router
        router.clientAuthoritiesPEM = self.authority.pem
        router.requiresClientCertificate = true
        let shown = try self.authority.leaf("router-1")
        var pair = try TestPair(
            router: TLSContext(server: router),
            dialler: TLSContext(
                client: TLSClientSettings(
                    authoritiesPEM: self.authority.pem, chainPEM: shown.chainPEM,
                    keyPEM: shown.keyPEM)),
            verifyName: "pg.internal")
        try pair.handshake()

        #expect(pair.router.peerCertificate?.subjectCommonName == "router-1")
        #expect(pair.router.serverName == nil)
    }
}
