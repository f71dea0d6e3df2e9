// Which series tenants count in: some have their own, the others share those of `other`.

internal import StraitCore
internal import StraitRouting
package import StraitSnapshot

/// Slots of metrics, kept over revisions.
package struct MetricsSeries: Sendable {
    /// The tenant name in the series of tenants that have none of their own.
    static let foldedName = "other"

    private var services = Numbering<ServiceLabels>(first: [.unknown])
    private var upstreams = Numbering<UpstreamLabels>()
    /// Tenants with series of their own.
    private var own: Set<String> = []
    /// How many may have some.
    private var countMax = 0

    /// Workers keep counters for each slot there ever was.
    private let slotsMax: Int
    /// Slots of services, and of addresses, that one tenant may use up, which are never given back.
    private let slotsOfTenantMax: Int
    private var used: [String: (services: Int, upstreams: Int)] = [:]

    /// Nobody has any.
    ///
    /// - Parameters:
    ///   - slotsMax: Slots of services, and as many of addresses; what comes beyond counts as
    ///     `other`, until the router starts anew.
    ///   - slotsOfTenantMax: How many of these one tenant may use up.
    package init(
        slotsMax: Int = Limits.metricsSlotsMax,
        slotsOfTenantMax: Int = Limits.metricsSlotsOfTenantMax
    ) {
        self.slotsMax = slotsMax
        self.slotsOfTenantMax = slotsOfTenantMax
    }

    /// Gives tenants series of their own, the first in alphabetical order.
    ///
    /// So it is the same after a restart and on every router with these tenants, and does not
    /// depend on who stands where in the file.
    package mutating func chooseTenants(_ names: [String], count: Int) {
        self.own = Set(names.sorted().prefix(count))
        self.countMax = count
    }

    /// A tenant comes: it gets series of its own while there are some.
    mutating func add(_ tenant: String) {
        if self.own.count < self.countMax { self.own.insert(tenant) }
    }

    /// A tenant goes, and leaves its place to one that comes.
    mutating func remove(_ tenant: String) { self.own.remove(tenant) }

    /// A tenant's place goes to another name; false where it has none.
    package mutating func replaceOwn(_ old: String, by new: String) -> Bool {
        guard self.own.remove(old) != nil else { return false }
        self.own.insert(new)
        self.used[new] = self.used.removeValue(forKey: old)
        return true
    }

    mutating func renameServices(_ name: (ServiceLabels) -> ServiceLabels?) {
        self.services.rename(name)
    }

    mutating func renameUpstreams(_ name: (UpstreamLabels) -> UpstreamLabels?) {
        self.upstreams.rename(name)
    }

    /// Whether a tenant has series of its own.
    func hasOwn(_ tenant: String) -> Bool { self.own.contains(tenant) }

    /// The slot of a service: a new one for labels that are new, as long as there are some.
    package mutating func slot(_ labels: ServiceLabels) -> Int {
        if self.hasOwn(labels.tenant) {
            if let known = self.services.known(labels) { return known }
            let used = self.used[labels.tenant] ?? (0, 0)
            if used.services < self.slotsOfTenantMax,
                let own = self.services.number(of: labels, atMost: self.slotsMax)
            {
                self.used[labels.tenant] = (used.services + 1, used.upstreams)
                return own
            }
        }
        var folded = labels
        folded.tenant = Self.foldedName
        folded.service = Self.foldedName
        return self.services.number(of: folded)
    }

    /// The slot of an address.
    mutating func slot(_ labels: UpstreamLabels) -> Int {
        if self.hasOwn(labels.tenant) {
            if let known = self.upstreams.known(labels) { return known }
            let used = self.used[labels.tenant] ?? (0, 0)
            if used.upstreams < self.slotsOfTenantMax,
                let own = self.upstreams.number(of: labels, atMost: self.slotsMax)
            {
                self.used[labels.tenant] = (used.services, used.upstreams + 1)
                return own
            }
        }
        let name = Self.foldedName
        return self.upstreams.number(of: UpstreamLabels(tenant: name, service: name, address: name))
    }

    /// The slots of what is built in, which all tenants share.
    mutating func builtInSlots(_ labels: UpstreamLabels) -> (service: Int, upstream: Int) {
        let service = ServiceLabels(
            tenant: labels.tenant, service: labels.service,
            serviceProtocol: ServiceProtocol.web.rawValue, mode: ServiceMode.terminate.rawValue)
        return (self.services.number(of: service), self.upstreams.number(of: labels))
    }

    /// What the slots of a snapshot stand for.
    package func directory(of snapshot: Snapshot, _ tables: TenantTables) -> MetricsDirectory {
        var directory = MetricsDirectory()
        directory.services = self.services.things
        directory.upstreams = self.upstreams.things
        snapshot.services.visit { _, service in
            directory.liveServices.insert(service.metricsSlot)
            for upstream in service.upstreams {
                directory.liveUpstreams.insert(upstream.metricsSlot)
            }
            if !self.hasOwn(service.tenant.name) { directory.foldedServices += 1 }
        }
        if let builtIn = snapshot.builtIn {
            directory.liveServices.insert(builtIn.metricsSlot)
            directory.liveUpstreams.insert(builtIn.upstream.metricsSlot)
        }
        if let operators = snapshot.operators {
            directory.liveServices.insert(operators.metricsSlot)
            for upstream in operators.upstreams {
                directory.liveUpstreams.insert(upstream.metricsSlot)
            }
        }
        directory.listeners = Dictionary(
            (snapshot.listeners + (snapshot.portListener.map { [$0] } ?? []))
                .map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        tables.facts.visit { number, facts in
            if self.hasOwn(facts.name) {
                directory.certificates += facts.certificateEnds
                directory.certificates += tables.tenants.element(number)?.storedEnds ?? []
            }
            directory.aliases += facts.aliases.filter(\.isRouted).map { alias in
                self.hasOwn(facts.name)
                    ? MetricsDirectory.Alias(
                        tenant: facts.name, name: "\(alias.name)", usage: alias.usage)
                    : MetricsDirectory.Alias(
                        tenant: Self.foldedName, name: Self.foldedName, usage: alias.usage)
            }
        }
        return directory
    }
}

extension CompiledConfiguration {
    /// What the numbers in metrics stand for.
    package var directory: MetricsDirectory {
        self.series.directory(of: self.snapshot, self.tables)
    }
}

extension TenantPlan {
    /// The ends of certificates that a registry has.
    fileprivate var storedEnds: [MetricsDirectory.CertificateEnd] {
        self.certificates.sets.flatMap { set in
            let name = CertificateNames(exact: set.names, wildcards: set.wildcards).first ?? ""
            return set.certificates.compactMap(\.notAfter).map { end in
                MetricsDirectory.CertificateEnd(
                    tenant: self.name, name: name, kind: "listener", notAfter: end)
            }
        }
    }
}
