// What the control plane asks of a worker, and how it is done between two turns.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState

extension Worker {
    mutating func obey(_ command: WorkerCommand) {
        switch command {
        case .apply(let snapshot, let sockets): self.apply(snapshot, sockets)
        case .drain(let deadline): self.drain(deadline)
        case .resume:
            self.drainDeadline = nil
            self.saidDrained = false
        case .ping(let token): self.reports(.pong(token: token, worker: self.index))
        case .collectMetrics(let token):
            self.reports(.metrics(token: token, self.metricsNow()))
        case .listConnections(let token, let limit):
            self.reports(.connections(token: token, self.summaries(limit: limit)))
        case .findConnection(let token, let id):
            self.reports(.found(token: token, self.find(id)))
        case .closeConnection(let token, let id):
            let index = self.openConnection(id)
            if let index { self.close(index, CloseReason(.local, .closedByOperator)) }
            self.reports(.closed(token: token, index != nil))
        case .askCancelTarget(let question):
            guard self.mailboxes.indices.contains(question.asker) else { return }
            // Where there is no room the question's connection ends by its deadline.
            _ = self.mailboxes[question.asker].put(
                .tellCancelTarget(question, self.cancels.target(question.key)),
                countMax: Limits.mailboxCancelsMax)
        case .tellCancelTarget(let question, let target):
            self.learnedCancelTarget(question, target)
        case .findCancelTarget(let token, let key):
            self.reports(
                .cancelTarget(token: token, self.cancels.target(key).map(FoundCancelTarget.init)))
        case .stop:
            self.isStopping = true
            self.letGoOfListeners()
            self.closeAll(.drained)
        }
    }

    /// The counters with what open connections have moved so far; their tenants' totals have it
    /// then, too.
    private func metricsNow() -> WorkerMetrics {
        var metrics = self.metrics
        metrics.tlsContexts = self.contexts.count
        metrics.pipesOpen = self.pipes.used
        metrics.listeners = self.listeners.count
        metrics.mailboxRefusals = self.mailboxes[self.index].refused
        for index in 0..<self.connections.touched where self.isInUse(index) {
            let connection = self.connections.reference(index)
            if connection.value.upstream.socket.isOpen,
                let upstream = connection.value.upstreamPlan,
                case .ip = upstream.address
            {
                metrics.upstreamSockets[upstream.metricsSlot, default: 0] += 1
            }
            guard !connection.value.isRecorded else { continue }
            metrics.bytes[connection.value.metricsSlot, default: .init()].add(connection.value)
            connection.value.countForTenant()
        }
        return metrics
    }

    private mutating func apply(_ snapshot: Snapshot, _ sockets: [ListenerSocket]) {
        let descriptors = Dictionary(
            sockets.map { ($0.id, $0.descriptor) }, uniquingKeysWith: { first, _ in first })
        // By the snapshot that their listener belongs to, those in its queue are routed yet.
        for (id, listener) in self.listeners where descriptors[id] != listener.descriptor {
            self.letGo(id)
        }
        self.snapshot = snapshot
        self.contexts.tickets = snapshot.tickets
        for plan in snapshot.listeners {
            guard let descriptor = descriptors[plan.id] else { continue }
            self.listen(plan.id, plan, descriptor)
        }
        if let plan = snapshot.portListener {
            for socket in sockets where ListenerSocket.isOfPorts(socket.id) {
                self.listen(socket.id, plan, socket.descriptor)
            }
        }
        self.forgetListeners(snapshot)
        self.reports(.applied(worker: self.index, revision: snapshot.revision))
    }

    private mutating func listen(_ id: Int, _ plan: ListenerPlan, _ descriptor: Int32) {
        if let known = self.listeners[id], known.descriptor == descriptor {
            known.plan = plan
            known.scope = plan.scope
            known.rules = PeekRules(plan)
        } else {
            self.listeners[id] = ListenerState(plan: plan, descriptor: descriptor)
        }
        if self.drainDeadline == nil, self.acceptPausedUntil == nil { self.registerListener(id) }
    }

    /// Accepts whoever waits at a listener that is about to go: they might get RST.
    private mutating func acceptWaiting(_ id: Int) {
        guard let listener = self.listeners[id], listener.isRegistered else { return }
        for _ in 0..<Limits.lastAcceptsMax / Limits.acceptsPerTurn {
            let before = self.metrics.accepted[listener.plan.id]
            self.accept(listener: id)
            guard self.metrics.accepted[listener.plan.id] != before else { return }
        }
    }

    /// Forgets the listeners that are gone and that no open connection came by.
    ///
    /// The others are as many as there are connections, at most; they go at a later change. Those
    /// of their connections that are not routed go by the listener that has their name now.
    private mutating func forgetListeners(_ snapshot: Snapshot) {
        let gone = self.listeners.filter { $0.value.descriptor < 0 }
        guard !gone.isEmpty else { return }
        var used: Set<Int> = []
        for index in 0..<self.connections.touched where self.isInUse(index) {
            used.insert(self.connections.reference(index).value.listener)
        }
        for (id, listener) in gone {
            let successor = snapshot.listeners.first { $0.name == listener.plan.name }
            self.listeners[id]?.scope = successor?.scope
            if !used.contains(id) { self.listeners[id] = nil }
        }
    }

    /// Stops listening; the plan stays for the connections that came by it.
    ///
    /// Who waits at the listener is accepted when its announcements have ended: one of them may
    /// have woken this worker alone, and another process that shares the socket knows nothing of
    /// it.
    private mutating func letGo(_ id: Int) {
        guard let listener = self.listeners[id], listener.descriptor >= 0 else { return }
        if listener.isRegistered {
            self.poller.remove(listener.descriptor)
            self.acceptWaiting(id)
        }
        self.listeners[id]?.isRegistered = false
        self.listeners[id]?.descriptor = -1
    }

    private mutating func letGoOfListeners() {
        for id in self.listeners.keys { self.letGo(id) }
    }

    private mutating func drain(_ deadline: Instant) {
        self.drainDeadline = deadline
        self.saidDrained = false  // a second drain is answered, too
        self.letGoOfListeners()
    }

    /// The drain's deadline has passed: what is open ends now.
    mutating func endDrained() {
        guard let deadline = self.drainDeadline, deadline <= self.now else { return }
        self.closeAll(.drained)
    }

    private mutating func closeAll(_ kind: CloseReason.Kind) {
        for index in 0..<self.connections.touched where self.isInUse(index) {
            self.close(index, CloseReason(.local, kind))
        }
    }

    /// A blank slot has id 0, which no connection has.
    private func isInUse(_ index: Int) -> Bool {
        self.connections.reference(index).value.id.rawValue != 0
    }

    private func openConnection(_ id: ConnectionID) -> Int? {
        (0..<self.connections.touched).first {
            self.connections.reference($0).value.id == id
        }
    }

    private func find(_ id: ConnectionID) -> FoundConnection? {
        if let index = self.openConnection(id) {
            return FoundConnection(isOpen: true, recordJSON: self.accessRecord(index).json)
        }
        return self.log.find(id).map { FoundConnection(isOpen: false, recordJSON: $0) }
    }

    private func summaries(limit: Int) -> [ConnectionSummary] {
        var found: [ConnectionSummary] = []
        for index in 0..<self.connections.touched where self.isInUse(index) {
            guard found.count < limit else { break }
            found.append(self.summary(index))
        }
        return found
    }

    private func summary(_ index: Int) -> ConnectionSummary {
        let connection = self.connections.reference(index)
        return ConnectionSummary(
            id: connection.value.id, worker: self.index, phase: connection.value.phase,
            clientAddress: connection.value.clientAddress,
            serverName: connection.value.serverName?.description,
            tenant: connection.value.service?.tenant.name,
            service: connection.value.service?.name,
            upstream: connection.value.upstreamPlan?.address,
            ageNanoseconds: self.now.nanoseconds(since: connection.value.milestones.accepted),
            bytesReceived: connection.value.downstream.received,
            bytesSent: connection.value.downstream.sent)
    }
}

extension WorkerMetrics.Bytes {
    /// Adds what one connection has moved.
    mutating func add(_ connection: borrowing Connection) {
        self.downstreamReceived &+= connection.downstream.received
        self.downstreamSent &+= connection.downstream.sent
        self.upstreamReceived &+= connection.upstream.received
        self.upstreamSent &+= connection.upstream.sent
    }
}

extension Connection {
    /// Gives its tenant's totals the bytes that they have not yet: when it ends, and when somebody
    /// asks, so that relaying touches nothing that is shared.
    mutating func countForTenant() {
        guard let usage = self.service?.tenant.usage else { return }
        let bytesIn = self.downstream.received
        let bytesOut = self.downstream.sent
        usage.moved(bytesIn: bytesIn &- self.countedIn, bytesOut: bytesOut &- self.countedOut)
        self.countedIn = bytesIn
        self.countedOut = bytesOut
    }
}
