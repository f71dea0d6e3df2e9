// Tenants' own ports: one listener has them all, and the socket tells which was dialled.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState

extension Worker {
    /// A downstream that dialled a tenant's port.
    ///
    /// It may have waited since before the port was given back: then it is refused.
    mutating func acceptedByPort(_ number: Int32, _ peer: SocketAddress?, _ id: Int) {
        guard let port = Sockets.localAddress(number)?.port,
            let plan = self.snapshot?.ports.element(Int(port))
        else {
            Sockets.setAbortiveClose(number)
            Sockets.close(number)
            let key = WorkerMetrics.CloseKey(
                slot: 0, phase: .accept, reason: CloseReason(.local, .listenerGone))
            self.metrics.closed[key, default: 0] += 1
            return
        }
        guard let index = self.open(number, peer, id) else { return }
        self.connections.reference(index).value.port = port
        var wait = (self.snapshot?.timeouts ?? Timeouts()).firstByte
        if let first = plan.serverFirst { wait = min(wait, first.waitNanoseconds) }
        let rules = PeekRules(
            requiresProxyHeader: false, allowsTLS: plan.protocols.contains(.tls),
            allowsSSH: plan.protocols.contains(.ssh), allowsHTTP: plan.protocols.contains(.http),
            allowsPostgres: plan.protocols.contains(.postgres),
            isRaw: plan.protocols.contains(.raw))
        self.startPeeking(index, rules, wait: wait, isUnread: rules.isRaw)
    }

    /// What the listener or the tenant's port fixes before the first byte; nil once it has gone.
    func scope(_ index: Int) -> ListenerScope? {
        let connection = self.connections.reference(index)
        guard connection.value.port == 0 else {
            return self.snapshot?.ports.element(Int(connection.value.port))?.scope
        }
        return self.listeners[connection.value.listener]?.scope
    }

    /// What a silent downstream is taken to speak here.
    func serverFirst(_ index: Int) -> ListenerPlan.ServerFirst? {
        let connection = self.connections.reference(index)
        guard connection.value.port == 0 else {
            return self.snapshot?.ports.element(Int(connection.value.port))?.serverFirst
        }
        return self.listeners[connection.value.listener]?.plan.serverFirst
    }
}
