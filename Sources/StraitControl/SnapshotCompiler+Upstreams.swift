// The addresses of services: names become what they lead to, and each keeps its standing.

internal import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot

extension SnapshotCompiler {
    /// Every address of a service once, in the order of the file; of each name's, as DNS has them.
    mutating func compileUpstreams(
        _ service: Configuration.Service, tenant: String, _ work: inout Compilation
    ) -> [UpstreamPlan] {
        let older = self.tables.service(named: service.name, ofTenant: tenant)?.upstreams ?? []
        var plans: [UpstreamPlan] = []
        var seen: Set<SocketAddress> = []
        var left = 0
        for upstream in service.upstreams {
            let tls = upstream.tls.flatMap {
                self.compileUpstreamTLS($0, place: upstream.place, tenant: tenant, &work)
            }
            for address in work.addresses(of: upstream.target) {
                guard seen.insert(address).inserted else { continue }
                guard plans.count < Limits.upstreamAddressesMax else {
                    left += 1
                    continue
                }
                plans.append(
                    self.compile(
                        upstream, at: address, tls, service: service.name, tenant: tenant,
                        standing: older.first { $0.address == address }?.standing))
            }
        }
        if left > 0 {
            work.report(
                .tooManyAddresses, service.place,
                found: "\(plans.count + left) addresses of service \(service.name)",
                expected: "at most \(Limits.upstreamAddressesMax)",
                remedy: "the last \(left) are left out; split the service, or give it fewer names")
        }
        return plans
    }

    private mutating func compile(
        _ upstream: Configuration.Upstream, at address: SocketAddress, _ tls: UpstreamPlan.TLS?,
        service: String, tenant: String, standing: UpstreamStanding?
    ) -> UpstreamPlan {
        let slot = self.series.slot(
            UpstreamLabels(tenant: tenant, service: service, address: address.description))
        var name: HostName?
        if case .name(let host, _) = upstream.target { name = host }
        return UpstreamPlan(
            metricsSlot: slot, address: address, tls: tls, proxyHeader: upstream.proxyHeader,
            weight: UInt32(clamping: upstream.weight), isBackup: upstream.isBackup, name: name,
            standing: standing ?? UpstreamStanding())
    }
}

extension Compilation {
    /// Where an upstream is dialled; nowhere while its name leads nowhere.
    ///
    /// Names that a tenant of a registry has chosen do not lead to the router's own machine: who
    /// answers for a name could reach with it what listens on loopback alone; nor to where the
    /// router listens itself.
    fileprivate func addresses(of target: Configuration.Upstream.Target) -> [SocketAddress] {
        switch target {
        case .address(let address): [address]
        case .name(let name, let port):
            (self.addresses[name] ?? []).filter { address in
                guard self.isOfRegistry else { return true }
                return !address.staysWithin && self.own?.contains(address, port) != true
            }.map { .ip($0, port: port) }
        }
    }

    /// How the addresses of a service are judged; `domain` is the first of its tenant.
    func healthPlan(of service: Configuration.Service, domain: HostName?) -> HealthPlan {
        var plan = HealthPlan()
        switch service.health.check {
        case .off: plan.check = .off
        case .tcp: plan.check = .tcp
        case .greeting: plan.check = .greeting
        case .postgres: plan.check = .postgres
        case .tls: plan.check = .tls
        case .http: plan.check = .http
        case .https: plan.check = .https
        }
        plan.interval = service.health.interval.nanoseconds
        plan.timeout = service.health.timeout.nanoseconds
        plan.rise = service.health.rise
        plan.fall = service.health.fall
        plan.path = service.health.path
        switch plan.check {
        case .http, .https, .tls:
            plan.host = service.health.host ?? self.firstName(of: service, domain: domain)
        case .off, .tcp, .greeting, .postgres: break
        }
        plan.ejectAfter = service.health.ejectAfter
        plan.ejection = service.health.ejection.nanoseconds
        plan.ejectionMax = service.health.ejectionMax.nanoseconds
        plan.slowStart = service.health.slowStart.nanoseconds
        return plan
    }

    /// The first name that leads to a service; empty where none does.
    private func firstName(of service: Configuration.Service, domain: HostName?) -> String {
        if let host = service.hosts.first(where: { !$0.value.isWildcard }) {
            return host.value.name.description
        }
        return domain.map { "\(service.name).\($0)" } ?? ""
    }
}
