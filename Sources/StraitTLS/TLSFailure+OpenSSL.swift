// From OpenSSL's error queue, alerts and verify results to our closed set.

private import COpenSSL
private import Glibc

extension TLSFailure {
    /// A failure of the socket.
    static func of(errno number: Int32) -> TLSFailure {
        switch number {
        case ECONNRESET, EPIPE: .reset
        default: .socket(number)
        }
    }

    /// What the thread's error queue says about `ssl`, given the alert written in that call.
    ///
    /// Empties the queue.
    static func of(_ ssl: OpaquePointer, alertSent: UInt8?) -> TLSFailure {
        let code = OpenSSLErrors.drainedCode()
        let reason = OpenSSLErrors.reason(code) ?? "no reason given"
        let number = OpenSSLErrors.reasonNumber(code)
        // Alerts that were received are reasons from 1000 on, SSL_AD_REASON_OFFSET.
        if number >= SSL_AD_REASON_OFFSET, number < SSL_AD_REASON_OFFSET + 256 {
            return .peerAlert(UInt8(number - SSL_AD_REASON_OFFSET))
        }
        let kind = unsafe Self.kind(ssl, number: number, alert: alertSent, reason: reason)
        return alertSent.map { .sentAlert($0, kind) } ?? .failed(kind)
    }

    private static func kind(
        _ ssl: OpaquePointer, number: Int32, alert: UInt8?, reason: String
    ) -> TLSFailureKind {
        switch number {
        case SSL_R_CERTIFICATE_VERIFY_FAILED: return unsafe Self.verifyKind(ssl)
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .certificateMissing
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH,
            SSL_R_NO_PROTOCOLS_AVAILABLE:
            return .versionUnsupported
        case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS,
            SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
            return .noSharedCipher
        default: break
        }
        switch alert.map(Int32.init) {
        case SSL_AD_NO_APPLICATION_PROTOCOL: return .noApplicationProtocol
        case SSL_AD_PROTOCOL_VERSION: return .versionUnsupported
        case SSL_AD_DECODE_ERROR, SSL_AD_UNEXPECTED_MESSAGE, SSL_AD_ILLEGAL_PARAMETER,
            SSL_AD_RECORD_OVERFLOW, SSL_AD_BAD_RECORD_MAC, SSL_AD_DECRYPT_ERROR,
            SSL_AD_MISSING_EXTENSION, SSL_AD_UNSUPPORTED_EXTENSION:
            return .malformed(reason)
        default: break
        }
        switch number {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
            SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_BAD_RECORD_TYPE, SSL_R_UNEXPECTED_RECORD:
            return .malformed(reason)
        default: return .other(reason)
        }
    }

    /// Why the peer's chain did not verify.
    private static func verifyKind(_ ssl: OpaquePointer) -> TLSFailureKind {
        let result = unsafe SSL_get_verify_result(ssl)
        let text = unsafe X509_verify_cert_error_string(result).map { unsafe String(cString: $0) }
        let reason = text ?? "certificate verify failed"
        if unsafe SSL_is_server(ssl) == 0 { return .upstreamVerify(reason) }
        return result == X509_V_ERR_CERT_HAS_EXPIRED
            ? .certificateExpired : .certificateRejected(reason)
    }
}
