// A worker's TLS contexts: made on first use, kept by policy, the least recently used freed at the
// bound.

internal import StraitCore
internal import StraitSnapshot
internal import StraitTLS

/// The contexts of one worker.
struct TLSContextCache {
    private enum Key: Hashable {
        case downstream(
            policy: ContentDigest, certificates: ContentDigest, incarnation: UInt64)
        case upstream(policy: ContentDigest)
    }

    private struct Entry {
        var context: TLSContext
        /// Of the keys that its tickets are made with; in another one the context is made anew.
        var epoch: UInt64
        var lastUse: UInt64
    }

    /// What tickets are made with.
    var tickets = TicketSecrets()
    private var entries: [Key: Entry] = [:]
    private var uses: UInt64 = 0

    /// How many are kept.
    var count: Int { self.entries.count }

    /// The context that serves `service` under the names of `certificates`.
    mutating func downstream(
        _ service: ServicePlan, _ certificates: CertificateSet
    ) throws(TLSSetupError) -> TLSContext {
        let key = Key.downstream(
            policy: service.policy, certificates: certificates.id,
            incarnation: service.tenant.incarnation)
        let hasTickets = service.givesTickets && !self.tickets.root.isEmpty
        let epoch = hasTickets ? self.tickets.epoch : 0
        if let context = self.use(key, epoch) { return context }
        let asks = service.clientCertificate != .none
        let settings = TLSServerSettings(
            certificates: try Self.opened(certificates),
            clientAuthoritiesPEM: asks ? service.tenant.clientAuthoritiesPEM : nil,
            requiresClientCertificate: service.clientCertificate == .required,
            applicationProtocols: service.applicationProtocols.map(\.bytes),
            sessionContext: service.policy.bytes,
            ticketKey: hasTickets ? self.ticketKey(of: service, epoch) : [],
            previousTicketKey: hasTickets && epoch > 0
                ? self.ticketKey(of: service, epoch - 1) : [],
            ticketLifetimeSeconds: service.ticketLifetimeSeconds)
        return self.keep(key, epoch, try TLSContext(server: settings))
    }

    /// Keys that are sealed where they lie are opened here, once a context, and not kept.
    private static func opened(
        _ certificates: CertificateSet
    ) throws(TLSSetupError) -> [(chainPEM: [UInt8], keyPEM: [UInt8])] {
        do throws(CertificateNotOpened) {
            return try certificates.certificates.map { plan throws(CertificateNotOpened) in
                let certificate = try plan.open()
                return (certificate.chain, certificate.key)
            }
        } catch {
            throw TLSSetupError(error.reason)
        }
    }

    /// Another policy, which names its tenant, another tenant of that name, or another epoch:
    /// another key.
    private func ticketKey(of service: ServicePlan, _ epoch: UInt64) -> [UInt8] {
        let numbers = [epoch, service.tenant.incarnation].flatMap { number in
            (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
        }
        return TLSTicketKey.derive(root: self.tickets.root, label: service.policy.bytes + numbers)
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
        let key = Key.upstream(policy: tls.policy)
        if let context = self.use(key, 0) { return context }
        let settings = TLSClientSettings(
            authoritiesPEM: tls.authoritiesPEM, chainPEM: tls.chainPEM, keyPEM: tls.keyPEM,
            verifies: tls.verifies)
        return self.keep(key, 0, try TLSContext(client: settings))
    }

    private mutating func use(_ key: Key, _ epoch: UInt64) -> TLSContext? {
        guard let index = self.entries.index(forKey: key),
            self.entries.values[index].epoch == epoch
        else { return nil }
        self.uses += 1
        self.entries.values[index].lastUse = self.uses
        return self.entries.values[index].context
    }

    private mutating func keep(
        _ key: Key, _ epoch: UInt64, _ context: TLSContext
    ) -> TLSContext {
        if self.entries[key] == nil, self.entries.count >= Limits.tlsContextsMax,
            let oldest = self.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            self.entries[oldest.key] = nil
        }
        self.uses += 1
        self.entries[key] = Entry(context: context, epoch: epoch, lastUse: self.uses)
        return context
    }
}
