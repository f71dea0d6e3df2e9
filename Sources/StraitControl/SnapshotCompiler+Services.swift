// Services and their upstreams: policies, tickets, slots.

internal import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot
internal import StraitTLS

/// What makes one downstream TLS policy another: contexts and tickets are kept by its number.
struct DownstreamPolicy: Hashable, Sendable {
    var tenant: String
    var applicationProtocols: [ApplicationProtocol]
    var clientCertificate: ClientCertificatePolicy
    var clientAuthoritiesPEM: [UInt8]
    var ticketLifetime: Duration

    /// 32 bytes, the same for equal policies in every process: a newer one resumes by the tickets
    /// that an older one gave.
    var digest: [UInt8] {
        let parts =
            [Array(self.tenant.utf8), Array(self.clientCertificate.rawValue.utf8)]
            + [self.clientAuthoritiesPEM, bigEndian(self.ticketLifetime.nanoseconds)]
            + self.applicationProtocols.map(\.bytes)
        return TLSDigest.sha256(parts.flatMap { bigEndian(UInt64($0.count)) + $0 })
    }
}

private func bigEndian(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
}

/// What makes one TLS policy towards upstreams another.
struct UpstreamPolicy: Hashable, Sendable {
    var serverName: String
    var serverNameIsAddress: Bool
    var verifies: Bool
    var authoritiesPEM: [UInt8]?
    var certificate: CertificateContent?
}

extension SnapshotCompiler {
    /// The tenant name in the series of tenants that have none of their own.
    static let foldedName = "other"

    mutating func compileService(
        _ service: Configuration.Service, of tenant: TenantPlan, domains: [HostName],
        offered: [ApplicationProtocol],
        _ work: inout Compilation
    ) -> ServicePlan {
        let asks = service.mode == .terminate && service.clientCertificate != .none
        if asks, tenant.clientAuthoritiesPEM.isEmpty, !work.hasUnreadableFiles {
            work.report(
                .authorityUnusable, service.place,
                found: "client_certificate: \(service.clientCertificate.rawValue)",
                expected: "a client_ca of tenant \(tenant.name) that can be read",
                remedy: "give the tenant a client_ca, or ask for no certificate")
        }
        // Resumed connections carry no fresh proof, so who asks for certificates gives no tickets.
        let hasTickets =
            service.mode == .terminate && !asks
            && work.configuration.tls.ticketLifetime > .zero
        let policy = DownstreamPolicy(
            tenant: tenant.name, applicationProtocols: offered,
            clientCertificate: service.clientCertificate,
            clientAuthoritiesPEM: asks ? tenant.clientAuthoritiesPEM : [],
            ticketLifetime: work.configuration.tls.ticketLifetime)
        let context = service.mode == .terminate ? policy.digest : []
        return ServicePlan(
            metricsSlot: self.slot(of: service, tenant: tenant.name), tenant: tenant,
            name: service.name, ownName: service.ownName(domains),
            serviceProtocol: service.serviceProtocol, mode: service.mode,
            applicationProtocols: offered, clientCertificate: service.clientCertificate,
            policyID: self.policies.number(of: policy), sessionContext: context,
            ticketKey: hasTickets ? self.ticketKey(context, work.epoch) : [],
            previousTicketKey: hasTickets && work.epoch > 0
                ? self.ticketKey(context, work.epoch - 1) : [],
            ticketLifetimeSeconds: UInt32(
                clamping: work.configuration.tls.ticketLifetime.nanoseconds / 1_000_000_000),
            upstreams: self.compileUpstreams(service, tenant: tenant.name, &work),
            connectAttempts: service.connectAttempts,
            health: work.healthPlan(of: service, domain: domains.first),
            connectTimeout: service.connectTimeout?.nanoseconds,
            idleTimeout: Self.idleTimeout(service, ofAll: work.configuration.timeouts.idle)?
                .nanoseconds)
    }

    /// As configured; nil takes that of all services.
    private static func idleTimeout(
        _ service: Configuration.Service, ofAll idle: Duration
    ) -> Duration? {
        guard service.idleTimeout == nil, service.serviceProtocol == .kubernetes else {
            return service.idleTimeout
        }
        return max(idle, Limits.kubernetesIdleTimeout)
    }

    /// Another policy, which names its tenant, or another epoch: another key.
    private func ticketKey(_ policy: [UInt8], _ epoch: UInt64) -> [UInt8] {
        TLSTicketKey.derive(root: self.ticketRoot, label: policy + bigEndian(epoch))
    }

    private mutating func slot(of service: Configuration.Service, tenant: String) -> Int {
        let isFolded = !self.ownSeries.contains(tenant)
        return self.serviceSlots.number(
            of: ServiceLabels(
                tenant: isFolded ? Self.foldedName : tenant,
                service: isFolded ? Self.foldedName : service.name,
                serviceProtocol: service.serviceProtocol.rawValue, mode: service.mode.rawValue))
    }

    mutating func compileUpstreamTLS(
        _ tls: Configuration.Upstream.TLS, place: SourcePlace, tenant: String,
        _ work: inout Compilation
    ) -> UpstreamPlan.TLS? {
        var authoritiesPEM: [UInt8]?
        if case .file(let file) = tls.authorities {
            guard let pem = work.authority(file) else { return nil }
            authoritiesPEM = pem
        }
        var certificate: CertificateContent?
        if let files = tls.certificate {
            guard let pair = work.pair(files, tenant: tenant, kind: "upstream") else { return nil }
            certificate = pair.content
        }
        let policy = self.upstreamPolicies.number(
            of: UpstreamPolicy(
                serverName: tls.serverName, serverNameIsAddress: tls.serverNameIsAddress,
                verifies: tls.verifies, authoritiesPEM: authoritiesPEM, certificate: certificate))
        return UpstreamPlan.TLS(
            policyID: policy, serverName: tls.serverName,
            serverNameIsAddress: tls.serverNameIsAddress, verifies: tls.verifies,
            authoritiesPEM: authoritiesPEM,
            chainPEM: certificate?.chainPEM, keyPEM: certificate?.keyPEM)
    }
}

extension Configuration.Service {
    /// A name that leads to the service: the first of its hosts, or its own under a domain.
    fileprivate func ownName(_ domains: [HostName]) -> HostName? {
        if let host = self.hosts.first(where: { !$0.value.isWildcard }) { return host.value.name }
        return domains.lazy.compactMap { HostName("\(self.name).\($0)") }.first
    }
}
