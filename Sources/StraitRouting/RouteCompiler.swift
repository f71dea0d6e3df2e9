// Turns rules into tables and collects every contradiction on the way.

import StraitCore

/// Compiles one set of rules; used once.
struct RouteCompiler {
    private let rules: RouteRules
    private var exact: NameTable
    private var wildcards: NameTable
    /// Names with exact names one label beneath them, to the first link of a chain in `children`.
    private var parents: NameTable
    private var children: [CompiledRules.Link] = []
    private var conflicts: [RouteConflict] = []
    /// By tenant, then by protocol.
    private var defaults: [[Int?]]

    init(_ rules: RouteRules, seed: UInt64) {
        self.rules = rules
        let domains = rules.tenants.reduce(0) { $0 + $1.domains.count }
        let hosts = rules.services.reduce(0) { sum, service in
            sum + service.hosts.count
                + (rules.tenants.indices.contains(service.tenant)
                    ? rules.tenants[service.tenant].domains.count : 0)
        }
        self.exact = NameTable(capacity: domains * 2 + hosts, seed: seed)
        self.parents = NameTable(capacity: domains * 2 + hosts, seed: seed)
        self.wildcards = NameTable(
            capacity: rules.services.reduce(0) { $0 + $1.wildcards.count }, seed: ~seed)
        self.defaults = Array(
            repeating: Array(repeating: nil, count: ServiceProtocol.allCases.count),
            count: rules.tenants.count)
    }

    mutating func compile() throws(RouteConflicts) -> CompiledRules {
        self.addTenants()
        self.addServices()
        self.addDefaults()
        guard self.conflicts.isEmpty else { throw RouteConflicts(conflicts: self.conflicts) }
        let tenants = self.rules.tenants.indices.map {
            CompiledRules.Tenant(name: self.rules.tenants[$0].name, defaults: self.defaults[$0])
        }
        return CompiledRules(
            tenants: tenants, services: self.rules.services.map(Self.compiled),
            exact: self.exact, wildcards: self.wildcards, parents: self.parents,
            children: self.children)
    }

    private static func compiled(_ service: RouteRules.Service) -> CompiledRules.Service {
        let isConfigured = !service.applicationProtocols.isEmpty
        return CompiledRules.Service(
            tenant: service.tenant, name: service.name, serviceProtocol: service.serviceProtocol,
            mode: service.mode, allowsACME: service.allowsACME, isALPNConfigured: isConfigured,
            accepted: isConfigured
                ? service.applicationProtocols
                : service.serviceProtocol.defaultApplicationProtocols,
            acceptsMySQLVersions: !isConfigured && service.serviceProtocol == .mysql)
    }

    // MARK: Names

    private mutating func addTenants() {
        var indices: [String: Int] = [:]
        for (index, tenant) in self.rules.tenants.enumerated() {
            if let first = indices[tenant.name] {
                self.refuse(
                    .nameRepeated, .tenant(first), .tenant(index),
                    "two tenants are named \"\(tenant.name)\"; names of tenants are unique")
            }
            indices[tenant.name] = indices[tenant.name] ?? index
            for domain in tenant.domains {
                self.claim(domain.bytes[...], NameTarget(.tenant, index))
            }
        }
        // After all own names, so that a conflict names an own name rather than an alias.
        for (index, tenant) in self.rules.tenants.enumerated() {
            for domain in tenant.domains {
                let alias = kubernetesAliasPrefix + domain.bytes
                guard alias.count <= HostName.bytesMax, self.owns(index, domain) else { continue }
                self.claim(alias[...], NameTarget(.kubernetesAlias, index))
            }
        }
    }

    private mutating func addServices() {
        var indices: [[String: Int]] = Array(repeating: [:], count: self.rules.tenants.count)
        for (index, service) in self.rules.services.enumerated() {
            guard self.rules.tenants.indices.contains(service.tenant) else {
                self.refuse(
                    .tenantUnknown, .service(index), nil,
                    "service \"\(service.name)\" belongs to tenant number \(service.tenant), and "
                        + "there are \(self.rules.tenants.count); declare the tenant")
                continue
            }
            if let first = indices[service.tenant][service.name] {
                self.refuse(
                    .nameRepeated, .service(first), .service(index),
                    "\(self.text(.service(index))) exists twice, as \(self.ordinal(first)) and as "
                        + "\(self.ordinal(index)); names of services are unique within a tenant")
            } else {
                indices[service.tenant][service.name] = index
                self.addServiceNames(index)
            }
            for host in service.hosts { self.addHost(host, index, isWildcard: false) }
            for host in service.wildcards { self.addHost(host, index, isWildcard: true) }
        }
    }

    /// `<service>.<domain>` for each domain of the tenant.
    private mutating func addServiceNames(_ index: Int) {
        let service = self.rules.services[index]
        guard !service.name.utf8.contains(UInt8(ascii: ".")), HostName(service.name + ".x") != nil
        else {
            self.refuse(
                .serviceNameUnusable, .service(index), nil,
                "\(self.text(.service(index))): its name is no DNS label; use 1 to 63 letters, "
                    + "digits, hyphens and underscores, without a hyphen at either end")
            return
        }
        for domain in self.rules.tenants[service.tenant].domains
        where self.owns(service.tenant, domain) {
            guard let name = HostName("\(service.name).\(domain)") else {
                self.refuse(
                    .serviceNameUnusable, .service(index), .tenant(service.tenant),
                    "\(self.text(.service(index))) would be reached as "
                        + "\"\(service.name).\(domain)\", which is longer than "
                        + "\(HostName.bytesMax) bytes; shorten the name of the service or the "
                        + "domain of \(self.text(.tenant(service.tenant)))")
                continue
            }
            self.claim(name.bytes[...], NameTarget(.service, index))
        }
    }

    private mutating func addHost(_ host: HostName, _ index: Int, isWildcard: Bool) {
        let tenant = self.rules.services[index].tenant
        if let owner = self.enclosingTenant(of: host, isWildcard: isWildcard), owner != tenant {
            self.refuse(
                .hostOfAnotherTenant, .tenant(owner), .service(index),
                "\(self.text(.service(index))) claims \"\(isWildcard ? "*." : "")\(host)\", which "
                    + "lies beneath an own name of \(self.text(.tenant(owner))); only that "
                    + "tenant's services may have such a name")
            return
        }
        guard isWildcard else {
            self.claim(host.bytes[...], NameTarget(.service, index))
            return
        }
        let target = NameTarget(.service, index)
        guard let raw = self.wildcards.insert(host.bytes[...], target.rawValue),
            raw != target.rawValue
        else { return }
        let first = Self.party(NameTarget(rawValue: raw))
        self.refuse(
            .wildcardRepeated, first, .service(index),
            "wildcard \"*.\(host)\" is claimed by \(self.text(first)) and by "
                + "\(self.text(.service(index))); a wildcard belongs to one service")
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
        let bytes = domain.bytes
        return self.tenant(named: bytes.span, from: 0) == tenant
    }

    private func tenant(named name: Span<UInt8>, from start: Int) -> Int? {
        guard let raw = self.exact.value(of: name, from: start) else { return nil }
        let target = NameTarget(rawValue: raw)
        return target.kind == .tenant ? target.index : nil
    }

    /// Gives `name` to `target`, or notes that it has another owner; claiming twice is allowed.
    private mutating func claim(_ name: ArraySlice<UInt8>, _ target: NameTarget) {
        guard let raw = self.exact.insert(name, target.rawValue) else {
            self.addToParent(name, target)
            return
        }
        guard raw != target.rawValue else { return }
        let owner = NameTarget(rawValue: raw)
        let host = escapedText(name.span, bytesMax: HostName.bytesMax)
        self.refuse(
            .hostRepeated, Self.party(owner), Self.party(target),
            "host name \"\(host)\" is claimed as \(self.claimText(owner)) and as "
                + "\(self.claimText(target)); a host name belongs to one of them")
    }

    private mutating func addToParent(_ name: ArraySlice<UInt8>, _ target: NameTarget) {
        guard let dot = name.firstIndex(of: UInt8(ascii: ".")) else { return }
        let link = self.children.count
        let first = self.parents.insert(name[(dot + 1)...], UInt32(link)).map { Int($0) }
        let second = first.flatMap { self.children[$0].next }
        self.children.append(CompiledRules.Link(target: target, next: second))
        if let first { self.children[first].next = link }
    }

    // MARK: Default services

    private mutating func addDefaults() {
        var declared = self.defaults
        var only = self.defaults
        var counts = self.defaults.map { $0.map { _ in 0 } }
        for (index, service) in self.rules.services.enumerated()
        where self.rules.tenants.indices.contains(service.tenant) {
            let ordinal = service.serviceProtocol.ordinal
            counts[service.tenant][ordinal] += 1
            only[service.tenant][ordinal] = index
            guard service.isDefault else { continue }
            guard let first = declared[service.tenant][ordinal] else {
                declared[service.tenant][ordinal] = index
                continue
            }
            self.refuse(
                .defaultRepeated, .service(first), .service(index),
                "\(self.text(.service(first))) and \(self.text(.service(index))) are both the "
                    + "default for \(service.serviceProtocol.rawValue); a tenant has one default "
                    + "service for each protocol")
        }
        for tenant in self.defaults.indices {
            for ordinal in self.defaults[tenant].indices {
                let single = counts[tenant][ordinal] == 1 ? only[tenant][ordinal] : nil
                self.defaults[tenant][ordinal] = declared[tenant][ordinal] ?? single
            }
        }
    }

    // MARK: Sentences

    private mutating func refuse(
        _ kind: RouteConflict.Kind, _ first: RouteConflict.Party, _ second: RouteConflict.Party?,
        _ sentence: String
    ) {
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
        case .tenant(let index): "tenant \(self.rules.tenants[index].name)"
        case .service(let index):
            "service \(self.rules.tenants[self.rules.services[index].tenant].name)/"
                + self.rules.services[index].name
        }
    }

    private func ordinal(_ service: Int) -> String { "services[\(service)]" }
}

/// Before a tenant's own name: its default Kubernetes service, whatever the ALPN.
let kubernetesAliasPrefix = Array("kube-teleport-proxy-alpn.".utf8)
