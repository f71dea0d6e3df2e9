// Why a connection ended: who, and what. Every kind has an entry in the reference of close reasons.

/// Why a connection ended.
package struct CloseReason: Hashable, Sendable {
    /// Who ended it.
    package enum Side: UInt8, Hashable, Sendable, CaseIterable {
        case downstream, upstream, local

        /// The word that logs and metrics use.
        package var name: String {
            switch self {
            case .downstream: "downstream"
            case .upstream: "upstream"
            case .local: "local"
            }
        }
    }

    /// Which check refused, the `check` label of `strait_connections_refused_total`.
    package enum Check: String, Hashable, Sendable, CaseIterable {
        case name, alpn, list, limit, tls, certificate, pin, `protocol`, proxy, upstream
    }

    /// What ended it.
    ///
    /// The raw value is the word that logs, metrics and documentation use.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        // How a healthy connection ends.
        case finished
        case redirected
        case cancelForwarded = "cancel_forwarded"
        // A side broke off.
        case reset
        case closedEarly = "closed_early"
        case truncated
        case tlsError = "tls_error"
        // A deadline passed.
        case firstByteTimeout = "first_byte_timeout"
        case helloTimeout = "hello_timeout"
        case handshakeTimeout = "handshake_timeout"
        case connectTimeout = "connect_timeout"
        case idleTimeout = "idle_timeout"
        case halfClosedTimeout = "half_closed_timeout"
        // What came could not be read, or is not allowed here.
        case protocolUnknown = "protocol_unknown"
        case protocolNotAllowed = "protocol_not_allowed"
        case plaintextRefused = "plaintext_refused"
        case preludeMalformed = "prelude_malformed"
        case helloMalformed = "hello_malformed"
        case helloTooLarge = "hello_too_large"
        case proxyHeaderMissing = "proxy_header_missing"
        case proxyHeaderMalformed = "proxy_header_malformed"
        case proxySourceUntrusted = "proxy_source_untrusted"
        // No way to go.
        case nameMissing = "name_missing"
        case nameMalformed = "name_malformed"
        case nameUnknown = "name_unknown"
        case alpnMismatch = "alpn_mismatch"
        case noDefaultService = "no_default_service"
        case cancelUnknown = "cancel_unknown"
        case listenerGone = "listener_gone"
        // TLS.
        case tlsVersionUnsupported = "tls_version_unsupported"
        case tlsHandshakeFailed = "tls_handshake_failed"
        case tlsNotConfigured = "tls_not_configured"
        case clientCertificateMissing = "client_certificate_missing"
        case clientCertificateExpired = "client_certificate_expired"
        case clientCertificateRejected = "client_certificate_rejected"
        // The upstream.
        case connectFailed = "connect_failed"
        case upstreamTLSFailed = "upstream_tls_failed"
        case upstreamTLSRefused = "upstream_tls_refused"
        case upstreamRefused = "upstream_refused"
        case passwordInClear = "password_in_clear"
        // Limits of ours.
        case connectionLimit = "connection_limit"
        case rateLimit = "rate_limit"
        case handshakeLimit = "handshake_limit"
        case sourceConnectionLimit = "source_connection_limit"
        case sourceRateLimit = "source_rate_limit"
        case sourceHandshakeLimit = "source_handshake_limit"
        case cancelLimit = "cancel_limit"
        case evicted
        case descriptorsExhausted = "descriptors_exhausted"
        // The operator.
        case drained
        case closedByOperator = "closed_by_operator"
        case internalError = "internal_error"

        /// The check that refused, when this kind is a refusal.
        package var check: Check? {
            switch self {
            case .finished, .redirected, .cancelForwarded, .reset, .closedEarly, .truncated,
                .tlsError, .firstByteTimeout, .helloTimeout, .handshakeTimeout, .idleTimeout,
                .halfClosedTimeout, .listenerGone, .drained, .closedByOperator, .internalError:
                nil
            case .protocolUnknown, .protocolNotAllowed, .plaintextRefused, .preludeMalformed,
                .noDefaultService, .cancelUnknown:
                .protocol
            case .helloMalformed, .helloTooLarge, .tlsVersionUnsupported, .tlsHandshakeFailed,
                .tlsNotConfigured:
                .tls
            case .proxyHeaderMissing, .proxyHeaderMalformed, .proxySourceUntrusted: .proxy
            case .nameMissing, .nameMalformed, .nameUnknown: .name
            case .alpnMismatch: .alpn
            case .clientCertificateMissing, .clientCertificateExpired, .clientCertificateRejected:
                .certificate
            case .connectTimeout, .connectFailed, .upstreamTLSFailed, .upstreamTLSRefused,
                .upstreamRefused, .passwordInClear:
                .upstream
            case .connectionLimit, .rateLimit, .handshakeLimit, .sourceConnectionLimit,
                .sourceRateLimit, .sourceHandshakeLimit, .cancelLimit, .evicted,
                .descriptorsExhausted:
                .limit
            }
        }
    }

    /// Who ended it.
    package var side: Side
    /// What ended it.
    package var kind: Kind

    /// - Parameters:
    ///   - side: Who ended it.
    ///   - kind: What ended it.
    package init(_ side: Side, _ kind: Kind) {
        self.side = side
        self.kind = kind
    }

    /// Whether the connection ended as its two ends wished: nothing to alarm anybody.
    package var isOrderly: Bool {
        switch self.kind {
        case .finished, .redirected, .cancelForwarded: true
        default: false
        }
    }
}
