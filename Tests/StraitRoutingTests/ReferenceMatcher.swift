// The rules of routing once more: slow, linear, over text, and written without a look at the table.
// What it and RouteTable disagree about is a mistake in one of them.

import StraitCore
import StraitRouting

/// One question, with the name as it was typed and the offer as identifiers.
struct RouteQuery {
    var arrival: Arrival
    var scope: ListenerScope
    var name: String?
    var ids: [[UInt8]]
}

/// Answers by walking over all rules.
struct ReferenceMatcher {
    private enum Owner: Hashable {
        case service(Int)
        case own(Int)
        case kubernetes(Int)
    }

    private let rules: RouteRules
    private let names: [(name: String, owner: Owner)]
    private let wildcards: [(parent: String, service: Int)]

    init(_ rules: RouteRules) {
        self.rules = rules
        var names: [(String, Owner)] = []
        var wildcards: [(String, Int)] = []
        for (index, tenant) in rules.tenants.enumerated() {
            for domain in tenant.domains {
                names.append(("\(domain)", .own(index)))
                let alias = "kube-teleport-proxy-alpn.\(domain)"
                if alias.utf8.count <= 253 { names.append((alias, .kubernetes(index))) }
            }
        }
        for (index, service) in rules.services.enumerated() {
            if rules.tenants.indices.contains(service.tenant) {
                for domain in rules.tenants[service.tenant].domains {
                    names.append(("\(service.name).\(domain)".lowercased(), .service(index)))
                }
            }
            for host in service.hosts { names.append(("\(host)", .service(index))) }
            for host in service.wildcards { wildcards.append(("\(host)", index)) }
        }
        self.names = names
        self.wildcards = wildcards
    }

    // MARK: Contradictions

    /// Whether the rules contradict each other.
    var isContradictory: Bool {
        let services = self.rules.services
        let tenants = self.rules.tenants
        guard Set(tenants.map(\.name)).count == tenants.count else { return true }
        for service in services where !tenants.indices.contains(service.tenant) { return true }
        guard Set(services.map { "\($0.tenant)/\($0.name)" }).count == services.count else {
            return true
        }
        for service in services {
            guard !service.name.contains("."), HostName("\(service.name).x") != nil else {
                return true
            }
            for domain in tenants[service.tenant].domains
            where HostName("\(service.name).\(domain)") == nil { return true }
        }
        for (index, entry) in self.names.enumerated() {
            for other in self.names[index...]
            where other.name == entry.name && other.owner != entry.owner { return true }
        }
        for (index, entry) in self.wildcards.enumerated() {
            for other in self.wildcards[index...]
            where other.parent == entry.parent && other.service != entry.service { return true }
        }
        return self.hasForeignHost || self.hasTwoDefaults
    }

    private var hasTwoDefaults: Bool {
        let defaults = self.rules.services.filter(\.isDefault).map {
            "\($0.tenant)/\($0.serviceProtocol)"
        }
        return Set(defaults).count != defaults.count
    }

    private var hasForeignHost: Bool {
        for service in self.rules.services {
            let claimed = service.hosts.map { "\($0)" } + service.wildcards.map { "*.\($0)" }
            for host in claimed {
                var nearest: (length: Int, tenant: Int)?
                for (index, tenant) in self.rules.tenants.enumerated() {
                    for domain in tenant.domains.map({ "\($0)" })
                    where host.hasSuffix(".\(domain)") && domain.count > (nearest?.length ?? 0) {
                        nearest = (domain.count, index)
                    }
                }
                if let nearest, nearest.tenant != service.tenant { return true }
            }
        }
        return false
    }

    // MARK: Decisions

    func decide(_ query: RouteQuery) -> RouteDecision {
        let fixed = self.fixed(query.scope)
        let toldTenant =
            query.scope.tenant.map { self.rules.tenants.indices.contains($0) ? $0 : nil }
            ?? fixed.map { self.rules.services[$0].tenant }
        func fallback(_ candidates: [Int?]) -> RouteDecision {
            for case .some(let service) in candidates { return .service(service, .none) }
            return .refuse(.noDefaultService, tenant: toldTenant)
        }
        switch query.arrival {
        case .ssh:
            let suits = fixed.flatMap { self.speaks($0, [.ssh, .tcp]) ? $0 : nil }
            return fallback([suits, self.listenerDefault(query.scope, .ssh)])
        case .unread:
            return fallback([
                fixed, self.listenerDefault(query.scope, .mysql),
                self.listenerDefault(query.scope, .ssh),
            ])
        case .postgresCancel:
            let suits = fixed.flatMap { self.speaks($0, [.postgres]) ? $0 : nil }
            return fallback([
                suits, query.scope.tenant.flatMap { self.tenantDefault($0, .postgres) },
            ])
        case .tls, .tlsAfterPostgres:
            return self.decideTLS(query, fixed, toldTenant)
        }
    }

    private func decideTLS(
        _ query: RouteQuery, _ fixed: Int?, _ toldTenant: Int?
    ) -> RouteDecision {
        guard var name = query.name?.lowercased() else {
            guard let fixed else { return .refuse(.nameMissing, tenant: toldTenant) }
            return self.judged(fixed, .none, query)
        }
        if name.hasSuffix(".") { name.removeLast() }
        var owner = self.names.first { $0.name == name }?.owner
        var kind = NameKind.exact
        if owner == nil, let dot = name.firstIndex(of: ".") {
            let parent = name[name.index(after: dot)...]
            owner = self.wildcards.first { $0.parent == parent }.map { .service($0.service) }
            kind = .wildcard
        }
        let only = query.scope.tenant ?? fixed.map { self.rules.services[$0].tenant }
        guard let owner, only == nil || only == self.tenant(of: owner) else {
            return .refuse(.nameUnknown, tenant: toldTenant)
        }
        switch owner {
        case .service(let service): return self.judged(service, kind, query)
        case .kubernetes(let tenant):
            let suits = fixed.flatMap { self.speaks($0, [.kubernetes]) ? $0 : nil }
            guard let service = suits ?? self.tenantDefault(tenant, .kubernetes) else {
                return .refuse(.noDefaultService, tenant: tenant)
            }
            return self.judged(service, .alias, query)
        case .own(let tenant): return self.decideOwn(tenant, fixed, query)
        }
    }

    private func decideOwn(_ tenant: Int, _ fixed: Int?, _ query: RouteQuery) -> RouteDecision {
        let refusal = RouteDecision.refuse(.alpnMismatch, tenant: tenant)
        if query.ids == [Array("acme-tls/1".utf8)] { return refusal }
        func service(_ serviceProtocol: ServiceProtocol) -> Int? {
            let suits = fixed.flatMap { self.speaks($0, [serviceProtocol]) ? $0 : nil }
            return suits ?? self.tenantDefault(tenant, serviceProtocol)
        }
        if query.arrival == .tlsAfterPostgres {
            return service(.postgres).map { self.judged($0, .exact, query) } ?? refusal
        }
        for id in query.ids {
            guard let serviceProtocol = Self.protocolNamed(id), let found = service(serviceProtocol)
            else { continue }
            let isAlias = id.starts(with: "teleport-".utf8)
            return self.judged(found, isAlias ? .alias : .exact, query)
        }
        if let fixed { return self.judged(fixed, .exact, query) }
        let isHTTP = query.ids.contains { $0 == Array("h2".utf8) || $0 == Array("http/1.1".utf8) }
        return query.ids.isEmpty || isHTTP ? .builtIn(tenant: tenant) : refusal
    }

    /// Whether a service that was found may be entered.
    private func judged(_ index: Int, _ kind: NameKind, _ query: RouteQuery) -> RouteDecision {
        let service = self.rules.services[index]
        let refusal = RouteDecision.refuse(.alpnMismatch, tenant: service.tenant)
        let way = RouteDecision.service(index, kind)
        if query.arrival == .tlsAfterPostgres, service.serviceProtocol != .postgres {
            return refusal
        }
        if query.ids == [Array("acme-tls/1".utf8)] {
            let isNamed = kind == .exact || kind == .wildcard
            return isNamed && (service.mode == .passthrough || service.allowsACME) ? way : refusal
        }
        if query.ids.isEmpty { return way }
        let configured = service.applicationProtocols.map(\.bytes)
        if !configured.isEmpty {
            return query.ids.contains { configured.contains($0) } ? way : refusal
        }
        if service.mode == .passthrough { return way }
        return query.ids.contains { Self.accepts($0, service.serviceProtocol) } ? way : refusal
    }

    // MARK: Words

    private static func accepts(_ id: [UInt8], _ serviceProtocol: ServiceProtocol) -> Bool {
        switch serviceProtocol {
        case .web: id == Array("http/1.1".utf8)
        case .kubernetes: id == Array("http/1.1".utf8) || id == Array("h2".utf8)
        case .ssh, .postgres, .mysql, .tcp: Self.protocolNamed(id) == serviceProtocol
        }
    }

    private static func protocolNamed(_ id: [UInt8]) -> ServiceProtocol? {
        switch String(decoding: id, as: UTF8.self) {
        case "strait-ssh", "teleport-proxy-ssh": return .ssh
        case "postgresql", "strait-postgres", "teleport-postgres": return .postgres
        case "strait-mysql", "teleport-mysql": return .mysql
        case "strait-tcp", "teleport-tcp": return .tcp
        case let text:
            guard text.hasPrefix("teleport-mysql-") else { return nil }
            var version = text.dropFirst("teleport-mysql-".count)
            guard !version.isEmpty, version.utf8.count % 4 == 0, version != "ping" else {
                return nil
            }
            if version.hasSuffix("=") { version.removeLast() }
            if version.hasSuffix("=") { version.removeLast() }
            let isBase64 = version.utf8.allSatisfy {
                Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
                    .contains($0)
            }
            return isBase64 ? .mysql : nil
        }
    }

    private func fixed(_ scope: ListenerScope) -> Int? {
        scope.service.flatMap { self.known($0, scope) }
    }

    private func listenerDefault(
        _ scope: ListenerScope, _ serviceProtocol: ServiceProtocol
    ) -> Int? {
        scope.defaults[serviceProtocol].flatMap { self.known($0, scope) }
    }

    private func known(_ service: Int, _ scope: ListenerScope) -> Int? {
        guard self.rules.services.indices.contains(service) else { return nil }
        let tenant = self.rules.services[service].tenant
        return (scope.tenant ?? tenant) == tenant ? service : nil
    }

    private func tenantDefault(_ tenant: Int, _ serviceProtocol: ServiceProtocol) -> Int? {
        let all = self.rules.services.indices.filter {
            self.rules.services[$0].tenant == tenant
                && self.rules.services[$0].serviceProtocol == serviceProtocol
        }
        let declared = all.first { self.rules.services[$0].isDefault }
        return declared ?? (all.count == 1 ? all.first : nil)
    }

    private func speaks(_ service: Int, _ protocols: [ServiceProtocol]) -> Bool {
        protocols.contains(self.rules.services[service].serviceProtocol)
    }

    private func tenant(of owner: Owner) -> Int {
        switch owner {
        case .service(let service): self.rules.services[service].tenant
        case .own(let tenant), .kubernetes(let tenant): tenant
        }
    }
}
