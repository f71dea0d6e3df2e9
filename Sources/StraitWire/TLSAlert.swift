// TLS alerts, RFC 8446 §6 and RFC 5246 §7.2.

/// A TLS alert description.
///
/// Those that only TLS 1.2 sends, or nobody may send any more, are here because a peer may.
package enum TLSAlert: UInt8, Hashable, Sendable, CaseIterable {
    case closeNotify = 0
    case unexpectedMessage = 10
    case badRecordMAC = 20
    case decryptionFailed = 21
    case recordOverflow = 22
    case decompressionFailure = 30
    case handshakeFailure = 40
    case noCertificate = 41
    case badCertificate = 42
    case unsupportedCertificate = 43
    case certificateRevoked = 44
    case certificateExpired = 45
    case certificateUnknown = 46
    case illegalParameter = 47
    case unknownCA = 48
    case accessDenied = 49
    case decodeError = 50
    case decryptError = 51
    case exportRestriction = 60
    case protocolVersion = 70
    case insufficientSecurity = 71
    case internalError = 80
    case inappropriateFallback = 86
    case userCanceled = 90
    case noRenegotiation = 100
    case missingExtension = 109
    case unsupportedExtension = 110
    case unrecognizedName = 112
    case badCertificateStatusResponse = 113
    case unknownPSKIdentity = 115
    case certificateRequired = 116
    case noApplicationProtocol = 120

    /// The name in the RFCs, as logs and metrics use it.
    package var name: String {
        switch self {
        case .closeNotify: "close_notify"
        case .unexpectedMessage: "unexpected_message"
        case .badRecordMAC: "bad_record_mac"
        case .decryptionFailed: "decryption_failed"
        case .recordOverflow: "record_overflow"
        case .decompressionFailure: "decompression_failure"
        case .handshakeFailure: "handshake_failure"
        case .noCertificate: "no_certificate"
        case .badCertificate: "bad_certificate"
        case .unsupportedCertificate: "unsupported_certificate"
        case .certificateRevoked: "certificate_revoked"
        case .certificateExpired: "certificate_expired"
        case .certificateUnknown: "certificate_unknown"
        case .illegalParameter: "illegal_parameter"
        case .unknownCA: "unknown_ca"
        case .accessDenied: "access_denied"
        case .decodeError: "decode_error"
        case .decryptError: "decrypt_error"
        case .exportRestriction: "export_restriction"
        case .protocolVersion: "protocol_version"
        case .insufficientSecurity: "insufficient_security"
        case .internalError: "internal_error"
        case .inappropriateFallback: "inappropriate_fallback"
        case .userCanceled: "user_canceled"
        case .noRenegotiation: "no_renegotiation"
        case .missingExtension: "missing_extension"
        case .unsupportedExtension: "unsupported_extension"
        case .unrecognizedName: "unrecognized_name"
        case .badCertificateStatusResponse: "bad_certificate_status_response"
        case .unknownPSKIdentity: "unknown_psk_identity"
        case .certificateRequired: "certificate_required"
        case .noApplicationProtocol: "no_application_protocol"
        }
    }

    /// The alert as a record in plain text, for a downstream whose handshake has not begun.
    ///
    /// Fatal, but for close_notify and user_canceled, which are warnings (RFC 8446 §6.1).
    /// - Parameter legacyRecordVersion: What the record says; peers ignore it (RFC 8446 §5.1).
    /// - Returns: The whole record, 7 bytes.
    package func plaintextRecord(legacyRecordVersion: UInt16 = 0x0303) -> [UInt8] {
        let level: UInt8 = self == .closeNotify || self == .userCanceled ? 1 : 2
        return [
            21, UInt8(truncatingIfNeeded: legacyRecordVersion >> 8),
            UInt8(truncatingIfNeeded: legacyRecordVersion), 0, 2, level, self.rawValue,
        ]
    }
}
