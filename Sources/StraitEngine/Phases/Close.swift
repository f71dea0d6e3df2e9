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
        if let side = connection.value.resetWhenAcknowledged {
            self.lingerUntilAcknowledged(index, side)
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
    /// The other is told by RST, once it has everything that it was sent.
    mutating func closeBroken(_ index: Int, _ reason: CloseReason, resetsOther: Bool) {
        let connection = self.connections.reference(index)
        let other: EndpointSide = reason.side == .downstream ? .upstream : .downstream
        let number = connection.value[other].socket.number
        guard resetsOther, number >= 0, reason.side != .local else {
            self.close(index, reason)
            return
        }
        let direction: RelayDirection = other == .upstream ? .up : .down
        // What the relay itself still keeps for the other side is delivered too, if it takes it
        // now.
        if self.hasPending(index, direction), connection.value[other].isWritable {
            self.sendPendingOnce(index, other)
        }
        if Sockets.unacknowledgedBytes(number) == 0 {
            Sockets.setAbortiveClose(number)
            self.close(index, reason)
            return
        }
        self.noteEnd(index, reason)
        connection.value.resetWhenAcknowledged = other == .downstream ? .downstream : .upstream
        connection.value[other.other].socket.close()
        connection.value.acknowledgeBy = self.now.advanced(
            byNanoseconds: Limits.lingerNanoseconds)
        self.setDeadline(index, self.now.advanced(byNanoseconds: Self.acknowledgePollNanoseconds))
    }

    private static var acknowledgePollNanoseconds: UInt64 { 20_000_000 }

    /// Sends what is kept in plain text for a side, as far as it takes it at once.
    private func sendPendingOnce(_ index: Int, _ side: EndpointSide) {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        guard connection.value[side].hasPending else { return }
        let offset = connection.value[side].pendingOffset
        let pending = connection.value[side].pending
        _ = TransferBuffer.send(number, pending.span.extracting(droppingFirst: offset))
    }

    private mutating func lingerUntilAcknowledged(_ index: Int, _ side: CloseReason.Side) {
        let connection = self.connections.reference(index)
        let which: EndpointSide = side == .downstream ? .downstream : .upstream
        let number = connection.value[which].socket.number
        guard Sockets.unacknowledgedBytes(number) == 0 || connection.value.acknowledgeBy <= self.now
        else {
            self.setDeadline(
                index, self.now.advanced(byNanoseconds: Self.acknowledgePollNanoseconds))
            return
        }
        // In time or not, what was cut off does not end like what is whole.
        Sockets.setAbortiveClose(number)
        self.release(index)
    }

    /// Ends a connection at once.
    mutating func close(_ index: Int, _ reason: CloseReason) {
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
            self.metrics.phaseDuration[phase, default: .init()]
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
            connection.value.resetWhenAcknowledged == nil ? self.release(index) : self.linger(index)
        case .route: self.close(index, CloseReason(.local, .cancelUnknown))
        case .accept, .admit, .authenticate: self.close(index, CloseReason(.local, .internalError))
        }
    }

    private mutating func peekTimerFired(_ index: Int) {
        let connection = self.connections.reference(index)
        let hasBytes = connection.value.milestones.firstByte > .zero
        if hasBytes {
            self.close(index, CloseReason(.local, .helloTimeout))
        } else if self.listeners[connection.value.listener]?.plan.serverFirst != nil {
            self.routeUnread(index)
        } else {
            self.close(index, CloseReason(.local, .firstByteTimeout))
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
