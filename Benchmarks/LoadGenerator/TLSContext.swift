// OpenSSL as the downstream: TLS 1.3, X25519, AES-128-GCM only, so that every proxy does the same
// cryptography whatever it prefers. The peer's chain is not verified: that is the generator's time.

internal import COpenSSL
private import Glibc

struct TLSContext {
    private let context: OpaquePointer

    /// A context with the PEM files of the downstream's certificate and key, for mutual TLS.
    init(certificate: (chain: String, key: String)?) throws(Failure) {
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw Failure("OpenSSL gave no context")
        }
        self.context = context
        let version = Int(TLS1_3_VERSION)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, version, nil)
        SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS), nil)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
        SSL_CTX_set_options(context, UInt64(1) << 7)  // SSL_OP_IGNORE_UNEXPECTED_EOF
        var groups = Array("X25519".utf8CString)
        guard SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, &groups) == 1,
            SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1
        else { throw Failure("OpenSSL refused X25519 or AES-128-GCM") }
        guard let certificate else { return }
        guard SSL_CTX_use_certificate_chain_file(context, certificate.chain) == 1,
            SSL_CTX_use_PrivateKey_file(context, certificate.key, SSL_FILETYPE_PEM) == 1
        else { throw Failure("cannot load \(certificate.chain) and \(certificate.key)") }
    }

    init(options: Options) throws(Failure) {
        guard let chain = options.string("certificate") else {
            try self.init(certificate: nil)
            return
        }
        try self.init(certificate: (chain, options.required("key")))
    }

    /// One gathered read per many records, for bulk.
    func readAhead() {
        SSL_CTX_ctrl(self.context, SSL_CTRL_SET_READ_AHEAD, 1, nil)
        SSL_CTX_set_default_read_buffer_len(self.context, 128 * 1024)
    }

    func open(
        _ descriptor: Int32, name: String, resume: OpaquePointer?
    ) throws(Failure) -> OpaquePointer {
        guard let ssl = SSL_new(self.context) else { throw Failure("OpenSSL gave no connection") }
        SSL_set_fd(ssl, descriptor)
        Self.setName(ssl, name)
        SSL_set_connect_state(ssl)
        if let resume { SSL_set_session(ssl, resume) }
        return ssl
    }

    static func setName(_ ssl: OpaquePointer, _ name: String) {
        var text = Array(name.utf8CString)
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), &text)
    }

    /// The text of the newest OpenSSL error, and the queue emptied.
    static func lastError() -> String {
        var text = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(ERR_peek_last_error(), &text, text.count)
        ERR_clear_error()
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What one call of OpenSSL on a non-blocking socket came to.
enum TLSProgress {
    case done(Int)
    case wantsRead
    case wantsWrite
    case ended

    init(_ ssl: OpaquePointer, _ result: Int32, _ what: String) throws(Failure) {
        guard result <= 0 else {
            self = .done(Int(result))
            return
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: self = .wantsRead
        case SSL_ERROR_WANT_WRITE: self = .wantsWrite
        case SSL_ERROR_ZERO_RETURN: self = .ended
        case SSL_ERROR_SYSCALL: throw .system("\(what): connection broken")
        default: throw Failure("\(what): \(TLSContext.lastError())")
        }
    }
}
