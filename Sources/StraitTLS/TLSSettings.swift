// What a context is made of: plain values, which the control plane can check and the workers
// compare.

/// What a context for downstreams is made of.
package struct TLSServerSettings: Sendable {
    /// PEM chains, leaf first, with their keys: one per key type, ECDSA and RSA side by side.
    package var certificates: [(chainPEM: [UInt8], keyPEM: [UInt8])]
    /// Authorities whose certificates are accepted; nil: no certificate is asked for.
    package var clientAuthoritiesPEM: [UInt8]?
    /// With authorities: whether a downstream without a certificate is refused.
    package var requiresClientCertificate: Bool
    /// In our order of preference; empty: the extension is not answered.
    ///
    /// Offered, but none in common: alert 120. Not offered: the handshake goes on without.
    package var applicationProtocols: [[UInt8]]
    /// At most 32 bytes that stand for tenant and policy: tickets of another one are not accepted.
    package var sessionContext: [UInt8]
    /// 80 bytes of ``TLSTicketKey``; empty: no tickets and no resumption.
    ///
    /// Never used on contexts that ask for certificates: each resumption would re-parse the
    /// certificate, and pin, locks and expiry want a full handshake.
    package var ticketKey: [UInt8]
    /// The key before it, of the same tenant and policy; empty: there was none.
    ///
    /// Its tickets are still good, and are replaced by such of `ticketKey`.
    package var previousTicketKey: [UInt8]
    /// How long a ticket is good.
    package var ticketLifetimeSeconds: UInt32

    /// Certificates are needed; everything else is off or empty unless given.
    package init(
        certificates: [(chainPEM: [UInt8], keyPEM: [UInt8])], clientAuthoritiesPEM: [UInt8]? = nil,
        requiresClientCertificate: Bool = false, applicationProtocols: [[UInt8]] = [],
        sessionContext: [UInt8] = [], ticketKey: [UInt8] = [], previousTicketKey: [UInt8] = [],
        ticketLifetimeSeconds: UInt32 = 12 * 3600
    ) {
        self.certificates = certificates
        self.clientAuthoritiesPEM = clientAuthoritiesPEM
        self.requiresClientCertificate = requiresClientCertificate
        self.applicationProtocols = applicationProtocols
        self.sessionContext = sessionContext
        self.ticketKey = ticketKey
        self.previousTicketKey = previousTicketKey
        self.ticketLifetimeSeconds = ticketLifetimeSeconds
    }

    /// Whether downstreams are given tickets.
    var givesTickets: Bool { !self.ticketKey.isEmpty && self.clientAuthoritiesPEM == nil }
}

/// What a context for upstreams is made of.
package struct TLSClientSettings: Sendable {
    /// Authorities that may have signed the upstream's certificate; nil: the system's.
    package var authoritiesPEM: [UInt8]?
    /// Our own certificate towards the upstream, leaf first; with its key or not at all.
    package var chainPEM: [UInt8]?
    /// The key of our own certificate.
    package var keyPEM: [UInt8]?
    /// Whether the upstream's certificate is verified at all.
    package var verifies: Bool

    /// Verifies against the system's authorities unless told otherwise.
    package init(
        authoritiesPEM: [UInt8]? = nil, chainPEM: [UInt8]? = nil, keyPEM: [UInt8]? = nil,
        verifies: Bool = true
    ) {
        self.authoritiesPEM = authoritiesPEM
        self.chainPEM = chainPEM
        self.keyPEM = keyPEM
        self.verifies = verifies
    }
}

/// Why a context, a connection or a certificate could not be set up: a sentence for the operator.
package struct TLSSetupError: Error, Equatable {
    /// Which part (chain, key, authorities) and what is wrong with it.
    package var message: String

    /// - Parameter message: A sentence for the operator, without a full stop.
    package init(_ message: String) { self.message = message }
}
