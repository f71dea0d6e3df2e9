// Changes tables by rules and collects every contradiction on the way.

import StraitCore

/// Compiles one change of rules; used once.
struct RouteCompiler {
    /// Contradictions that are told; nobody reads more.
    private static let conflictsMax = 1000

    private let rules: RouteRules
    private var tenants: SlotTable<CompiledRules.Tenant>
    private var services: SlotTable<CompiledRules.Service>
    private var tenantNames: NameTable
    private var exact: NameTable
    private var wildcards: NameTable
    private var children: NameFamilies
    private var descendants: NameFamilies
    private var numbers = RouteNumbers()
    /// Services that have the name of another one: what lies beneath is that one's.
    private var repeated: Set<Int> = []
    /// Tenants, by number, whose names are those that they had: most changes are of something else.
    private var unmoved: Set<Int> = []
    private var conflicts: [RouteConflict] = []

    init(_ before: CompiledRules, _ rules: RouteRules) {
        self.rules = rules
        self.tenants = before.tenants
        self.services = before.services
        self.tenantNames = before.tenantNames
        self.exact = before.exact
        self.wildcards = before.wildcards
        self.children = before.children
        self.descendants = before.descendants
    }

    mutating func compile(
        removing removed: [Int]
    ) throws(RouteConflicts) -> (CompiledRules, RouteNumbers) {
        for number in removed { self.remove(number) }
        self.addTenants()
        self.addServices()
        self.claimDomains()
        self.claimNames()
        for number in self.numbers.tenants { self.chooseDefaults(number) }
        guard self.conflicts.isEmpty else {
            throw RouteConflicts(conflicts: self.conflicts, numbers: self.numbers)
        }
        let compiled = CompiledRules(
            tenants: self.tenants, services: self.services, tenantNames: self.tenantNames,
            exact: self.exact, wildcards: self.wildcards, children: self.children,
            descendants: self.descendants)
        return (compiled, self.numbers)
    }

    // MARK: Numbers

    /// Gives every tenant of the rules its number, after the names of an older one are free.
    private mutating func addTenants() {
        var seen: [String: Int] = [:]
        let services = Dictionary(grouping: self.rules.services, by: \.tenant)
        for (index, tenant) in self.rules.tenants.enumerated() {
            let name = Array(tenant.name.utf8)
            let compiled = CompiledRules.Tenant(
                name: tenant.name, domains: tenant.domains, services: [], defaults: [])
            guard seen[tenant.name] == nil, let raw = self.tenantNames.value(of: name.span) else {
                let number = self.tenants.add(compiled)
                self.numbers.tenants.append(number)
                if let first = seen[tenant.name] {
                    self.refuse(
                        .nameRepeated, .tenant(first), .tenant(number),
                        "two tenants are named \"\(tenant.name)\"; names of tenants are unique")
                } else {
                    _ = self.tenantNames.insert(name[...], UInt32(number))
                    seen[tenant.name] = number
                }
                continue
            }
            let number = Int(raw)
            if self.hasSameNames(tenant, services[index] ?? [], as: number) {
                self.unmoved.insert(number)
            } else {
                self.releaseNames(of: number)
            }
            // Its old services stay in it until those of the rules have taken their numbers.
            let services = self.tenants[number].services
            self.tenants.set(number, to: compiled)
            self.tenants.change(number) { $0.services = services }
            self.numbers.tenants.append(number)
            seen[tenant.name] = number
        }
    }

    /// Whether a tenant claims what it has already, each service what it had.
    private func hasSameNames(
        _ tenant: RouteRules.Tenant, _ services: [RouteRules.Service], as number: Int
    ) -> Bool {
        let older = self.tenants[number]
        guard older.domains == tenant.domains, older.services.count == services.count else {
            return false
        }
        return zip(older.services, services).allSatisfy { number, service in
            let known = self.services[Int(number)]
            return known.name == service.name && known.hosts == service.hosts
                && known.wildcards == service.wildcards
        }
    }

    /// Gives every service its number, its old one where its tenant had one of its name.
    private mutating func addServices() {
        let older = Dictionary(
            uniqueKeysWithValues: self.numbers.tenants.map { tenant in
                let services = self.tenants[tenant].services
                self.tenants.change(tenant) { $0.services = [] }
                return (
                    tenant,
                    Dictionary(
                        services.map { (self.services[Int($0)].name, Int($0)) },
                        uniquingKeysWith: { first, _ in first })
                )
            })
        var left = older
        var seen: [Int: [String: Int]] = [:]
        for (index, service) in self.rules.services.enumerated() {
            guard self.rules.tenants.indices.contains(service.tenant) else {
                self.refuseUnknownTenant(of: service, index)
                continue
            }
            let tenant = self.numbers.tenants[service.tenant]
            let compiled = Self.compiled(service, of: tenant)
            let number: Int
            if let known = left[tenant]?.removeValue(forKey: service.name) {
                number = known
                self.services.set(number, to: compiled)
            } else {
                number = self.services.add(compiled)
            }
            self.tenants.change(tenant) { $0.services.append(UInt32(number)) }
            self.numbers.services.append(number)
            if let first = seen[tenant]?[service.name] {
                self.repeated.insert(number)
                self.refuse(
                    .nameRepeated, .service(first), .service(number),
                    "\(self.text(.service(first))) exists twice; names of services are unique "
                        + "within a tenant")
            } else {
                seen[tenant, default: [:]][service.name] = number
            }
        }
        for number in left.values.flatMap(\.values) { self.services.remove(number) }
    }

    private mutating func refuseUnknownTenant(of service: RouteRules.Service, _ index: Int) {
        // No table has it: it is told by its place in the rules.
        self.numbers.services.append(-1 - index)
        self.refuse(
            .tenantUnknown, .service(-1 - index), nil,
            "service \"\(service.name)\" belongs to tenant number \(service.tenant), and "
                + "there are \(self.rules.tenants.count); declare the tenant")
    }

    private static func compiled(
        _ service: RouteRules.Service, of tenant: Int
    ) -> CompiledRules.Service {
        let isConfigured = !service.applicationProtocols.isEmpty
        return CompiledRules.Service(
            tenant: tenant, name: service.name, serviceProtocol: service.serviceProtocol,
            mode: service.mode, allowsACME: service.allowsACME, isDefault: service.isDefault,
            isALPNConfigured: isConfigured,
            acceptsMySQLVersions: !isConfigured && service.serviceProtocol == .mysql,
            accepted: isConfigured
                ? service.applicationProtocols
                : service.serviceProtocol.defaultApplicationProtocols,
            hosts: service.hosts, wildcards: service.wildcards)
    }

    // MARK: Names that go

    private mutating func remove(_ number: Int) {
        guard let tenant = self.tenants.element(number) else { return }
        self.releaseNames(of: number)
        for service in tenant.services { self.services.remove(Int(service)) }
        _ = self.tenantNames.remove(Array(tenant.name.utf8)[...])
        self.tenants.remove(number)
    }

    private mutating func releaseNames(of number: Int) {
        let tenant = self.tenants[number]
        for domain in tenant.domains {
            self.release(domain.bytes[...], NameTarget(.tenant, number))
            self.release(
                (kubernetesAliasPrefix + domain.bytes)[...], NameTarget(.kubernetesAlias, number))
        }
        for raw in tenant.services {
            let service = self.services[Int(raw)]
            let target = NameTarget(.service, Int(raw))
            for domain in tenant.domains {
                let name = Array(service.name.lowercased().utf8) + [UInt8(ascii: ".")]
                self.release((name + domain.bytes)[...], target)
            }
            for host in service.hosts {
                self.release(host.bytes[...], target)
                self.forEachEnding(of: host.bytes) {
                    $0.descendants.remove(target, beneath: $1)
                }
            }
            for host in service.wildcards {
                if self.wildcards.value(of: host.bytes.span) == target.rawValue {
                    _ = self.wildcards.remove(host.bytes[...])
                }
                self.forEachEnding(of: host.bytes) {
                    $0.descendants.remove(target, beneath: $1)
                }
            }
        }
    }

    private mutating func release(_ name: ArraySlice<UInt8>, _ target: NameTarget) {
        guard name.count <= 255, self.exact.value(of: name.span) == target.rawValue else { return }
        _ = self.exact.remove(name)
        guard let dot = name.firstIndex(of: UInt8(ascii: ".")) else { return }
        self.children.remove(target, beneath: name[(dot + 1)...])
    }

    /// The name without its first label, without its first two, and so on.
    private mutating func forEachEnding(
        of name: [UInt8], _ body: (inout Self, ArraySlice<UInt8>) -> Void
    ) {
        for index in name.indices where name[index] == UInt8(ascii: ".") {
            body(&self, name[(index + 1)...])
        }
    }

    // MARK: Names that come

    private mutating func claimDomains() {
        for (tenant, number) in zip(self.rules.tenants, self.numbers.tenants)
        where !self.unmoved.contains(number) {
            for domain in tenant.domains {
                self.claim(domain.bytes[...], NameTarget(.tenant, number))
                self.checkDescendants(of: domain, number)
            }
        }
        // After all own names, so that a conflict names an own name rather than an alias.
        for (tenant, number) in zip(self.rules.tenants, self.numbers.tenants)
        where !self.unmoved.contains(number) {
            for domain in tenant.domains {
                let alias = kubernetesAliasPrefix + domain.bytes
                guard alias.count <= HostName.bytesMax, self.owns(number, domain) else { continue }
                self.claim(alias[...], NameTarget(.kubernetesAlias, number))
            }
        }
    }

    /// Hosts of others that stay, and would lie beneath a new own name.
    private mutating func checkDescendants(of domain: HostName, _ tenant: Int) {
        var told: Set<Int> = []
        for target in self.descendants.members(beneath: domain.bytes.span) {
            let service = self.services[target.index]
            guard service.tenant != tenant, told.insert(target.index).inserted else { continue }
            let isTaken =
                service.hosts.contains { self.enclosingTenant(of: $0, isWildcard: false) == tenant }
                || service.wildcards.contains {
                    self.enclosingTenant(of: $0, isWildcard: true) == tenant
                }
            guard isTaken else { continue }
            self.refuse(
                .hostOfAnotherTenant, .service(target.index), .tenant(tenant),
                "\(self.text(.tenant(tenant))) claims \"\(domain)\", and a host of "
                    + "\(self.text(.service(target.index))) lies beneath it; only the services of "
                    + "the tenant with the own name may have such a name")
        }
    }

    private mutating func claimNames() {
        for (service, number) in zip(self.rules.services, self.numbers.services)
        where number >= 0 && !self.unmoved.contains(self.services[number].tenant) {
            if !self.repeated.contains(number) { self.claimServiceNames(service, number) }
            for host in service.hosts { self.addHost(host, number, isWildcard: false) }
            for host in service.wildcards { self.addHost(host, number, isWildcard: true) }
        }
    }

    /// `<service>.<domain>` for each domain of the tenant.
    private mutating func claimServiceNames(_ service: RouteRules.Service, _ number: Int) {
        guard !service.name.utf8.contains(UInt8(ascii: ".")), HostName(service.name + ".x") != nil
        else {
            self.refuse(
                .serviceNameUnusable, .service(number), nil,
                "\(self.text(.service(number))): its name is no DNS label; use 1 to 63 letters, "
                    + "digits, hyphens and underscores, without a hyphen at either end")
            return
        }
        let tenant = self.services[number].tenant
        for domain in self.tenants[tenant].domains where self.owns(tenant, domain) {
            guard let name = HostName("\(service.name).\(domain)") else {
                self.refuse(
                    .serviceNameUnusable, .service(number), .tenant(tenant),
                    "\(self.text(.service(number))) would be reached as "
                        + "\"\(service.name).\(domain)\", which is longer than "
                        + "\(HostName.bytesMax) bytes; shorten the name of the service or the "
                        + "domain of \(self.text(.tenant(tenant)))")
                continue
            }
            self.claim(name.bytes[...], NameTarget(.service, number))
        }
    }

    private mutating func addHost(_ host: HostName, _ number: Int, isWildcard: Bool) {
        let target = NameTarget(.service, number)
        self.forEachEnding(of: host.bytes) { $0.descendants.add(target, beneath: $1) }
        if let owner = self.enclosingTenant(of: host, isWildcard: isWildcard),
            owner != self.services[number].tenant
        {
            self.refuse(
                .hostOfAnotherTenant, .tenant(owner), .service(number),
                "\(self.text(.service(number))) claims \"\(isWildcard ? "*." : "")\(host)\", which "
                    + "lies beneath an own name of \(self.text(.tenant(owner))); only that "
                    + "tenant's services may have such a name")
            return
        }
        guard isWildcard else {
            self.claim(host.bytes[...], target)
            return
        }
        guard let raw = self.wildcards.insert(host.bytes[...], target.rawValue),
            raw != target.rawValue
        else { return }
        let first = Self.party(NameTarget(rawValue: raw))
        self.refuse(
            .wildcardRepeated, first, .service(number),
            "wildcard \"*.\(host)\" is claimed by \(self.text(first)) and by "
                + "\(self.text(.service(number))); a wildcard belongs to one service")
    }

    /// The tenant with the longest own name that `host` lies beneath.
    private func enclosingTenant(of host: HostName, isWildcard: Bool) -> Int? {
        let bytes = host.bytes
        if isWildcard, let owner = self.tenant(named: bytes.span, from: 0) { return owner }
        for index in bytes.indices where bytes[index] == UInt8(ascii: ".") {
            if let owner = self.tenant(named: bytes.span, from: index + 1) { return owner }
        }
        return nil
    }

    /// False only where another tenant has the same own name: one conflict about it is enough.
    private func owns(_ tenant: Int, _ domain: HostName) -> Bool {
        self.tenant(named: domain.bytes.span, from: 0) == tenant
    }

    /// The tenant with an own name.
    private func tenant(named name: Span<UInt8>, from start: Int) -> Int? {
        guard let raw = self.exact.value(of: name, from: start) else { return nil }
        let target = NameTarget(rawValue: raw)
        return target.kind == .tenant ? target.index : nil
    }

    /// Gives `name` to `target`, or notes that it has another owner; claiming twice is allowed.
    private mutating func claim(_ name: ArraySlice<UInt8>, _ target: NameTarget) {
        guard let raw = self.exact.insert(name, target.rawValue) else {
            guard let dot = name.firstIndex(of: UInt8(ascii: ".")) else { return }
            self.children.add(target, beneath: name[(dot + 1)...])
            return
        }
        guard raw != target.rawValue, self.conflicts.count < Self.conflictsMax else { return }
        let owner = NameTarget(rawValue: raw)
        let host = escapedText(name.span, bytesMax: HostName.bytesMax)
        self.refuse(
            .hostRepeated, Self.party(owner), Self.party(target),
            "host name \"\(host)\" is claimed as \(self.claimText(owner)) and as "
                + "\(self.claimText(target)); a host name belongs to one of them")
    }

    // MARK: Default services

    /// The declared default of each protocol, else the only service that speaks it.
    private mutating func chooseDefaults(_ tenant: Int) {
        var declared = [Int?](repeating: nil, count: ServiceProtocol.allCases.count)
        var only = declared
        var counts = [Int](repeating: 0, count: declared.count)
        for number in self.tenants[tenant].services.map({ Int($0) }) {
            let ordinal = self.services[number].serviceProtocol.ordinal
            counts[ordinal] += 1
            only[ordinal] = number
            guard self.services[number].isDefault else { continue }
            guard let first = declared[ordinal] else {
                declared[ordinal] = number
                continue
            }
            self.refuse(
                .defaultRepeated, .service(first), .service(number),
                "\(self.text(.service(first))) and \(self.text(.service(number))) are both the "
                    + "default for \(self.services[number].serviceProtocol.rawValue); a tenant has "
                    + "one default service for each protocol")
        }
        let chosen = declared.indices.map { ordinal in
            declared[ordinal] ?? (counts[ordinal] == 1 ? only[ordinal] : nil)
        }
        self.tenants.change(tenant) { $0.defaults = chosen.map { $0.map(UInt32.init) } }
    }

    // MARK: Sentences

    private mutating func refuse(
        _ kind: RouteConflict.Kind, _ first: RouteConflict.Party, _ second: RouteConflict.Party?,
        _ sentence: String
    ) {
        guard self.conflicts.count < Self.conflictsMax else { return }
        self.conflicts.append(
            RouteConflict(kind: kind, first: first, second: second, sentence: sentence))
    }

    private static func party(_ target: NameTarget) -> RouteConflict.Party {
        switch target.kind {
        case .service: .service(target.index)
        case .tenant, .kubernetesAlias: .tenant(target.index)
        }
    }

    private func claimText(_ target: NameTarget) -> String {
        switch target.kind {
        case .service: "a name of \(self.text(.service(target.index)))"
        case .tenant: "an own name of \(self.text(.tenant(target.index)))"
        case .kubernetesAlias: "the Kubernetes alias of \(self.text(.tenant(target.index)))"
        }
    }

    private func text(_ party: RouteConflict.Party) -> String {
        switch party {
        case .tenant(let number): "tenant \(self.tenants[number].name)"
        case .service(let number):
            "service \(self.tenants[self.services[number].tenant].name)/"
                + self.services[number].name
        }
    }
}

/// Before a tenant's own name: its default Kubernetes service, whatever the ALPN.
let kubernetesAliasPrefix = Array("kube-teleport-proxy-alpn.".utf8)
