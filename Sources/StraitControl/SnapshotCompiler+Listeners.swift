// Listeners, and the settings of the whole process.

internal import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot

extension SnapshotCompiler {
    mutating func compileListeners(
        _ routes: RouteTable, _ work: inout Compilation
    ) -> [ListenerPlan] {
        var seen: [SocketAddress: Int] = [:]
        return work.configuration.allListeners.map { listener in
            let ordinal = seen[listener.address, default: 0]
            seen[listener.address] = ordinal + 1
            let id = self.listenerIDs.number(
                of: ListenerKey(address: listener.address, ordinal: ordinal))
            work.backlogs[id] = listener.backlog
            return ListenerPlan(
                id: id, name: listener.name, address: listener.address,
                protocols: listener.protocols.options, proxyHeader: listener.proxyHeader.plan,
                scope: work.configuration.scope(of: listener, routes),
                serverFirst: listener.serverFirst.map {
                    ListenerPlan.ServerFirst(
                        serviceProtocol: $0.serviceProtocol, waitNanoseconds: $0.wait.nanoseconds)
                }, redirectsToHTTPS: listener.redirectsToHTTPS,
                isForOperators: listener.name == Configuration.Listener.operatorsName)
        }
    }
}

extension SnapshotCompiler {
    /// The configured limits, and no more connections than the descriptors leave room for.
    ///
    /// While a snapshot goes live, the sockets of the one before are open beside its own.
    func compileLimits(_ listeners: [ListenerPlan], _ work: inout Compilation) -> EngineLimits {
        var limits = work.configuration.engineLimits
        guard let process = self.descriptors else { return limits }
        let open = self.openListeners.union(listeners.map(\.id)).count
        let shares = DescriptorShares(
            descriptors: process.descriptors, workers: process.workers, listeners: open)
        if !shares.isEnough {
            let first = work.configuration.listeners.first?.place
            let needed = DescriptorShares.descriptorsMin(
                workers: process.workers, listeners: open)
            work.report(
                .tooFewDescriptors,
                SourcePlace(
                    line: first?.line ?? 0, column: first?.column ?? 0, path: "listeners"),
                found: "\(process.descriptors) descriptors for this process, \(open) listening "
                    + "sockets among them",
                expected: "at least \(needed), and two more for each connection",
                remedy: "raise LimitNOFILE (ulimit -n), or take listeners out")
        }
        limits.connections =
            limits.connections > 0
            ? min(limits.connections, shares.connections) : shares.connections
        return limits
    }
}

extension Configuration {
    /// What a listener fixes before the first byte, by the numbers of `routes`; what is not there
    /// leads nowhere.
    func scope(of listener: Configuration.Listener, _ routes: RouteTable) -> ListenerScope {
        var scope = ListenerScope()
        guard let name = listener.tenant else {
            for (serviceProtocol, reference) in self.defaults {
                scope.defaults[serviceProtocol] = routes.tenantNumber(named: reference.tenant)
                    .flatMap { routes.serviceNumber(named: reference.service, ofTenant: $0) }
            }
            return scope
        }
        // Nobody's number: a listener of a tenant that is not there knows no name.
        scope.tenant = routes.tenantNumber(named: name) ?? -1
        guard let tenant = scope.tenant, tenant >= 0 else { return scope }
        if let service = listener.service {
            scope.service = routes.serviceNumber(named: service, ofTenant: tenant)
        } else {
            for serviceProtocol in ServiceProtocol.allCases {
                scope.defaults[serviceProtocol] = routes.declaredDefault(
                    serviceProtocol, ofTenant: tenant)
            }
        }
        return scope
    }
}

extension Configuration.Listener.Protocols {
    fileprivate var options: ListenerProtocols {
        switch self {
        case .raw: .raw
        case .shared(let shared):
            shared.reduce(into: ListenerProtocols()) { options, one in
                switch one {
                case .tls: options.insert(.tls)
                case .ssh: options.insert(.ssh)
                case .http: options.insert(.http)
                case .postgres: options.insert(.postgres)
                }
            }
        }
    }
}

extension Configuration.Listener.ProxyHeader {
    fileprivate var plan: ListenerPlan.ProxyHeader {
        switch self {
        case .absent: .absent
        case .required(let trusted): .required(trusted: trusted)
        }
    }
}

extension Configuration {
    var engineTimeouts: Timeouts {
        var timeouts = Timeouts()
        timeouts.firstByte = self.timeouts.firstByte.nanoseconds
        timeouts.hello = self.timeouts.hello.nanoseconds
        timeouts.handshake = self.timeouts.handshake.nanoseconds
        timeouts.connect = self.timeouts.connect.nanoseconds
        timeouts.idle = self.timeouts.idle.nanoseconds
        timeouts.halfClosed = self.timeouts.halfClosed.nanoseconds
        return timeouts
    }

    var engineLimits: EngineLimits {
        var limits = EngineLimits()
        limits.unroutedConnections = self.limits.unroutedConnections
        limits.connections = self.limits.connections ?? 0
        limits.keepaliveIdleMilliseconds = UInt32(
            clamping: self.tcp.keepaliveIdle.nanoseconds / 1_000_000)
        limits.userTimeoutMilliseconds = UInt32(
            clamping: self.tcp.userTimeout.nanoseconds / 1_000_000)
        return limits
    }

    var accessPlan: AccessPlan {
        AccessPlan(isWritten: self.access.destination != .off, recent: self.access.recent)
    }
}
