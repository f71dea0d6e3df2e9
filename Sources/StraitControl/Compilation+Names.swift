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
                RouteRules.Tenant(name: $0.name, domains: $0.ownNames(at: self.now.seconds))
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

    /// The table `before` with the rules; nil, with a problem for each conflict, where they
    /// contradict each other or what stays.
    mutating func routes(
        _ before: RouteTable, removing removed: [Int], putting rules: RouteRules
    ) -> (RouteTable, RouteNumbers)? {
        do throws(RouteConflicts) {
            return try before.changed(removing: removed, putting: rules)
        } catch {
            let places = ConflictPlaces(self.configuration, error.numbers)
            for conflict in error.conflicts {
                // The side that came second is where the file is wrong; the sentence names the
                // first too.
                let party = conflict.second ?? conflict.first
                let other =
                    conflict.second == nil ? nil : places.place(of: conflict.first)
                let isWithOthers =
                    conflict.second.map { places.place(of: $0) == nil || other == nil } ?? false
                self.report(
                    .routeConflict,
                    places.place(of: party) ?? places.place(of: conflict.first)
                        ?? self.wholeFile,
                    found: self.masksOthers && isWithOthers
                        ? "a name that is another tenant's, or lies beneath one"
                        : conflict.sentence,
                    expected: other.map { "no contradiction with line \($0.line) (\($0.path))" }
                        ?? "a rule that can be carried out",
                    remedy: "change one of the two")
            }
            return nil
        }
    }

    private var wholeFile: SourcePlace { SourcePlace(line: 0, column: 0, path: "") }

    /// Every service with its tenant, in the order of the rules.
    var services: [(tenant: Configuration.Tenant, service: Configuration.Service)] {
        self.configuration.tenants.flatMap { tenant in tenant.services.map { (tenant, $0) } }
    }

    /// Every name of a terminated service needs a certificate, or its handshake cannot begin.
    mutating func checkNames(tenants: [TenantPlan]) {
        for (tenant, plan) in zip(self.configuration.tenants, tenants)
        where !self.tenantsInDoubt.contains(tenant.name) {
            for service in tenant.services where service.mode == .terminate {
                self.checkNames(of: service, tenant, plan)
            }
        }
    }

    private mutating func checkNames(
        of service: Configuration.Service, _ tenant: Configuration.Tenant, _ plan: TenantPlan
    ) {
        let sets = plan.certificates.sets
        for host in service.hosts where !sets.contains(where: { Self.covers($0, host.value) }) {
            self.report(
                .certificateMissing, host.place, found: "no certificate carries \(host.value)",
                expected: "a certificate of tenant \(tenant.name) with this name",
                remedy: "add one to the tenant's certificates, or set mode: passthrough")
        }
        let derived = self.derivedNames(service, of: tenant)
        let bare = derived.filter { name in !sets.contains { Self.covers($0, name) } }
        guard !bare.isEmpty else { return }
        let isReachable = bare.count < derived.count || !service.hosts.isEmpty
        self.report(
            isReachable ? .nameWithoutCertificate : .certificateMissing, service.place,
            found: "no certificate carries \(Self.list(bare.map(\.description)))",
            expected: "a certificate of tenant \(tenant.name) with this name",
            remedy: "add one to the tenant's certificates"
                + (isReachable ? ", unless nobody uses the name" : ""))
    }

    /// `SERVICE.DOMAIN` of each domain and alias, by which every service is reached.
    func derivedNames(
        _ service: Configuration.Service, of tenant: Configuration.Tenant
    ) -> [HostName] {
        tenant.ownNames(at: self.now.seconds).compactMap { HostName("\(service.name).\($0)") }
    }

    static func covers(_ set: CertificateSet, _ host: Configuration.HostPattern) -> Bool {
        host.isWildcard ? set.wildcards.contains(host.name) : Self.covers(set, host.name)
    }

    private static func covers(_ set: CertificateSet, _ name: HostName) -> Bool {
        CertificateTable(sets: [set]).set(for: name) != nil
    }

    static func list(_ names: [String]) -> String {
        let shown = names.prefix(3).joined(separator: ", ")
        return names.count > 3 ? shown + " and \(names.count - 3) more" : shown
    }
}

/// Where the sides of conflicts stand.
private struct ConflictPlaces {
    private var tenants: [Int: SourcePlace] = [:]
    private var services: [Int: SourcePlace] = [:]

    init(_ configuration: Configuration, _ numbers: RouteNumbers) {
        let services = configuration.tenants.flatMap(\.services)
        for (number, tenant) in zip(numbers.tenants, configuration.tenants) {
            self.tenants[number] = self.tenants[number] ?? tenant.place
        }
        for (number, service) in zip(numbers.services, services) {
            self.services[number] = self.services[number] ?? service.place
        }
    }

    /// Nil where it is not compiled now, but was before.
    func place(of party: RouteConflict.Party) -> SourcePlace? {
        switch party {
        case .tenant(let number): self.tenants[number]
        case .service(let number): self.services[number]
        }
    }
}
