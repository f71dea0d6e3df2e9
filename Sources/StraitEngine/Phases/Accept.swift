// Accept: a downstream gets a slot, an id and its first deadlines. Never waits for a peer.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState

/// A listener as a worker sees it.
final class ListenerState {
    var plan: ListenerPlan
    /// Where it stands in the route table of the worker's snapshot, whose numbers it holds; nil
    /// once that snapshot has no listener of its name.
    var scope: ListenerScope?
    var rules: PeekRules
    /// The shared socket; -1 once it was let go.
    var descriptor: Int32
    var isRegistered = false
    /// How many to accept at the next wake-up: grows while there are enough, so that a lone one
    /// costs one call.
    var batch = 1

    init(plan: ListenerPlan, descriptor: Int32) {
        self.plan = plan
        self.scope = plan.scope
        self.descriptor = descriptor
        self.rules = PeekRules(plan)
    }
}

extension PeekRules {
    init(_ plan: ListenerPlan) {
        let requires = if case .required = plan.proxyHeader { true } else { false }
        self.init(
            requiresProxyHeader: requires,
            allowsTLS: plan.protocols.contains(.tls), allowsSSH: plan.protocols.contains(.ssh),
            allowsHTTP: plan.protocols.contains(.http) || plan.redirectsToHTTPS,
            allowsPostgres: plan.protocols.contains(.postgres),
            isRaw: plan.protocols.contains(.raw))
    }
}

extension Worker {
    mutating func accept(listener id: Int) {
        guard let listener = self.listeners[id], listener.isRegistered else { return }
        for round in 0..<listener.batch {
            switch Sockets.accept(listener.descriptor) {
            case .accepted(let number, let peer):
                self.accepted(number, peer, id, listener)
            case .nobody:
                self.listeners[id]?.batch = max(round, 1)
                return
            case .aborted: continue
            case .exhausted:
                self.pauseAccepting()
                return
            }
        }
        self.listeners[id]?.batch = min(listener.batch * 2, Limits.acceptsPerTurn)
    }

    private mutating func accepted(
        _ number: Int32, _ peer: SocketAddress?, _ id: Int, _ listener: ListenerState
    ) {
        self.metrics.accepted[listener.plan.id, default: 0] += 1
        if ListenerSocket.isOfPorts(id) {
            self.acceptedByPort(number, peer, id)
            return
        }
        guard let index = self.open(number, peer, id) else { return }
        let timeouts = self.snapshot?.timeouts ?? Timeouts()
        var wait = timeouts.firstByte
        // Behind a PROXY header the wait begins at its end; without the header there is none.
        if let first = listener.plan.serverFirst, !listener.rules.requiresProxyHeader {
            wait = min(wait, first.waitNanoseconds)
        }
        let isUnread = listener.rules.isRaw && !listener.rules.requiresProxyHeader
        self.startPeeking(index, listener.rules, wait: wait, isUnread: isUnread)
    }

    /// Waits `wait` ns at most for first bytes, or routes at once where they are not looked at.
    mutating func startPeeking(_ index: Int, _ rules: PeekRules, wait: UInt64, isUnread: Bool) {
        let connection = self.connections.reference(index)
        connection.value.peek = Peeking(PeekMachine(rules: rules))
        connection.value.phase = .peek
        self.listAsUnrouted(index)
        self.evictUnrouted()
        guard connection.value.phase == .peek else { return }  // it was itself the one to go
        self.setDeadline(index, self.now.advanced(byNanoseconds: wait))
        if isUnread {
            self.routeUnread(index)
            return
        }
        connection.value.downstream.isReadable = true
        self.peek(index)
    }

    /// Gives a descriptor a slot; nil, and the descriptor is closed, when there is no room.
    mutating func open(_ number: Int32, _ peer: SocketAddress?, _ listener: Int) -> Int? {
        guard self.shared.take(limit: self.snapshot?.limits.connections ?? 0) else {
            self.refuseUnseen(number)
            return nil
        }
        guard let token = self.connections.take() else {
            self.shared.give()
            self.refuseUnseen(number)
            return nil
        }
        let index = Int(token.index)
        let connection = self.connections.reference(index)
        connection.value.id = ConnectionID(
            worker: UInt8(truncatingIfNeeded: self.index), number: self.nextConnectionNumber)
        self.nextConnectionNumber &+= 1
        connection.value.listener = listener
        connection.value.downstream.socket = OwnedDescriptor(owning: number)
        connection.value.peerAddress = peer
        connection.value.clientAddress = peer
        connection.value.milestones.accepted = self.now
        connection.value.lastActivity = self.now
        connection.value.revision = self.snapshot?.revision ?? 0
        self.metrics.open[0, default: 0] += 1
        return index
    }

    /// No room: the downstream is told by RST, which costs nothing.
    private mutating func refuseUnseen(_ number: Int32) {
        Sockets.setAbortiveClose(number)
        Sockets.close(number)
        let key = WorkerMetrics.CloseKey(
            slot: 0, phase: .accept, reason: CloseReason(.local, .descriptorsExhausted))
        self.metrics.closed[key, default: 0] += 1
        self.complain(.warning, "connections are refused: as many are open as limits allow")
    }

    // MARK: Pausing when descriptors run out

    private mutating func pauseAccepting() {
        self.metrics.acceptPauses += 1
        self.complain(.error, "accepting pauses: no descriptors or memory are left")
        self.acceptPausedUntil = self.now.advanced(
            byNanoseconds: Limits.acceptPauseNanoseconds)
        for (id, listener) in self.listeners where listener.isRegistered {
            self.poller.remove(listener.descriptor)
            self.listeners[id]?.isRegistered = false
        }
    }

    mutating func resumeAccepting() {
        guard let until = self.acceptPausedUntil, until <= self.now else { return }
        self.acceptPausedUntil = nil
        guard self.drainDeadline == nil else { return }
        for id in self.listeners.keys { self.registerListener(id) }
    }

    mutating func registerListener(_ id: Int) {
        guard let listener = self.listeners[id], listener.descriptor >= 0, !listener.isRegistered
        else { return }
        do throws(PosixError) {
            try self.poller.addShared(
                listener.descriptor, token: EventToken(listener: id).rawValue)
            self.listeners[id]?.isRegistered = true
        } catch {
            self.complain(.error, "listener \(listener.plan.name): \(error)")
        }
    }

    // MARK: Those that have not got anywhere yet

    /// Lists a connection by where it came in, and by its source; one that is listed already moves.
    mutating func listAsUnrouted(_ index: Int) {
        let connection = self.connections.reference(index)
        let source = SourcePrefix(connection.value.clientAddress?.address)
        if let tenant = connection.value.service?.tenant {
            // Its TLS is not up yet.
            self.unrouted.insert(index, group: ObjectIdentifier(tenant.usage), source: source)
        } else {
            self.unrouted.insert(index, group: connection.value.listener, source: source)
        }
        self.metrics.unrouted = self.unrouted.count
    }

    /// Where there are too many, one goes.
    private mutating func evictUnrouted() {
        let bound = self.snapshot?.limits.unroutedConnections ?? Limits.unroutedConnectionsMax
        guard self.unrouted.count > bound, let victim = self.unrouted.victim() else { return }
        self.close(victim, CloseReason(.local, .evicted))
    }

    mutating func unlistUnrouted(_ index: Int) {
        self.unrouted.remove(index)
        self.metrics.unrouted = self.unrouted.count
    }
}
