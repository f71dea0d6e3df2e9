// Close: an end that is recorded once, and gives everything back.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS

extension Worker {
    /// Both sides have ended and were told.
    mutating func finish(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        connection.value.delivery = nil
        let down = connection.value.downstream.tls?.hasPendingOutput ?? false
        let up = connection.value.upstream.tls?.hasPendingOutput ?? false
        guard down || up else {
            self.close(index, reason)
            return
        }
        self.noteEnd(index, reason)
        if !down { Sockets.shutdownWrite(connection.value.downstream.socket.number) }
        if !up { Sockets.shutdownWrite(connection.value.upstream.socket.number) }
        connection.value.lingers = false
        self.setDeadline(index, self.now.advanced(byNanoseconds: Limits.lingerNanoseconds))
    }

    /// Ends a connection at once.
    ///
    /// A relay that the router itself cuts off ends by RST towards both sides: after a FIN, and
    /// without TLS, a part would pass for the whole.
    mutating func close(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        if connection.value.isCutOff(by: reason) {
            Sockets.setAbortiveClose(connection.value.downstream.socket.number)
            Sockets.setAbortiveClose(connection.value.upstream.socket.number)
        }
        self.noteEnd(index, reason)
        self.release(index)
    }

    /// The first reason stands; later ones follow from it.
    mutating func noteEnd(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        guard connection.value.reason == nil else { return }
        let isCancelDone = connection.value.isCancel && reason.kind == .finished
        connection.value.reason = isCancelDone ? CloseReason(reason.side, .cancelForwarded) : reason
        connection.value.endedIn = connection.value.phase
        connection.value.phase = .close
        if let key = connection.value.cancelKey {
            self.cancels.remove(key)
            connection.value.cancelKey = nil
        }
    }

    /// Records the end and gives everything back.
    mutating func release(_ index: Int) {
        let connection = self.connections.reference(index)
        self.unlistUnrouted(index)
        self.recordEnd(index)
        if let pipe = connection.value.upPipe { self.pipes.give(pipe) }
        if let pipe = connection.value.downPipe { self.pipes.give(pipe) }
        connection.value.stopCountingForTenant()
        connection.value.stopCountingForUpstream()
        self.metrics.open[connection.value.metricsSlot, default: 0] -= 1
        self.timers.cancel(index)
        self.connections.release(index)
        self.shared.give()
    }

    mutating func recordEnd(_ index: Int) {
        let connection = self.connections.reference(index)
        guard !connection.value.isRecorded else { return }
        connection.value.isRecorded = true
        self.countEnd(index)
        self.record(index)
    }

    private mutating func countEnd(_ index: Int) {
        let connection = self.connections.reference(index)
        let reason = connection.value.reason ?? CloseReason(.local, .internalError)
        let slot = connection.value.metricsSlot
        let key = WorkerMetrics.CloseKey(
            slot: slot, phase: connection.value.endedIn, reason: reason)
        self.metrics.closed[key, default: 0] += 1
        self.metrics.bytes[slot, default: .init()].add(connection.value)
        connection.value.countForTenant()
        if reason.kind.check != nil { connection.value.service?.tenant.usage.countRefusal() }
        let times = connection.value.milestones
        self.metrics.connectionDuration[slot, default: .init()]
            .record(nanoseconds: self.now.nanoseconds(since: times.accepted))
        func phase(_ phase: Phase, _ start: Instant, _ end: Instant) {
            guard start > .zero, end >= start else { return }
            let key = WorkerMetrics.PhaseKey(slot: slot, phase: phase)
            self.metrics.phaseDuration[key, default: .init()]
                .record(nanoseconds: end.nanoseconds(since: start))
        }
        phase(.peek, times.accepted, times.routed)
        phase(.handshake, times.handshakeStarted, times.handshaken)
        phase(.connect, times.connectStarted, times.connected)
    }
}

extension Connection {
    /// Whether ending for this reason tears apart what the two sides have to say to each other.
    fileprivate func isCutOff(by reason: CloseReason) -> Bool {
        switch self.phase {
        case .relay: reason.side == .local
        case .close: self.delivery != nil
        case .accept, .peek, .prelude, .route, .admit, .handshake, .authenticate, .connect: false
        }
    }
}
