// Handshakes of downstreams: versions, suites, replayed bytes, and what is no handshake.

import COpenSSL
import Glibc
import StraitTLS
import Testing

@Suite("TLS connection, handshake") struct HandshakeTests {
    let authority: TestAuthority
    let settings: TLSServerSettings
    let dialler: TLSClientSettings

    init() throws {
        self.authority = try TestAuthority("Test Authority")
        let leaf = try self.authority.leaf("orders", dns: ["orders.example.com"])
        self.settings = TLSServerSettings(certificates: [leaf.pair])
        self.dialler = TLSClientSettings(authoritiesPEM: self.authority.pem)
    }

    @Test("two of ours agree on TLS 1.3, X25519 and AES-128-GCM, and bytes go both ways")
    func happyPath() throws {
        var pair = try TestPair(
            router: TLSContext(server: self.settings), dialler: TLSContext(client: self.dialler),
            serverName: "orders.example.com", verifyName: "orders.example.com")
        try pair.handshake()

        #expect(pair.router.version == "1.3")
        #expect(pair.dialler.version == "1.3")
        #expect(pair.router.cipher == "TLS_AES_128_GCM_SHA256")
        #expect(pair.router.group?.lowercased().hasPrefix("x25519") == true)
        #expect(pair.router.serverName == Array("orders.example.com".utf8))
        #expect(pair.router.isResumed == false)
        #expect(pair.router.peerCertificate == nil)
        #expect(pair.dialler.peerCertificate?.subjectCommonName == "orders")
        #expect(try pair.writeDialler(Array("ping".utf8)) == 4)
        #expect(try pair.readRouter() == .text("ping"))
        #expect(try pair.readRouter() == Reading(.wantsRead))
        #expect(try pair.writeRouter(Array("pong".utf8)) == 4)
        #expect(try pair.readDialler() == .text("pong"))
    }

    @Test("a peer that knows only TLS 1.2 gets ECDHE and AEAD")
    func version12() throws {
        var options = RawPeer.Options()
        options.version = TLS1_2_VERSION
        var pair = try RawPair(TLSContext(server: self.settings), options)
        try pair.handshake()

        #expect(pair.router.version == "1.2")
        #expect(pair.router.cipher.hasPrefix("ECDHE-ECDSA-"))
        #expect(pair.router.cipher.contains("GCM"))
        #expect(try pair.write(Array("hello".utf8)) == 5)
        #expect(pair.peer.read() == Array("hello".utf8))
    }

    @Test("an older version is refused with alert 70", arguments: [TLS1_1_VERSION, TLS1_VERSION])
    func oldVersion(version: Int32) throws {
        var options = RawPeer.Options()
        options.version = version
        options.ciphers = "ALL:@SECLEVEL=0"
        options.securityLevel = 0
        var pair = try RawPair(TLSContext(server: self.settings), options)

        #expect(pair.failure() == .sentAlert(70, .versionUnsupported))
    }

    @Test(
        "suites without forward secrecy or AEAD are not shared, alert 40",
        arguments: ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"])
    func weakCipher(ciphers: String) throws {
        var options = RawPeer.Options()
        options.version = TLS1_2_VERSION
        options.ciphers = ciphers
        var pair = try RawPair(TLSContext(server: self.settings), options)

        #expect(pair.failure() == .sentAlert(40, .noSharedCipher))
    }

    @Test(
        "the peer's ciphers choose between ECDSA and RSA certificates side by side",
        arguments: [
            ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec"), ("ECDHE-RSA-AES128-GCM-SHA256", "rsa"),
        ])
    func certificatesSideBySide(cipher: String, commonName: String) throws {
        let ec = try self.authority.leaf("ec", dns: ["orders.example.com"])
        let rsa = try self.authority.leaf("rsa", dns: ["orders.example.com"], keyType: .rsa)
        let context = try TLSContext(
            server: TLSServerSettings(certificates: [ec.pair, rsa.pair]))
        var options = RawPeer.Options()
        options.version = TLS1_2_VERSION
        options.ciphers = cipher
        var pair = try RawPair(context, options)
        try pair.handshake()

        #expect(pair.router.cipher == cipher)
    }

    @Test("a group that the peer did not guess costs a second hello, and works")
    func helloRetry() throws {
        var options = RawPeer.Options()
        options.groups = "X448:P-384"
        var pair = try RawPair(TLSContext(server: self.settings), options)
        try pair.handshake()

        #expect(pair.router.group == "secp384r1")
    }

    @Test(
        "bytes read before, cut anywhere, are handed to OpenSSL first",
        arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func replay(version: Int32) throws {
        let context = try TLSContext(server: self.settings)
        var options = RawPeer.Options()
        options.version = version
        var cut = 1
        while true {
            var channel = try TLSChannel()
            let (near, far) = try socketPair()
            let peer = try RawPeer(far, options)
            #expect(peer.handshake() == SSL_ERROR_WANT_READ)
            var hello = [UInt8](repeating: 0, count: cut)
            let got = recv(near, &hello, cut, 0)
            hello.removeSubrange(got...)
            var router = try TLSSession(
                serverContext: context, replay: hello.span, channel: channel)
            #expect(router.hasBufferedInput == true)
            var isDone = false
            for _ in 0..<10 where !isDone {
                isDone = try router.handshake(descriptor: near, channel: &channel) == .done
                _ = peer.handshake()
            }
            #expect(isDone, "cut at \(cut)")
            #expect(router.hasBufferedInput == false)
            close(near)
            close(far)
            if got < cut { return }
            cut += 7
        }
    }

    @Test(
        "what is not TLS is malformed",
        arguments: ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"])
    func notTLS(text: String) throws {
        var pair = try RawPair(TLSContext(server: self.settings), replay: Array(text.utf8))

        let failure = pair.failure()
        switch failure {
        case .sentAlert(_, .malformed), .failed(.malformed): break
        default: Issue.record("\(String(describing: failure))")
        }
    }

    @Test("a hello with any byte flipped never traps and never waits for ever with all bytes there")
    func flipped() throws {
        let context = try TLSContext(server: self.settings)
        let (near, far) = try socketPair()
        defer {
            close(near)
            close(far)
        }
        let peer = try RawPeer(far)
        _ = peer.handshake()
        var hello = [UInt8](repeating: 0, count: 4096)
        let count = recv(near, &hello, hello.count, 0)
        var channel = try TLSChannel()
        for index in 0..<count {
            var flipped = Array(hello.prefix(count))
            flipped[index] ^= 0x55
            var router = try TLSSession(
                serverContext: context, replay: flipped.span, channel: channel)
            do {
                #expect(try router.handshake(descriptor: near, channel: &channel) != .done)
            } catch {
                #expect(error != .reset && error != .closedEarly)
            }
        }
    }

    @Test("a FIN before the handshake is done is closedEarly, a reset is a reset")
    func ends() throws {
        let context = try TLSContext(server: self.settings)
        var first = try RawPair(context)
        _ = first.peer.handshake()
        shutdown(first.peerDescriptor, Int32(SHUT_WR))
        #expect(throws: TLSFailure.closedEarly) {
            for _ in 0..<3 { _ = try first.step() }
        }
        // A UNIX socket that is closed with bytes unread resets its peer.
        var channel = try TLSChannel()
        let nothing: [UInt8] = []
        var router = try TLSSession(
            serverContext: context, replay: nothing.span, channel: channel)
        let (near, far) = try socketPair()
        let peer = try RawPeer(far)
        _ = peer.handshake()
        #expect(try router.handshake(descriptor: near, channel: &channel) == .wantsRead)
        close(far)
        #expect(throws: TLSFailure.reset) {
            try router.handshake(descriptor: near, channel: &channel)
        }
        close(near)
    }
}
