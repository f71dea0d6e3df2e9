// What is known of a connection after its handshake.

private import COpenSSL
private import CStrait
private import Glibc

extension TLSSession {
    /// `1.2` or `1.3`.
    package var version: String {
        switch unsafe SSL_version(self.ssl) {
        case TLS1_3_VERSION: "1.3"
        case TLS1_2_VERSION: "1.2"
        default: "?"
        }
    }

    /// The cipher suite, as OpenSSL calls it.
    package var cipher: String {
        guard let cipher = unsafe SSL_get_current_cipher(self.ssl),
            let name = unsafe SSL_CIPHER_get_name(cipher)
        else { return "none" }
        return unsafe String(cString: name)
    }

    /// The key exchange's group, as OpenSSL calls it; nil when there was no key exchange.
    package var group: String? {
        let number = unsafe cstrait_tls_negotiated_group(self.ssl)
        guard number != 0, let name = unsafe SSL_group_to_name(self.ssl, number) else { return nil }
        return unsafe String(cString: name)
    }

    /// Whether an earlier handshake was resumed.
    package var isResumed: Bool { unsafe SSL_session_reused(self.ssl) == 1 }

    /// The protocol that was agreed upon.
    package var applicationProtocol: [UInt8]? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(self.ssl, &name, &count)
        guard let start = unsafe name, count > 0 else { return nil }
        return unsafe Array(UnsafeBufferPointer(start: start, count: Int(count)))
    }

    /// The name that the downstream asked for.
    package var serverName: [UInt8]? {
        guard let name = unsafe SSL_get_servername(self.ssl, TLSEXT_NAMETYPE_host_name) else {
            return nil
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: name, count: strlen(name))
        return unsafe Array(bytes)
    }

    /// The peer's verified certificate, if it showed one.
    package var peerCertificate: TLSPeerCertificate? {
        guard let certificate = unsafe SSL_get0_peer_certificate(self.ssl) else { return nil }
        return unsafe TLSPeerCertificate(certificate)
    }
}
