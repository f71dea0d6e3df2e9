// Names: the rules for the route table, its conflicts with their lines, and what certificates must
// cover.

internal import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot

extension Compilation {
    /// The tenants and services as the route table wants them, in the order of the file.
    func routeRules() -> RouteRules {
        let tenants = self.configuration.tenants
        return RouteRules(
            tenants: tenants.map {
                RouteRules.Tenant(name: $0.name, domains: $0.domains.map(\.value))
            },
            services: tenants.enumerated().flatMap { index, tenant in
                tenant.services.map { service in
                    let patterns = service.hosts.map(\.value)
                    return RouteRules.Service(
                        tenant: index, name: service.name,
                        serviceProtocol: service.serviceProtocol, mode: service.mode,
                        hosts: patterns.filter { !$0.isWildcard }.map(\.name),
                        wildcards: patterns.filter(\.isWildcard).map(\.name),
                        applicationProtocols: service.applicationProtocols,
                        isDefault: service.isDefault,
                        allowsACME: service.applicationProtocols.contains(.acme))
                }
            })
    }

    /// The route table; nil, with a problem for each conflict, where the rules contradict each
    /// other.
    mutating func routes(_ rules: RouteRules) -> RouteTable? {
        do throws(RouteConflicts) {
            return try RouteTable(rules)
        } catch {
            for conflict in error.conflicts {
                // The side that came second is where the file is wrong; the sentence names the
                // first too.
                let party = conflict.second ?? conflict.first
                let other = conflict.second == nil ? nil : self.place(of: conflict.first)
                self.report(
                    .routeConflict, self.place(of: party) ?? self.wholeFile,
                    found: conflict.sentence,
                    expected: other.map { "no contradiction with line \($0.line) (\($0.path))" }
                        ?? "a rule that can be carried out",
                    remedy: "change one of the two")
            }
            return nil
        }
    }

    private var wholeFile: SourcePlace { SourcePlace(line: 0, column: 0, path: "") }

    private func place(of party: RouteConflict.Party) -> SourcePlace? {
        switch party {
        case .tenant(let index):
            let tenants = self.configuration.tenants
            return tenants.indices.contains(index) ? tenants[index].place : nil
        case .service(let index): return self.services.dropFirst(index).first?.service.place
        }
    }

    /// Every service with its tenant, by the index that the route table knows it by.
    private var services: [(tenant: Configuration.Tenant, service: Configuration.Service)] {
        self.configuration.tenants.flatMap { tenant in tenant.services.map { (tenant, $0) } }
    }

    /// Browsers send requests for every name of a certificate down one h2 connection (RFC 9113
    /// §9.1.1), and a byte relay cannot answer 421.
    ///
    /// So h2 is for services whose certificates lead nowhere else.
    mutating func checkCoalescing(routes: RouteTable, tenants: [TenantPlan]) {
        let services = self.services
        for (index, (tenant, service)) in services.enumerated() {
            guard service.mode == .terminate, service.applicationProtocols.contains(.http2),
                let plan = tenants.first(where: { $0.name == tenant.name })
            else { continue }
            for set in self.shown(by: plan.certificates, for: service, of: tenant) {
                let others = routes.servicesReached(by: set.names, wildcards: set.wildcards)
                    .subtracting([index]).sorted()
                guard let other = others.first else { continue }
                let names = set.names.map { "\($0)" } + set.wildcards.map { "*.\($0)" }
                let more = others.count > 1 ? " and \(others.count - 1) more" : ""
                self.report(
                    .h2Coalesces, service.place,
                    found: "alpn has h2, and the certificate for \(Self.list(names)) also leads to "
                        + "\(services[other].tenant.name)/\(services[other].service.name)\(more)",
                    expected: "with h2, a certificate all of whose names lead to this service: "
                        + "browsers reuse one h2 connection for all of them",
                    remedy: "give this service a certificate of its own, or take h2 out of alpn")
            }
        }
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

    /// Every name of a terminated service needs a certificate, or its handshake cannot begin.
    mutating func checkNames(tenants: [TenantPlan]) {
        for (tenant, service) in self.services where service.mode == .terminate {
            guard let plan = tenants.first(where: { $0.name == tenant.name }),
                !self.tenantsInDoubt.contains(tenant.name)
            else { continue }
            let sets = plan.certificates.sets
            for host in service.hosts where !sets.contains(where: { Self.covers($0, host.value) }) {
                self.report(
                    .certificateMissing, host.place, found: "no certificate carries \(host.value)",
                    expected: "a certificate of tenant \(tenant.name) with this name",
                    remedy: "add one to the tenant's certificates, or set mode: passthrough")
            }
            let derived = self.derivedNames(service, of: tenant)
            let bare = derived.filter { name in !sets.contains { Self.covers($0, name) } }
            guard !bare.isEmpty else { continue }
            let isReachable = bare.count < derived.count || !service.hosts.isEmpty
            self.report(
                isReachable ? .nameWithoutCertificate : .certificateMissing, service.place,
                found: "no certificate carries \(Self.list(bare.map(\.description)))",
                expected: "a certificate of tenant \(tenant.name) with this name",
                remedy: "add one to the tenant's certificates"
                    + (isReachable ? ", unless nobody uses the name" : ""))
        }
    }

    /// `SERVICE.DOMAIN` of each domain, by which every service is reached.
    private func derivedNames(
        _ service: Configuration.Service, of tenant: Configuration.Tenant
    ) -> [HostName] {
        tenant.domains.compactMap { HostName("\(service.name).\($0.value)") }
    }

    private static func covers(_ set: CertificateSet, _ host: Configuration.HostPattern) -> Bool {
        host.isWildcard ? set.wildcards.contains(host.name) : Self.covers(set, host.name)
    }

    private static func covers(_ set: CertificateSet, _ name: HostName) -> Bool {
        CertificateTable(sets: [set]).set(for: name) != nil
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(3).joined(separator: ", ")
        return names.count > 3 ? shown + " and \(names.count - 3) more" : shown
    }
}
