// What would have let a refused connection pass, in the words of its own record.

package import StraitCore

/// What a record says of a refused connection; nil where it says nothing.
package struct RefusalFacts: Hashable, Sendable {
    /// The name that was asked for (SNI).
    package var serverName: String?
    /// The listener's name.
    package var listener: String?
    /// The tenant's name.
    package var tenant: String?
    /// The socket's own peer: a load balancer, where there is one.
    package var peer: String?
    /// The address that was dialled last.
    package var upstream: String?

    /// Nothing is known.
    package init() {}

    /// What would have let it pass; nil where `kind` is no refusal.
    package func remedy(for kind: CloseReason.Kind) -> String? {
        switch kind {
        case .finished, .redirected, .cancelForwarded, .reset, .closedEarly, .truncated, .tlsError,
            .firstByteTimeout, .helloTimeout, .handshakeTimeout, .idleTimeout,
            .halfClosedTimeout, .listenerGone, .drained, .closedByOperator, .internalError:
            nil
        case .protocolUnknown:
            "TLS, SSH, HTTP or Postgres; for anything else a listener with protocols: raw"
        case .protocolNotAllowed: "its protocol among the protocols of \(self.place)"
        case .plaintextRefused:
            "TLS; with psql, sslmode=require or better; with MySQL's programs, --ssl"
        case .preludeMalformed:
            "nothing sent between a request for TLS and its answer, and no other protocol"
        case .noDefaultService: "defaults for its protocol, or tenant and service on \(self.place)"
        case .cancelUnknown:
            "the key of a query that is open here, or a listener of the tenant's own"
        case .helloMalformed: "a ClientHello whose lengths add up"
        case .helloTooLarge: "a ClientHello of at most \(Limits.clientHelloBytesMax / 1024) KiB"
        case .tlsVersionUnsupported: "TLS 1.2 or later"
        case .tlsHandshakeFailed:
            "a downstream that trusts the certificate for \(self.name), and shares a cipher"
        case .tlsNotConfigured: "a certificate for \(self.name) among those of \(self.owner)"
        case .proxyHeaderMissing: "a PROXY header first, as \(self.place) demands"
        case .proxyHeaderMalformed: "a PROXY header that keeps to its specification"
        case .proxySourceUntrusted:
            "\(self.peer ?? "the peer's address") among the trusted ranges of \(self.place)"
        case .nameMissing: "a host name (SNI), or tenant and service on \(self.place)"
        case .nameMalformed: "a host name (SNI) that is one: no address, port or empty label"
        case .nameUnknown: "\(self.name) among a tenant's domains or a service's hosts"
        case .alpnMismatch:
            "an ALPN identifier that a service under \(self.name) accepts, "
                + "or what was offered in its alpn"
        case .clientCertificateMissing:
            "a certificate of a client_ca of \(self.owner), shown in a TLS handshake"
        case .clientCertificateExpired: "a certificate that is valid now, by the router's clock"
        case .clientCertificateRejected: "a certificate that a client_ca of \(self.owner) issued"
        case .connectTimeout: "an answer of \(self.address) within timeouts.connect"
        case .connectFailed: "an upstream that accepts connections at \(self.address)"
        case .upstreamTLSFailed:
            "a certificate of \(self.address) that its ca and server_name verify"
        case .upstreamTLSRefused: "TLS switched on at \(self.address), or a tcp:// address"
        case .upstreamRefused:
            "a greeting of \(self.address) instead of an error; strait.detail has its words"
        case .passwordInClear:
            "a tls:// address for \(self.address), or an account whose plugin sends no password"
        case .connectionLimit:
            "fewer open connections of \(self.owner), or higher limits.connections"
        case .rateLimit:
            "fewer new connections of \(self.owner) in that second, "
                + "or higher limits.new_connections_per_second"
        case .handshakeLimit:
            "fewer new TLS connections of \(self.owner) in that second, "
                + "or higher limits.handshakes_per_second"
        case .sourceConnectionLimit:
            "fewer open connections from one address, or higher limits.per_source.connections "
                + "of \(self.owner)"
        case .sourceRateLimit:
            "fewer new connections from one address in that second, or higher "
                + "limits.per_source.new_connections_per_second of \(self.owner)"
        case .sourceHandshakeLimit:
            "fewer new TLS connections from one address in that second, or higher "
                + "limits.per_source.handshakes_per_second of \(self.owner)"
        case .cancelLimit:
            "fewer cancel requests: \(Limits.cancelMissesPerSourceMax) a second of one address may "
                + "name no query, and \(Limits.mailboxCancelsMax) may wait for a worker"
        case .evicted: "a sooner first message, or higher limits.unrouted_connections"
        case .descriptorsExhausted: "fewer open connections, or a higher LimitNOFILE (ulimit -n)"
        }
    }

    private var address: String { self.upstream ?? "the upstream" }
    private var name: String { self.serverName ?? "the name" }
    private var place: String { self.listener.map { "listener \($0)" } ?? "the listener" }
    private var owner: String { self.tenant.map { "tenant \($0)" } ?? "the tenant" }
}
