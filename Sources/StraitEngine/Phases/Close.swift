// Close: a refusal that is heard, a reset that loses nothing, an end that is recorded once.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import StraitWire

extension Worker {
    // MARK: Refusing

    /// Refuses a downstream whose TLS is not up, in words that it understands.
    mutating func refuse(_ index: Int, _ kind: CloseReason.Kind, _ reply: PeekReply) {
        let reason = CloseReason(.local, kind)
        switch reply {
        case .nothing: self.close(index, reason)
        case .alert(let alert):
            self.noteAlert(index, alert.rawValue, from: .local)
            self.refuse(index, reason, bytes: alert.plaintextRecord())
        case .postgresTLSRequired:
            let id = self.connections.reference(index).value.id
            let error = PostgresErrorResponse(
                code: "28000", message: "TLS is required here", detail: "connection \(id)",
                hint: "connect with sslmode=require or stronger")
            self.refuse(index, reason, bytes: error.encoded())
        }
    }

    /// Refuses with bytes in plain text, then FIN; what still comes is read and thrown away for a
    /// while, because a close with unread bytes would be RST and take the refusal with it.
    mutating func refuse(_ index: Int, _ reason: CloseReason, bytes: [UInt8]) {
        let connection = self.connections.reference(index)
        let number = connection.value.downstream.socket.number
        if case .bytes(let count) = TransferBuffer.send(number, bytes.span) {
            connection.value.downstream.sent &+= UInt64(count)
        }
        self.lingerAfterRefusal(index, reason)
    }

    /// Refuses inside TLS: Postgres and HTTP have an error of their own; for the others, the end
    /// says it.
    mutating func refuseInside(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        let number = connection.value.downstream.socket.number
        let answer = self.protocolError(index, reason)
        do throws(TLSFailure) {
            if !answer.isEmpty {
                _ = try connection.value.downstream.tls?.write(
                    answer.span, descriptor: number, channel: &self.channel)
            }
            _ = try connection.value.downstream.tls?.sendCloseNotify(
                descriptor: number, channel: &self.channel)
        } catch {
            connection.value.detail = connection.value.detail ?? "the refusal could not be sent"
        }
        self.lingerAfterRefusal(index, reason)
    }

    /// The protocol's own error: a category and the connection's id.
    ///
    /// The reason itself is the operator's.
    private func protocolError(_ index: Int, _ reason: CloseReason) -> [UInt8] {
        let connection = self.connections.reference(index)
        let id = connection.value.id
        switch connection.value.service?.serviceProtocol {
        case .postgres:
            let (code, message, hint) = reason.kind.postgresError
            return PostgresErrorResponse(
                code: code, message: message, detail: "connection \(id)", hint: hint
            ).encoded()
        case .web where connection.value.tlsFacts?.applicationProtocol != Self.http2:
            return HTTPAnswer.unavailable(connection: id)
        case .web, .ssh, .kubernetes, .mysql, .tcp, nil: return []
        }
    }

    private static var http2: [UInt8] { [0x68, 0x32] }

    /// Ends our direction and reads on until the downstream has ended its own, or long enough.
    mutating func lingerAfterRefusal(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        self.noteEnd(index, reason)
        connection.value.upstream = Endpoint()
        self.unlistUnrouted(index)
        self.recordEnd(index)  // now: whoever reads the refusal may ask for its connection at once
        self.setDeadline(index, self.now.advanced(byNanoseconds: Limits.lingerNanoseconds))
        guard self.register(index, .downstream, writable: false) else {
            self.release(index)
            return
        }
        if connection.value.downstream.tls?.hasPendingOutput ?? false {
            connection.value.downstream.endsAfterFlush = true
        } else {
            Sockets.shutdownWrite(connection.value.downstream.socket.number)
        }
        connection.value.downstream.isReadable = true
        self.linger(index)
    }

    /// An event, or the timer, while closing.
    mutating func linger(_ index: Int) {
        let connection = self.connections.reference(index)
        if let side = connection.value.resetsAfterDelivery {
            self.deliver(index, side)
            return
        }
        for side in [EndpointSide.downstream, .upstream] where !self.lingerFlush(index, side) {
            return
        }
        guard connection.value.lingers else {
            self.release(index)
            return
        }
        let number = connection.value.downstream.socket.number
        while connection.value.downstream.isReadable {
            switch self.buffer.receive(number) {
            case .wouldBlock: connection.value.downstream.isReadable = false
            case .end, .broken:
                self.release(index)
                return
            case .bytes(let count):
                connection.value.lingeredBytes += count
                guard connection.value.lingeredBytes <= Limits.lingerBytesMax else {
                    self.release(index)
                    return
                }
            }
        }
    }

    /// Sends what TLS still has to say.
    ///
    /// False: the side is full, wait.
    private mutating func lingerFlush(_ index: Int, _ side: EndpointSide) -> Bool {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        guard number >= 0, connection.value[side].tls?.hasPendingOutput ?? false else {
            return true
        }
        do throws(TLSFailure) {
            let step = try connection.value[side].tls?.flush(
                descriptor: number, channel: &self.channel)
            guard step == .done else { return !self.register(index, side, writable: true) }
        } catch {
            return true  // it is gone; nothing is left to send
        }
        Sockets.shutdownWrite(number)
        connection.value[side].endsAfterFlush = false
        return true
    }

    // MARK: Ending

    /// Both sides have ended and were told.
    mutating func finish(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        connection.value.resetsAfterDelivery = nil
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

    /// One side is broken.
    ///
    /// The other still gets what came before that, as far as it takes it, and then RST.
    mutating func closeBroken(_ index: Int, _ reason: CloseReason, resetsOther: Bool) {
        let connection = self.connections.reference(index)
        let other: EndpointSide = reason.side == .downstream ? .upstream : .downstream
        if let side = connection.value.resetsAfterDelivery {
            // While delivering: nothing more comes from the broken side, or now both are broken.
            guard other == side else {
                self.release(index)
                return
            }
            self.deliver(index, side)
            return
        }
        guard resetsOther, connection.value[other].socket.isOpen, reason.side != .local else {
            self.close(index, reason)
            return
        }
        self.noteEnd(index, reason)
        connection.value.resetsAfterDelivery = other
        connection.value.lastActivity = self.now
        connection.value.lingeredBytes = 0
        connection.value.deliverBy = self.now.advanced(byNanoseconds: Limits.deliveryNanoseconds)
        // A write that failed says nothing of what there is to read.
        connection.value[other.other].isReadable = connection.value[other.other].socket.isOpen
        self.deliver(index, other)
    }

    /// Passes on what the broken side had sent, and ends when the other has it, or takes no more.
    private mutating func deliver(_ index: Int, _ side: EndpointSide) {
        let connection = self.connections.reference(index)
        let direction: RelayDirection = side == .upstream ? .up : .down
        var budget = Limits.relayBytesPerTurn
        moving: while budget > 0 {
            switch self.pump(index, direction) {
            case .closed: return
            case .idle: break moving
            case .moved(let count):
                connection.value.lastActivity = self.now
                budget -= count
            }
        }
        guard budget > 0 else {
            self.queueUnfinished(index)
            return
        }
        let number = connection.value[side].socket.number
        let unacknowledged = Sockets.unacknowledgedBytes(number)
        if unacknowledged != connection.value.lingeredBytes {
            connection.value.lastActivity = self.now
            connection.value.lingeredBytes = unacknowledged
        }
        let stallEnd = connection.value.lastActivity.advanced(
            byNanoseconds: Limits.lingerNanoseconds)
        let isDelivered = unacknowledged == 0 && !self.hasPending(index, direction)
        let isLost =
            connection.value[side].sawError
            || min(stallEnd, connection.value.deliverBy) <= self.now
        guard isDelivered || isLost else {
            let next = self.now.advanced(byNanoseconds: Self.deliveryPollNanoseconds)
            self.setDeadline(index, next)
            return
        }
        // In time or not, what was cut off does not end like what is whole.
        Sockets.setAbortiveClose(number)
        self.release(index)
    }

    /// How often acknowledgements are looked for; no event announces them.
    private static var deliveryPollNanoseconds: UInt64 { 20_000_000 }

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
    private mutating func noteEnd(_ index: Int, _ reason: CloseReason) {
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
    private mutating func release(_ index: Int) {
        let connection = self.connections.reference(index)
        self.unlistUnrouted(index)
        self.recordEnd(index)
        if let pipe = connection.value.upPipe { self.pipes.give(pipe) }
        if let pipe = connection.value.downPipe { self.pipes.give(pipe) }
        connection.value.stopCountingForTenant()
        self.metrics.open[connection.value.metricsSlot, default: 0] -= 1
        self.timers.cancel(index)
        self.connections.release(index)
        self.shared.give()
    }

    private mutating func recordEnd(_ index: Int) {
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

    // MARK: Timers

    /// The connection's deadline has passed, or what was set as one.
    mutating func timerFired(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.deadline <= self.now else {
            // The slot has another use by now, or a later deadline.
            if connection.value.deadline < .never {
                self.timers.arm(index, at: connection.value.deadline)
            }
            return
        }
        switch connection.value.phase {
        case .peek: self.peekTimerFired(index)
        case .handshake, .prelude: self.close(index, CloseReason(.local, .handshakeTimeout))
        case .connect: self.upstreamFailed(index, .connectTimeout, "no answer in time")
        case .relay: self.relayTimerFired(index)
        case .close:
            connection.value.resetsAfterDelivery == nil ? self.release(index) : self.linger(index)
        case .route: self.close(index, CloseReason(.local, .cancelUnknown))
        case .accept, .admit, .authenticate: self.close(index, CloseReason(.local, .internalError))
        }
    }

    private mutating func peekTimerFired(_ index: Int) {
        let connection = self.connections.reference(index)
        let count = connection.value.replay.count
        let isSilent = connection.value.peek?.machine.isSilent(after: count) ?? false
        if isSilent, self.listeners[connection.value.listener]?.plan.serverFirst != nil {
            self.routeUnread(index)
        } else if connection.value.milestones.firstByte > .zero {
            self.close(index, CloseReason(.local, .helloTimeout))
        } else {
            self.close(index, CloseReason(.local, .firstByteTimeout))
        }
    }
}

extension Connection {
    /// Whether ending for this reason tears apart what the two sides have to say to each other.
    fileprivate func isCutOff(by reason: CloseReason) -> Bool {
        switch self.phase {
        case .relay: reason.side == .local
        case .close: self.resetsAfterDelivery != nil
        case .accept, .peek, .prelude, .route, .admit, .handshake, .authenticate, .connect: false
        }
    }
}

extension CloseReason.Kind {
    /// SQLSTATE, message and hint of a refusal.
    ///
    /// The category only: details are the operator's.
    fileprivate var postgresError: (String, String, String?) {
        switch self {
        case .connectFailed, .connectTimeout, .upstreamTLSFailed, .upstreamTLSRefused:
            ("57P03", "the database cannot be reached at the moment", "try again later")
        case .connectionLimit:
            ("53300", "too many connections for this tenant", "try again later")
        case .rateLimit:
            ("53300", "too many new connections for this tenant", "try again in a second")
        case .preludeMalformed: ("08P01", "the startup packet could not be read", nil)
        default: ("08004", "the connection was refused", nil)
        }
    }
}
