// The rules by which a connection finds its service. `route` and `explain` are this one walk; they
// differ in whether the steps are kept.
//
// 1. The listener may fix a tenant (then no other's names are known) or a service (then the tenant
//    is its).
// 2. Without a name: the listener's service, or for protocols that carry none its default; else
//    nowhere.
// 3. Exact name before wildcard (one label). A name that nobody here has leads nowhere.
// 4. A service's name leads to it if ALPN permits. A tenant's own name leads to its default service
//    of the protocol that ALPN (or an SSLRequest) names; offers of HTTP, or of nothing, to what is
//    built in.
// 5. An offer of `acme-tls/1` alone reaches the service with that name or nothing: whoever answers
//    it gets a certificate for the name (RFC 8737 §3).

package import StraitCore

extension RouteTable {
    /// Finds where a connection goes, without allocating.
    ///
    /// - Parameters:
    ///   - arrival: How its bytes began.
    ///   - scope: What its listener fixes. Indices that the rules do not have count as none.
    ///   - name: The server name, if a readable one was sent.
    ///   - offered: The content of the ProtocolNameList; empty when the extension is absent.
    /// - Returns: The service, or why there is none.
    package func route(
        arrival: Arrival, scope: ListenerScope, name: HostName?, offered: Span<UInt8>
    ) -> RouteDecision {
        var trace = NoTrace()
        return self.compiled.decide(arrival, scope, name, offered, &trace)
    }
}

/// Keeps the steps of a walk, or does not.
protocol RouteTrace {
    mutating func note(_ event: RouteEvent)
}

/// Keeps nothing, and costs nothing.
struct NoTrace: RouteTrace {
    @inline(__always) mutating func note(_ event: RouteEvent) {}
}

/// One rule that was considered, with its outcome.
enum RouteEvent: Equatable {
    case nameAbsent
    case exactName(NameTarget?)
    case wildcardName(NameTarget?)
    case listenerTenant(Int, isItsName: Bool)
    case listenerService(Int?, suits: Bool)
    case listenerDefault(ServiceProtocol, Int?)
    case tenantDefault(ServiceProtocol, tenant: Int, Int?)
    case afterSSLRequest(Int, suits: Bool)
    case onlyACME(Int?, isAllowed: Bool)
    case offeredNothing
    case offeredUnchecked(Int)
    case offeredCommon(Int, Range<Int>)
    case offeredDisjoint(Int)
    case offeredNames(Range<Int>, ServiceProtocol?)
    case builtIn(tenant: Int, isTaken: Bool)
}

extension CompiledRules {
    func decide(
        _ arrival: Arrival, _ scope: ListenerScope, _ name: HostName?, _ offered: Span<UInt8>,
        _ trace: inout some RouteTrace
    ) -> RouteDecision {
        switch arrival {
        case .tls, .tlsAfterPostgres:
            guard let name else { return self.decideNameless(arrival, scope, offered, &trace) }
            return self.decideNamed(arrival, scope, name, offered, &trace)
        case .ssh: return self.decideSSH(scope, &trace)
        case .postgresCancel: return self.decideCancel(scope, &trace)
        case .unread: return self.decideUnread(scope, &trace)
        }
    }

    // MARK: TLS

    private func decideNameless(
        _ arrival: Arrival, _ scope: ListenerScope, _ offered: Span<UInt8>,
        _ trace: inout some RouteTrace
    ) -> RouteDecision {
        trace.note(.nameAbsent)
        guard let service = self.fixedService(scope) else {
            trace.note(.listenerService(nil, suits: false))
            return .refuse(.nameMissing, tenant: self.fixedTenant(scope))
        }
        trace.note(.listenerService(service, suits: true))
        return self.enter(service, .none, arrival, offered, &trace)
    }

    private func decideNamed(
        _ arrival: Arrival, _ scope: ListenerScope, _ name: HostName, _ offered: Span<UInt8>,
        _ trace: inout some RouteTrace
    ) -> RouteDecision {
        guard let (target, kind) = self.find(name.bytes.span, &trace) else {
            return .refuse(.nameUnknown, tenant: self.fixedTenant(scope))
        }
        if let only = scope.tenant ?? self.fixedTenant(scope) {
            let isItsName = self.tenant(of: target) == only
            trace.note(.listenerTenant(only, isItsName: isItsName))
            guard isItsName else {
                return .refuse(.nameUnknown, tenant: self.fixedTenant(scope))
            }
        }
        switch target.kind {
        case .service: return self.enter(target.index, kind, arrival, offered, &trace)
        case .kubernetesAlias:
            return self.decideKubernetesAlias(target.index, arrival, scope, offered, &trace)
        case .tenant: return self.decideOwnName(target.index, arrival, scope, offered, &trace)
        }
    }

    /// Exact before wildcard.
    func find(
        _ bytes: Span<UInt8>, _ trace: inout some RouteTrace
    ) -> (NameTarget, NameKind)? {
        if let raw = self.exact.value(of: bytes) {
            trace.note(.exactName(NameTarget(rawValue: raw)))
            return (NameTarget(rawValue: raw), .exact)
        }
        trace.note(.exactName(nil))
        var index = 0
        while index < bytes.count, bytes[index] != UInt8(ascii: ".") { index += 1 }
        guard index < bytes.count, let raw = self.wildcards.value(of: bytes, from: index + 1) else {
            trace.note(.wildcardName(nil))
            return nil
        }
        trace.note(.wildcardName(NameTarget(rawValue: raw)))
        return (NameTarget(rawValue: raw), .wildcard)
    }

    /// The name fixes the tenant; the protocol must come from elsewhere.
    private func decideOwnName(
        _ tenant: Int, _ arrival: Arrival, _ scope: ListenerScope, _ offered: Span<UInt8>,
        _ trace: inout some RouteTrace
    ) -> RouteDecision {
        guard !Self.offersOnlyACME(offered) else {
            trace.note(.onlyACME(nil, isAllowed: false))
            return .refuse(.alpnMismatch, tenant: tenant)
        }
        if arrival == .tlsAfterPostgres {
            guard let service = self.defaultService(.postgres, tenant, scope, &trace) else {
                return .refuse(.alpnMismatch, tenant: tenant)
            }
            return self.enter(service, .exact, arrival, offered, &trace)
        }
        var walk = OfferedProtocols()
        while let range = walk.next(in: offered) {
            guard let (serviceProtocol, kind) = Self.protocolNamed(range, offered) else {
                trace.note(.offeredNames(range, nil))
                continue
            }
            trace.note(.offeredNames(range, serviceProtocol))
            if let service = self.defaultService(serviceProtocol, tenant, scope, &trace) {
                return self.enter(service, kind, arrival, offered, &trace)
            }
        }
        if let service = self.fixedService(scope) {
            trace.note(.listenerService(service, suits: true))
            return self.enter(service, .exact, arrival, offered, &trace)
        }
        let isTaken = Self.mayBeHTTP(offered)
        trace.note(.builtIn(tenant: tenant, isTaken: isTaken))
        return isTaken ? .builtIn(tenant: tenant) : .refuse(.alpnMismatch, tenant: tenant)
    }

    private func decideKubernetesAlias(
        _ tenant: Int, _ arrival: Arrival, _ scope: ListenerScope, _ offered: Span<UInt8>,
        _ trace: inout some RouteTrace
    ) -> RouteDecision {
        guard let service = self.defaultService(.kubernetes, tenant, scope, &trace) else {
            return .refuse(.noDefaultService, tenant: tenant)
        }
        return self.enter(service, .alias, arrival, offered, &trace)
    }

    /// The last checks before a service that was found.
    private func enter(
        _ index: Int, _ kind: NameKind, _ arrival: Arrival, _ offered: Span<UInt8>,
        _ trace: inout some RouteTrace
    ) -> RouteDecision {
        let tenant = self.services[index].tenant
        if arrival == .tlsAfterPostgres {
            let suits = self.services[index].serviceProtocol == .postgres
            trace.note(.afterSSLRequest(index, suits: suits))
            guard suits else { return .refuse(.alpnMismatch, tenant: tenant) }
        }
        if Self.offersOnlyACME(offered) {
            let isNamed = kind == .exact || kind == .wildcard
            let isAllowed = isNamed && self.mayAnswerACME(index)
            trace.note(.onlyACME(index, isAllowed: isAllowed))
            return isAllowed
                ? .service(index, kind) : .refuse(.alpnMismatch, tenant: tenant)
        }
        guard !offered.isEmpty else {
            trace.note(.offeredNothing)
            return .service(index, kind)
        }
        guard self.isALPNChecked(index) else {
            trace.note(.offeredUnchecked(index))
            return .service(index, kind)
        }
        guard let common = self.services[index].firstAccepted(of: offered) else {
            trace.note(.offeredDisjoint(index))
            return .refuse(.alpnMismatch, tenant: tenant)
        }
        trace.note(.offeredCommon(index, common))
        return .service(index, kind)
    }

    private func mayAnswerACME(_ index: Int) -> Bool {
        self.services[index].mode == .passthrough || self.services[index].allowsACME
    }

    private func isALPNChecked(_ index: Int) -> Bool {
        self.services[index].mode == .terminate || self.services[index].isALPNConfigured
    }

    // MARK: Without TLS

    private func decideSSH(
        _ scope: ListenerScope, _ trace: inout some RouteTrace
    ) -> RouteDecision {
        if let service = self.fixedService(scope) {
            let serviceProtocol = self.services[service].serviceProtocol
            let suits = serviceProtocol == .ssh || serviceProtocol == .tcp
            trace.note(.listenerService(service, suits: suits))
            if suits { return .service(service, .none) }
        }
        guard let service = self.listenerDefault(.ssh, scope, &trace) else {
            return .refuse(.noDefaultService, tenant: self.fixedTenant(scope))
        }
        return .service(service, .none)
    }

    /// A silent downstream, for which MySQL comes before SSH.
    ///
    /// One that waits for an SSH server sends its own banner all the same (RFC 4253 §4.2 lets both
    /// sides begin); a MySQL one never speaks first.
    private func decideUnread(
        _ scope: ListenerScope, _ trace: inout some RouteTrace
    ) -> RouteDecision {
        if let service = self.fixedService(scope) {
            trace.note(.listenerService(service, suits: true))
            return .service(service, .none)
        }
        guard
            let service = self.listenerDefault(.mysql, scope, &trace)
                ?? self.listenerDefault(.ssh, scope, &trace)
        else { return .refuse(.noDefaultService, tenant: self.fixedTenant(scope)) }
        return .service(service, .none)
    }

    private func decideCancel(
        _ scope: ListenerScope, _ trace: inout some RouteTrace
    ) -> RouteDecision {
        if let service = self.fixedService(scope) {
            let suits = self.services[service].serviceProtocol == .postgres
            trace.note(.listenerService(service, suits: suits))
            if suits { return .service(service, .none) }
        }
        guard let tenant = scope.tenant, self.tenants.element(tenant) != nil else {
            trace.note(.listenerService(nil, suits: false))
            return .refuse(.noDefaultService, tenant: self.fixedTenant(scope))
        }
        let found = self.tenants[tenant].defaultService(.postgres)
        trace.note(.tenantDefault(.postgres, tenant: tenant, found))
        guard let found else { return .refuse(.noDefaultService, tenant: tenant) }
        return .service(found, .none)
    }

    // MARK: What the listener fixes

    /// The listener's service; none when it is another tenant's than the listener's.
    private func fixedService(_ scope: ListenerScope) -> Int? {
        guard let service = scope.service, self.isKnown(service, scope) else { return nil }
        return service
    }

    /// The tenant that the listener fixes, by itself or through its service, if the rules have it.
    private func fixedTenant(_ scope: ListenerScope) -> Int? {
        if let tenant = scope.tenant { return self.tenants.element(tenant) != nil ? tenant : nil }
        guard let service = self.fixedService(scope) else { return nil }
        return self.services[service].tenant
    }

    private func isKnown(_ service: Int, _ scope: ListenerScope) -> Bool {
        guard self.services.element(service) != nil else { return false }
        guard let tenant = scope.tenant else { return true }
        return self.services[service].tenant == tenant
    }

    private func listenerDefault(
        _ serviceProtocol: ServiceProtocol, _ scope: ListenerScope, _ trace: inout some RouteTrace
    ) -> Int? {
        var found = scope.defaults[serviceProtocol]
        if let service = found, !self.isKnown(service, scope) { found = nil }
        trace.note(.listenerDefault(serviceProtocol, found))
        return found
    }

    /// The service for a protocol that comes to a tenant rather than to a service: the listener's
    /// own if it speaks that protocol, else the tenant's default.
    private func defaultService(
        _ serviceProtocol: ServiceProtocol, _ tenant: Int, _ scope: ListenerScope,
        _ trace: inout some RouteTrace
    ) -> Int? {
        if let fixed = self.fixedService(scope) {
            let suits = self.services[fixed].serviceProtocol == serviceProtocol
            trace.note(.listenerService(fixed, suits: suits))
            if suits { return fixed }
        }
        let found = self.tenants[tenant].defaultService(serviceProtocol)
        trace.note(.tenantDefault(serviceProtocol, tenant: tenant, found))
        return found
    }

    private func tenant(of target: NameTarget) -> Int {
        switch target.kind {
        case .service: self.services[target.index].tenant
        case .tenant, .kubernetesAlias: target.index
        }
    }

    // MARK: ALPN

    private static func offersOnlyACME(_ offered: Span<UInt8>) -> Bool {
        let id = ApplicationProtocol.acme
        guard offered.count == id.bytes.count + 1 else { return false }
        var walk = OfferedProtocols()
        guard let range = walk.next(in: offered) else { return false }
        return OfferedProtocols.isEqual(id, range, in: offered)
    }

    /// Whether HTTP is offered, or nothing: HTTP/1.1 needs no name.
    private static func mayBeHTTP(_ offered: Span<UInt8>) -> Bool {
        guard !offered.isEmpty else { return true }
        var walk = OfferedProtocols()
        while let range = walk.next(in: offered) {
            if OfferedProtocols.isEqual(.http2, range, in: offered)
                || OfferedProtocols.isEqual(.http11, range, in: offered)
            {
                return true
            }
        }
        return false
    }

    private static func protocolNamed(
        _ range: Range<Int>, _ offered: Span<UInt8>
    ) -> (ServiceProtocol, NameKind)? {
        for known in WrappedProtocol.all
        where OfferedProtocols.isEqual(known.id, range, in: offered) {
            return (known.serviceProtocol, known.kind)
        }
        return OfferedProtocols.isMySQLVersion(range, in: offered) ? (.mysql, .alias) : nil
    }
}

extension CompiledRules.Service {
    /// The first identifier, in the downstream's order, that the service accepts.
    func firstAccepted(of offered: Span<UInt8>) -> Range<Int>? {
        var walk = OfferedProtocols()
        while let range = walk.next(in: offered) {
            for id in self.accepted where OfferedProtocols.isEqual(id, range, in: offered) {
                return range
            }
            if self.acceptsMySQLVersions, OfferedProtocols.isMySQLVersion(range, in: offered) {
                return range
            }
        }
        return nil
    }
}
