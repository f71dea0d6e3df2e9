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
        case .stop:
            self.isStopping = true
            self.letGoOfListeners()
            self.closeAll(.drained)
        }
    }

    /// The counters with what open connections have moved so far.
    private func metricsNow() -> WorkerMetrics {
        var metrics = self.metrics
        metrics.tlsContexts = self.contexts.count
        metrics.pipesOpen = self.pipes.used
        metrics.mailboxRefusals = self.mailboxes[self.index].refused
        for index in 0..<self.connections.touched where self.isInUse(index) {
            let connection = self.connections.reference(index)
            guard !connection.value.isRecorded else { continue }
            metrics.bytes[connection.value.metricsSlot, default: .init()].add(connection.value)
        }
        return metrics
    }

    private mutating func apply(_ snapshot: Snapshot, _ sockets: [ListenerSocket]) {
        self.snapshot = snapshot
        let descriptors = Dictionary(
            sockets.map { ($0.id, $0.descriptor) }, uniquingKeysWith: { first, _ in first })
        for (id, listener) in self.listeners where descriptors[id] != listener.descriptor {
            self.letGo(id)
        }
        for plan in snapshot.listeners {
            guard let descriptor = descriptors[plan.id] else { continue }
            if self.listeners[plan.id]?.descriptor == descriptor {
                self.listeners[plan.id]?.plan = plan
                self.listeners[plan.id]?.rules = PeekRules(plan)
            } else {
                self.listeners[plan.id] = ListenerState(plan: plan, descriptor: descriptor)
            }
            if self.drainDeadline == nil, self.acceptPausedUntil == nil {
                self.registerListener(plan.id)
            }
        }
        self.reports(.applied(worker: self.index, revision: snapshot.revision))
    }

    /// Stops listening; the plan stays for the connections that came by it.
    private mutating func letGo(_ id: Int) {
        guard let listener = self.listeners[id], listener.descriptor >= 0 else { return }
        if listener.isRegistered { self.poller.remove(listener.descriptor) }
        self.listeners[id]?.isRegistered = false
        self.listeners[id]?.descriptor = -1
    }

    private mutating func letGoOfListeners() {
        for id in self.listeners.keys { self.letGo(id) }
    }

    private mutating func drain(_ deadline: Instant) {
        self.drainDeadline = deadline
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
