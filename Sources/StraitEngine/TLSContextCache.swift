// A worker's TLS contexts: made on first use, kept by policy, the least recently used freed at the
// bound.

internal import StraitCore
internal import StraitSnapshot
internal import StraitTLS

/// The contexts of one worker.
struct TLSContextCache {
    private enum Key: Hashable {
        case downstream(policy: UInt64, certificates: UInt64)
        case upstream(policy: UInt64)
    }

    private struct Entry {
        var context: TLSContext
        /// What its tickets are made with; another one has the context made anew.
        var ticketKey: [UInt8] = []
        var lastUse: UInt64
    }

    private var entries: [Key: Entry] = [:]
    private var uses: UInt64 = 0

    /// How many are kept.
    var count: Int { self.entries.count }

    /// The context that serves `service` under the names of `certificates`.
    mutating func downstream(
        _ service: ServicePlan, _ certificates: CertificateSet
    ) throws(TLSSetupError) -> TLSContext {
        let key = Key.downstream(policy: service.policyID, certificates: certificates.id)
        if let context = self.use(key, service.ticketKey) { return context }
        let asks = service.clientCertificate != .none
        let settings = TLSServerSettings(
            certificates: certificates.certificates.map { ($0.chainPEM, $0.keyPEM) },
            clientAuthoritiesPEM: asks ? service.tenant.clientAuthoritiesPEM : nil,
            requiresClientCertificate: service.clientCertificate == .required,
            applicationProtocols: service.applicationProtocols.map(\.bytes),
            sessionContext: service.sessionContext,
            ticketKey: service.ticketKey, previousTicketKey: service.previousTicketKey,
            ticketLifetimeSeconds: service.ticketLifetimeSeconds)
        return self.keep(key, service.ticketKey, try TLSContext(server: settings))
    }

    /// A handshake of ours with this upstream, not begun.
    mutating func handshake(
        to tls: UpstreamPlan.TLS, applicationProtocols: [[UInt8]], channel: borrowing TLSChannel
    ) throws(TLSSetupError) -> TLSSession {
        try TLSSession(
            clientContext: try self.upstream(tls),
            serverName: tls.serverNameIsAddress ? nil : tls.serverName,
            verifyName: tls.verifies && !tls.serverNameIsAddress ? tls.serverName : nil,
            verifyAddress: tls.verifies && tls.serverNameIsAddress ? tls.serverName : nil,
            applicationProtocols: applicationProtocols, channel: channel)
    }

    /// The context that our handshakes with this upstream use.
    private mutating func upstream(_ tls: UpstreamPlan.TLS) throws(TLSSetupError) -> TLSContext {
        let key = Key.upstream(policy: tls.policyID)
        if let context = self.use(key, []) { return context }
        let settings = TLSClientSettings(
            authoritiesPEM: tls.authoritiesPEM, chainPEM: tls.chainPEM, keyPEM: tls.keyPEM,
            verifies: tls.verifies)
        return self.keep(key, [], try TLSContext(client: settings))
    }

    private mutating func use(_ key: Key, _ ticketKey: [UInt8]) -> TLSContext? {
        guard let index = self.entries.index(forKey: key),
            self.entries.values[index].ticketKey == ticketKey
        else { return nil }
        self.uses += 1
        self.entries.values[index].lastUse = self.uses
        return self.entries.values[index].context
    }

    private mutating func keep(
        _ key: Key, _ ticketKey: [UInt8], _ context: TLSContext
    ) -> TLSContext {
        if self.entries[key] == nil, self.entries.count >= Limits.tlsContextsMax,
            let oldest = self.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            self.entries[oldest.key] = nil
        }
        self.uses += 1
        self.entries[key] = Entry(
            context: context, ticketKey: ticketKey, lastUse: self.uses)
        return context
    }
}
