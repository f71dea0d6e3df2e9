// A peer straight on OpenSSL, for what our own dialler never does: old versions, resumption, key
// updates.

import COpenSSL
import Glibc
import StraitTLS

/// A dialling peer over a non-blocking descriptor that somebody else closes.
final class RawPeer {
    /// What the peer may do; everything else is OpenSSL's default.
    struct Options {
        var version: Int32 = TLS1_3_VERSION
        var ciphers: String?
        var groups: String?
        var protocols: [[UInt8]] = []
        var certificate: TestCertificate?
        var securityLevel: Int32 = 2
    }

    let ssl: OpaquePointer
    private let context: OpaquePointer

    init(_ descriptor: Int32, _ options: Options = Options(), ticket: RawTicket? = nil) throws {
        guard let context = SSL_CTX_new(TLS_client_method()), let ssl = SSL_new(context) else {
            throw TLSSetupError("no memory")
        }
        self.context = context
        self.ssl = ssl
        SSL_set_security_level(ssl, options.securityLevel)
        SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(options.version), nil)
        SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(options.version), nil)
        if let ciphers = options.ciphers { SSL_set_cipher_list(ssl, ciphers) }
        if var groups = options.groups?.utf8CString.map({ $0 }) {
            SSL_ctrl(ssl, SSL_CTRL_SET_GROUPS_LIST, 0, &groups)
        }
        let list = options.protocols.flatMap { [UInt8($0.count)] + $0 }
        if !list.isEmpty { SSL_set_alpn_protos(ssl, list, UInt32(list.count)) }
        if let certificate = options.certificate { try self.show(certificate) }
        if let ticket { SSL_set_session(ssl, ticket.handle) }
        SSL_set_fd(ssl, descriptor)
        SSL_set_connect_state(ssl)
    }

    deinit {
        // Without it, OpenSSL declares the ticket of this connection unusable.
        SSL_set_shutdown(self.ssl, SSL_SENT_SHUTDOWN)
        SSL_free(self.ssl)
        SSL_CTX_free(self.context)
    }

    /// SSL_ERROR_NONE when done.
    func handshake() -> Int32 {
        ERR_clear_error()
        return SSL_get_error(self.ssl, SSL_do_handshake(self.ssl))
    }

    /// The next bytes, or none.
    func read(_ limit: Int = 65_536) -> [UInt8] {
        ERR_clear_error()
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = SSL_read(self.ssl, &buffer, Int32(limit))
        return Array(buffer.prefix(max(0, Int(count))))
    }

    func write(_ bytes: [UInt8]) -> Int32 { SSL_write(self.ssl, bytes, Int32(bytes.count)) }

    /// The ticket that came, to dial with again.
    func ticket() -> RawTicket? { SSL_get1_session(self.ssl).map(RawTicket.init) }

    private func show(_ certificate: TestCertificate) throws {
        guard let chain = BIO_new_mem_buf(certificate.chainPEM, Int32(certificate.chainPEM.count)),
            let key = BIO_new_mem_buf(certificate.keyPEM, Int32(certificate.keyPEM.count))
        else { throw TLSSetupError("no memory") }
        defer {
            BIO_free(chain)
            BIO_free(key)
        }
        let leaf = PEM_read_bio_X509(chain, nil, nil, nil)
        let secret = PEM_read_bio_PrivateKey(key, nil, nil, nil)
        defer {
            X509_free(leaf)
            EVP_PKEY_free(secret)
        }
        guard SSL_use_certificate(self.ssl, leaf) == 1, SSL_use_PrivateKey(self.ssl, secret) == 1
        else { throw TLSSetupError("the certificate cannot be shown") }
    }
}

/// Owns an `SSL_SESSION`.
final class RawTicket {
    let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { SSL_SESSION_free(self.handle) }
}

/// One of ours as a router, and a raw peer that dials it.
struct RawPair: ~Copyable {
    var channel: TLSChannel
    var router: TLSSession
    let peer: RawPeer
    let routerDescriptor: Int32
    let peerDescriptor: Int32

    init(
        _ context: TLSContext, _ options: RawPeer.Options = .init(), ticket: RawTicket? = nil,
        replay: [UInt8] = []
    ) throws {
        let channel = try TLSChannel()
        let router = try TLSSession(serverContext: context, replay: replay.span, channel: channel)
        let (near, far) = try socketPair()
        self.peer = try RawPeer(far, options, ticket: ticket)
        self.channel = channel
        self.router = router
        self.routerDescriptor = near
        self.peerDescriptor = far
    }

    deinit {
        close(self.routerDescriptor)
        close(self.peerDescriptor)
    }

    mutating func step() throws(TLSFailure) -> TLSStep {
        try self.router.handshake(descriptor: self.routerDescriptor, channel: &self.channel)
    }

    /// Goes on until ours is done or failed; then the peer has read what came: tickets and alerts.
    mutating func handshake() throws(TLSFailure) {
        defer { _ = self.peer.read() }
        for _ in 0..<20 {
            _ = self.peer.handshake()
            if try self.step() == .done { return }
        }
    }

    /// What ours failed with.
    mutating func failure() -> TLSFailure? {
        do { try self.handshake() } catch { return error }
        return nil
    }

    mutating func read(_ limit: Int = 65_536) throws(TLSFailure) -> Reading {
        var buffer = [UInt8](repeating: 0, count: limit)
        var span = buffer.mutableSpan
        let outcome = try self.router.read(
            into: &span, descriptor: self.routerDescriptor, channel: &self.channel)
        guard case .bytes(let count) = outcome else { return Reading(outcome) }
        return Reading(outcome, Array(buffer.prefix(count)))
    }

    mutating func write(_ bytes: [UInt8]) throws(TLSFailure) -> Int {
        try self.router.write(
            bytes.span, descriptor: self.routerDescriptor, channel: &self.channel)
    }
}
