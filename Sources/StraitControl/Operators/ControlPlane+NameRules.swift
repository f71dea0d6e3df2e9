// Host names that an administrator claims and that would be in other tenants' way.

internal import StraitConfig
internal import StraitRouting
internal import StraitSnapshot

extension TenantTables {
    /// What is wrong with the hosts of a tenant that are new to it; names no other tenant.
    func claimProblems(_ tenant: Configuration.Tenant, file: String) -> [ConfigurationProblem] {
        let number = self.routes.tenantNumber(named: tenant.name)
        let known = Set(number.map { self.routes.hosts(ofTenant: $0) } ?? [])
        var problems: [ConfigurationProblem] = []
        for host in tenant.services.flatMap(\.hosts) where !known.contains("\(host.value)") {
            let neighbour = self.routes.neighbour(
                host.value.name, isWildcard: host.value.isWildcard, of: number)
            guard let neighbour else { continue }
            problems.append(
                ConfigurationProblem(
                    .routeConflict, file: file, place: host.place,
                    found: "\(host.value), which \(neighbour.text)",
                    expected: "a name that is not in other tenants' way",
                    remedy: "choose another one, or let an operator give it"))
        }
        return problems
    }
}

extension NameNeighbour {
    fileprivate var text: String {
        switch self {
        case .beneathWildcard: "another tenant's wildcard covers"
        case .coversNames: "covers names of another tenant"
        case .besideOwnNames: "lies where another tenant has its own name"
        }
    }
}
