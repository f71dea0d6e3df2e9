// Services and their upstreams: policies, tickets, slots.

internal import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot
internal import StraitTLS

/// What makes one downstream TLS policy another: contexts and tickets are kept by its digest.
private struct DownstreamPolicy {
    var tenant: String
    var applicationProtocols: [ApplicationProtocol]
    var clientCertificate: ClientCertificatePolicy
    var clientAuthoritiesPEM: [UInt8]
    var ticketLifetime: Duration

    /// The same for equal policies in every process: a newer one resumes by the tickets that an
    /// older one gave.
    var digest: ContentDigest {
        ContentDigest(
            ofParts: [Array(self.tenant.utf8), Array(self.clientCertificate.rawValue.utf8)]
                + [self.clientAuthoritiesPEM, bigEndian(self.ticketLifetime.nanoseconds)]
                + self.applicationProtocols.map(\.bytes))
    }
}

private func bigEndian(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
}

extension ContentDigest {
    /// Of parts in their order: where one ends and the next begins makes a difference.
    init(ofParts parts: [[UInt8]]) {
        self.init(
            sha256: TLSDigest.sha256(parts.flatMap { bigEndian(UInt64($0.count)) + $0 }))
    }
}

extension SnapshotCompiler {
    mutating func compileService(
        _ service: Configuration.Service, of tenant: TenantPlan, domains: [HostName],
        offered: [ApplicationProtocol], _ work: inout Compilation
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
        return ServicePlan(
            metricsSlot: self.series.slot(
                ServiceLabels(
                    tenant: tenant.name, service: service.name,
                    serviceProtocol: service.serviceProtocol.rawValue,
                    mode: service.mode.rawValue)),
            tenant: tenant,
            name: service.name, ownName: service.ownName(domains),
            serviceProtocol: service.serviceProtocol, mode: service.mode,
            applicationProtocols: offered, clientCertificate: service.clientCertificate,
            policy: policy.digest, givesTickets: hasTickets,
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
        let flags: [UInt8] = [
            tls.serverNameIsAddress ? 1 : 0, tls.verifies ? 1 : 0, authoritiesPEM == nil ? 1 : 0,
            certificate == nil ? 1 : 0,
        ]
        let policy = ContentDigest(
            ofParts: [
                Array(tls.serverName.utf8), flags, authoritiesPEM ?? [],
                certificate?.chainPEM ?? [], certificate?.keyPEM ?? [],
            ])
        return UpstreamPlan.TLS(
            policy: policy, serverName: tls.serverName,
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
