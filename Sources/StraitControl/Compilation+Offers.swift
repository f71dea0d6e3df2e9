// The ALPN identifiers that services offer downstream, and where h2 would lead a request to another
// service.
//
// Browsers send requests for every name of a certificate down one h2 connection (RFC 9113 §9.1.1),
// and a byte relay cannot answer 421. So h2 is for services whose certificates lead nowhere else.
//
// Kubernetes is different in one point: kubectl, and what is built on its libraries, keep
// connections by host name and reuse none for another. Only a browser's requests can go astray, and
// a browser has business with services that speak HTTP. So two clusters, or a cluster and a
// database, may share a certificate and still offer h2; a cluster and a web site may not.

internal import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot

extension Compilation {
    /// The table with the tenants, their numbers, and what each of their services offers
    /// downstream, in the order of the rules.
    ///
    /// Nil, with problems, where ``routes(_:removing:putting:)`` finds conflicts.
    mutating func routesAndOffers(
        _ before: RouteTable, removing removed: [Int], tenants: [TenantPlan]
    ) -> (RouteTable, RouteNumbers, [[ApplicationProtocol]])? {
        var rules = self.routeRules()
        guard let (routes, numbers) = self.routes(before, removing: removed, putting: rules) else {
            return nil
        }
        let offers = self.offers(routes: routes, numbers: numbers, tenants: tenants)
        var isNarrowed = false
        for (index, (_, service)) in self.services.enumerated()
        where offers[index] != Self.usual(service) {
            rules.services[index].applicationProtocols = offers[index]
            isNarrowed = true
        }
        guard isNarrowed else { return (routes, numbers, offers) }
        // The table must refuse what the handshake would: it has no other conflicts than before.
        return self.routes(before, removing: removed, putting: rules).map { ($0.0, $0.1, offers) }
    }

    /// What a service offers by its own keys and protocol.
    private static func usual(_ service: Configuration.Service) -> [ApplicationProtocol] {
        service.mode == .terminate && service.applicationProtocols.isEmpty
            ? service.serviceProtocol.defaultApplicationProtocols : service.applicationProtocols
    }

    private func offers(
        routes: RouteTable, numbers: RouteNumbers, tenants: [TenantPlan]
    ) -> [[ApplicationProtocol]] {
        var offers: [[ApplicationProtocol]] = []
        for (tenant, plan) in zip(self.configuration.tenants, tenants) {
            for service in tenant.services {
                let usual = Self.usual(service)
                guard service.mode == .terminate, service.applicationProtocols.isEmpty,
                    service.serviceProtocol == .kubernetes
                else {
                    offers.append(usual)
                    continue
                }
                // What is chosen downstream is asked for upstream: without TLS nobody can say no,
                // and HTTP in clear is HTTP/1.1.
                let isAsked = service.upstreams.allSatisfy { $0.tls != nil }
                let isAlone = self.shown(by: plan.certificates, for: service, of: tenant)
                    .allSatisfy {
                        Self.astray(from: numbers.services[offers.count], by: $0, routes).isEmpty
                    }
                offers.append(isAsked && isAlone ? usual : usual.filter { $0 != .http2 })
            }
        }
        return offers
    }

    /// Reports h2 where it was configured and requests would go astray.
    mutating func checkCoalescing(
        routes: RouteTable, numbers: RouteNumbers, tenants: [TenantPlan]
    ) {
        let owners = zip(self.configuration.tenants, tenants).flatMap { tenant, plan in
            tenant.services.map { (tenant, plan, $0) }
        }
        for (index, (tenant, plan, service)) in owners.enumerated()
        where service.mode == .terminate && service.applicationProtocols.contains(.http2) {
            for set in self.shown(by: plan.certificates, for: service, of: tenant) {
                let others = Self.astray(from: numbers.services[index], by: set, routes)
                guard let other = others.first else { continue }
                let names = set.names.map { "\($0)" } + set.wildcards.map { "*.\($0)" }
                let more = others.count > 1 ? " and \(others.count - 1) more" : ""
                self.report(
                    .h2Coalesces, service.place,
                    found: "alpn has h2, and the certificate for \(Self.list(names)) also leads to "
                        + "\(routes.serviceText(other))\(more)",
                    expected: "with h2, a certificate all of whose names lead to this service: "
                        + "browsers reuse one h2 connection for all of them",
                    remedy: "give this service a certificate of its own, or take h2 out of alpn")
            }
        }
    }

    /// The services whose requests may come down an h2 connection that was made to another one.
    private static func astray(
        from number: Int, by set: CertificateSet, _ routes: RouteTable
    ) -> [Int] {
        let isKubernetes = routes.serviceProtocol(of: number) == .kubernetes
        return routes.servicesReached(by: set.names, wildcards: set.wildcards)
            .filter {
                $0 != number
                    && (!isKubernetes || routes.serviceProtocol(of: $0)?.mayBeForBrowsers ?? false)
            }
            .sorted()
    }

    /// The sets that the names of a service are served with: a wildcard's only where no set has the
    /// exact name.
    private func shown(
        by table: CertificateTable, for service: Configuration.Service,
        of tenant: Configuration.Tenant
    ) -> [CertificateSet] {
        let exact =
            self.derivedNames(service, of: tenant)
            + service.hosts.map(\.value).filter { !$0.isWildcard }.map(\.name)
        let ids = Set(exact.compactMap { table.set(for: $0)?.id })
        return table.sets.filter { set in
            ids.contains(set.id)
                || service.hosts.contains { $0.value.isWildcard && Self.covers(set, $0.value) }
        }
    }
}

extension ServiceProtocol {
    /// Whether a browser may have business with it; `tcp` may be anything.
    fileprivate var mayBeForBrowsers: Bool {
        switch self {
        case .web, .tcp: true
        case .ssh, .kubernetes, .postgres, .mysql: false
        }
    }
}
