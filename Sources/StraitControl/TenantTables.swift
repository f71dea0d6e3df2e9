// What is compiled of tenants: tables that share with their older versions what did not change.

internal import StraitConfig
package import StraitCore
package import StraitRouting
package import StraitSnapshot

/// Everything that is compiled of tenants, by the numbers that routes speak of.
package struct TenantTables: Sendable {
    /// Gives tenants and services their numbers.
    package var routes = RouteTable()
    /// What workers need to know of them.
    package var tenants = SlotTable<TenantPlan>()
    /// Of all tenants.
    package var services = SlotTable<ServicePlan>()
    /// Tenants' own ports, by port.
    package var ports = SlotTable<PortPlan>()
    /// What the control plane needs to know of tenants beside it.
    package var facts = SlotTable<TenantFacts>()

    /// Nobody's.
    package init() {}

    /// Takes tenants out, and the services of those that are about to be put in anew.
    mutating func clear(_ removed: [Int], keeping replaced: [Int]) {
        self.clearPorts(of: removed + replaced)
        for number in removed + replaced {
            for service in self.routes.services(ofTenant: number) {
                self.services.set(service, to: nil)
            }
        }
        for number in removed {
            self.tenants.set(number, to: nil)
            self.facts.set(number, to: nil)
        }
    }

    /// The tenant of that name, as workers know it.
    func tenant(named name: String) -> TenantPlan? {
        self.routes.tenantNumber(named: name).map { self.tenants[$0] }
    }

    /// The service of that name.
    func service(named name: String, ofTenant tenant: String) -> ServicePlan? {
        self.routes.tenantNumber(named: tenant)
            .flatMap { self.routes.serviceNumber(named: name, ofTenant: $0) }
            .map { self.services[$0] }
    }

    /// Every name that an upstream is looked up by.
    var upstreamNames: Set<HostName> { Set(self.upstreamNameCounts.keys) }

    /// The same, with how many tenants have it.
    var upstreamNameCounts: [HostName: Int] {
        var counts: [HostName: Int] = [:]
        self.facts.visit { _, facts in
            for name in Set(facts.upstreamNames) { counts[name, default: 0] += 1 }
        }
        return counts
    }

    /// The names that the upstreams of a tenant are looked up by.
    func upstreamNames(of tenant: String) -> Set<HostName> {
        let facts = self.routes.tenantNumber(named: tenant).flatMap { self.facts.element($0) }
        return Set(facts?.upstreamNames ?? [])
    }

    /// What a tenant's limits count, they count from now on.
    func useLimits(of tenant: String) {
        guard let plan = self.tenant(named: tenant) else { return }
        plan.usage.use(plan.limits)
    }
}

/// What the control plane needs to know of a compiled tenant.
package struct TenantFacts: Sendable {
    /// As operators write it.
    package var name: String
    /// Of all that the tenant comes to, without places in files; equal where nothing changed.
    package var mark: Int
    /// Names that its upstreams are looked up by.
    package var upstreamNames: [HostName]
    /// What each of them led to when the tenant was compiled.
    package var upstreamAddresses: [[IPAddress]] = []
    /// Its certificates that are files, for their gauges.
    package var certificateEnds: [MetricsDirectory.CertificateEnd]
    /// Its own ports, also those that lead nowhere.
    package var ports: [PortKind: UInt16] = [:]
    /// Names that it had.
    package var aliases: [AliasFacts] = []
}

extension CompiledConfiguration {
    /// How many tenants came, went or changed since an older one.
    package func tenantsChanged(since older: CompiledConfiguration?) -> Int {
        var before: [String: Int] = [:]
        older?.tables.facts.visit { before[$1.name] = $1.mark }
        var changed = 0
        self.tables.facts.visit { _, facts in
            if before.removeValue(forKey: facts.name) != facts.mark { changed += 1 }
        }
        return changed + before.count
    }
}

/// What the control plane needs to know of an alias.
package struct AliasFacts: Sendable {
    /// The name.
    package var name: HostName
    /// Seconds since 1970; nil: it stays.
    package var until: UInt64?
    /// Who uses it.
    package var usage: AliasUsage
    /// Whether it led somewhere when it was compiled.
    package var isRouted: Bool
}
