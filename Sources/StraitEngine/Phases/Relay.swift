// Relay: bytes both ways until both have ended. Copy or splice, plain or TLS on either side.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS

/// What reading from a side brought.
enum ReceiveOutcome {
    /// That many bytes lie in the worker's buffer.
    case bytes(Int)
    case wouldBlock
    /// FIN, or close_notify.
    case end
    case broken(CloseReason.Kind)
}

/// What stood behind the last bytes that were read.
private enum ReadStop {
    /// Nothing yet.
    case none
    /// FIN.
    case end
    /// RST, or another error.
    case broken
}

/// How far one direction came.
enum PumpOutcome {
    case moved(Int)
    case idle
    /// The connection has ended; its slot is not to be touched.
    case closed
}

extension RelayDirection {
    var sourceSide: EndpointSide {
        switch self {
        case .up: .downstream
        case .down: .upstream
        }
    }
    var targetSide: EndpointSide { self.sourceSide.other }
}

extension Worker {
    /// The upstream is ready: what was kept goes first, and every deadline but idleness is cleared.
    mutating func startRelay(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.phase = .relay
        if connection.value.milestones.connected == .zero { self.noteConnected(index) }
        connection.value.lastActivity = self.now
        let firstLook = min(Self.keepaliveDelayNanoseconds, self.idleLimit(index))
        self.setDeadline(index, self.now.advanced(byNanoseconds: firstLook))
        if connection.value.downstream.socket.isOpen {
            guard self.register(index, .downstream, writable: false) else {
                self.close(index, CloseReason(.local, .internalError))
                return
            }
        }
        if !connection.value.replay.isEmpty {
            let bytes = connection.value.replay
            connection.value.replay = []
            self.account(index, .up, received: bytes.count)
            guard self.write(index, .upstream, bytes.span, more: false) else { return }
        }
        if !connection.value.downstream.socket.isOpen {
            let pending = self.hasPending(index, .up)
            guard self.perform(index, connection.value.relay.sourceEnded(.up, hasPending: pending))
            else { return }
        }
        self.relay(index)
    }

    /// The upstream is ready for bytes.
    mutating func noteConnected(_ index: Int) {
        let connection = self.connections.reference(index)
        let connectedAt = monotonicNow()
        connection.value.milestones.connected = connectedAt
        guard let upstream = connection.value.upstreamPlan else { return }
        let took = connectedAt.nanoseconds(since: connection.value.milestones.connectStarted)
        self.metrics.connectDuration[upstream.metricsSlot, default: .init()]
            .record(nanoseconds: took)
    }

    /// Moves bytes both ways as long as any go, within this turn's budget; tells how many went.
    @discardableResult
    mutating func relay(_ index: Int) -> Int {
        let connection = self.connections.reference(index)
        var budget = Limits.relayBytesPerTurn
        while budget > 0 {
            var moved = 0
            switch self.pump(index, .up) {
            case .closed: return Limits.relayBytesPerTurn - budget
            case .idle: break
            case .moved(let count): moved += count
            }
            switch self.pump(index, .down) {
            case .closed: return Limits.relayBytesPerTurn - budget
            case .idle: break
            case .moved(let count): moved += count
            }
            budget -= moved
            guard moved > 0 else { return Limits.relayBytesPerTurn - budget }
            connection.value.lastActivity = self.now
            guard connection.value.downstream.isReadable || connection.value.upstream.isReadable
            else { return Limits.relayBytesPerTurn - budget }
        }
        self.queueBulk(index)
        return Limits.relayBytesPerTurn - budget
    }

    /// Moves bytes one way, once.
    mutating func pump(_ index: Int, _ direction: RelayDirection) -> PumpOutcome {
        let connection = self.connections.reference(index)
        switch self.flush(index, direction) {
        case .closed: return .closed
        case .idle: return self.heldBack(index, direction)
        case .moved: break
        }
        let source = direction.sourceSide
        guard connection.value.relay.isOpen(direction), connection.value[source].isReadable else {
            return .idle
        }
        var room = Int.max
        // What a broken side has sent before goes on at once; it is no more than sockets hold.
        if connection.value.limitsBytes, connection.value.phase == .relay {
            guard let bytes = self.room(index, direction) else {
                return self.heldBack(index, direction)
            }
            room = bytes
        }
        // Before reading: what comes after has an edge again.
        if connection.value[source].isMuted { self.setMuted(index, source, false) }
        if connection.value.mode(direction).isSplicing {
            return self.splice(index, direction, bytesMax: room)
        }
        room = min(room, self.buffer.count)
        switch self.receive(index, source, bytesMax: room) {
        case .wouldBlock:
            connection.value[source].isReadable = false
            return .idle
        // A socket tells its error once; what another call has been told looks like an end here.
        case .end where connection.value[source].sawError && connection.value[source].tls == nil:
            return self.sourceBroke(index, direction, .reset)
        case .end: return self.sourceEnded(index, direction)
        case .broken(let kind): return self.sourceBroke(index, direction, kind)
        case .bytes(let count): return self.copied(index, direction, count, of: room)
        }
    }

    /// The target is full, or a limit holds the source: nothing is read, and nothing grows.
    ///
    /// That the source has failed no read would tell, so what was announced counts.
    private mutating func heldBack(_ index: Int, _ direction: RelayDirection) -> PumpOutcome {
        let connection = self.connections.reference(index)
        guard connection.value[direction.sourceSide].sawError, connection.value.phase == .relay
        else { return .idle }
        let action = connection.value.relay.broke(direction.source, .reset)
        return self.perform(index, action) ? .idle : .closed
    }

    /// `count` bytes lie in the buffer, where there was room for `room`: on with them.
    ///
    /// A FIN that is known to follow goes with the last of them.
    private mutating func copied(
        _ index: Int, _ direction: RelayDirection, _ count: Int, of room: Int
    ) -> PumpOutcome {
        let connection = self.connections.reference(index)
        let source = direction.sourceSide
        var count = count
        var stop = ReadStop.none
        let isPlain = connection.value[source].tls == nil
        if isPlain, connection.value[source].sawReadStop {
            (count, stop) = self.readToStop(
                connection.value[source].socket.number, count, of: room)
            connection.value[source].isReadable = stop == .none
        } else if isPlain {
            connection.value[source].isReadable = count == room
        } else {
            let buffered = connection.value[source].tls?.hasBufferedInput ?? false
            connection.value[source].isReadable =
                count >= room || buffered || connection.value[source].sawReadStop
        }
        self.account(index, direction, received: count)
        if !direction.isUp { self.noteFirstUpstreamBytes(index, count) }
        let finFollows = stop == .end && connection.value.phase == .relay
        guard self.writeBuffer(index, direction.targetSide, count, more: finFollows) else {
            return .closed
        }
        if connection.value.changesToSplice(direction, bytes: count) {
            self.startSplicing(index, direction)
        }
        let outcome: PumpOutcome
        switch stop {
        case .none: return .moved(count)
        case .end: outcome = self.sourceEnded(index, direction)
        case .broken: outcome = self.sourceBroke(index, direction, .reset)
        }
        guard case .idle = outcome else { return .closed }
        return .moved(count)
    }

    /// A FIN was announced: reads on behind what is in the buffer, so that both leave in one
    /// packet.
    ///
    /// A reset is told here and never again: the next read would tell of an end.
    private mutating func readToStop(
        _ number: Int32, _ count: Int, of room: Int
    ) -> (Int, ReadStop) {
        var count = count
        while count < room {
            switch self.buffer.receive(number, offset: count, bytesMax: room - count) {
            case .bytes(let more): count += more
            case .end: return (count, .end)
            case .broken: return (count, .broken)
            case .wouldBlock: return (count, .none)
            }
        }
        return (count, .none)
    }

    private mutating func sourceEnded(_ index: Int, _ direction: RelayDirection) -> PumpOutcome {
        let connection = self.connections.reference(index)
        connection.value[direction.sourceSide].isReadable = false
        // A socket tells its error once; the end that it shows afterwards is no FIN.
        if connection.value.phase == .close, connection.value[direction.sourceSide].tls == nil {
            return self.sourceBroke(index, direction, .reset)
        }
        let pending = self.hasPending(index, direction)
        let action = connection.value.relay.sourceEnded(direction, hasPending: pending)
        guard self.perform(index, action) else { return .closed }
        if connection.value.relay.isHalfClosed {
            let limit = self.idleLimit(index)
            self.setDeadline(index, self.now.advanced(byNanoseconds: limit))
        }
        return .idle
    }

    /// Reading failed: everything that the source has sent was read.
    private mutating func sourceBroke(
        _ index: Int, _ direction: RelayDirection, _ kind: CloseReason.Kind
    ) -> PumpOutcome {
        let connection = self.connections.reference(index)
        connection.value[direction.sourceSide].isReadable = false
        connection.value[direction.sourceSide].socket.close()
        // The other has ended before, and this one has gone without reading our goodbye.
        if connection.value.leavesWithoutNotice(direction.sourceSide), kind == .reset,
            connection.value.phase == .relay, !connection.value.relay.isOpen(direction.opposite),
            !self.hasPending(index, direction.opposite)
        {
            return self.sourceEnded(index, direction)
        }
        let action = connection.value.relay.broke(direction.source, kind)
        return self.perform(index, action) ? .idle : .closed
    }

    /// False: the connection has ended.
    private mutating func perform(_ index: Int, _ action: RelayAction) -> Bool {
        switch action {
        case .proceed: return true
        case .endTarget(let direction):
            self.endWriting(index, direction.targetSide)
            return true
        case .endTargetAndFinish(let direction, let reason):
            self.endWriting(index, direction.targetSide, closesNext: true)
            self.finish(index, reason)
            return false
        case .close(let reason, let resetsOther):
            self.closeBroken(index, reason, resetsOther: resetsOther)
            return false
        }
    }

    // MARK: Reading

    /// Reads from one side into the worker's buffer, `bytesMax` at most.
    mutating func receive(
        _ index: Int, _ side: EndpointSide, bytesMax: Int = .max
    ) -> ReceiveOutcome {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        guard connection.value[side].tls != nil else {
            switch self.buffer.receive(number, bytesMax: bytesMax) {
            case .bytes(let count): return .bytes(count)
            case .wouldBlock: return .wouldBlock
            case .end: return .end
            case .broken: return .broken(.reset)
            }
        }
        do throws(TLSFailure) {
            switch try connection.value[side].decrypt(
                into: &self.buffer, bytesMax: bytesMax, &self.channel)
            {
            case .bytes(let count): return .bytes(count)
            case .wantsRead: return .wouldBlock
            case .closeNotify: return .end
            case .truncated:
                return connection.value.leavesWithoutNotice(side) ? .end : .broken(.truncated)
            }
        } catch {
            let ending = error.ending(blaming: side == .downstream ? .downstream : .upstream)
            connection.value.detail = ending.detail ?? connection.value.detail
            if let alert = ending.alert { self.noteAlert(index, alert, from: ending.reason.side) }
            return .broken(ending.reason.kind.inRelay)
        }
    }

    private mutating func noteFirstUpstreamBytes(_ index: Int, _ count: Int) {
        let connection = self.connections.reference(index)
        if connection.value.milestones.firstUpstreamByte == .zero {
            connection.value.milestones.firstUpstreamByte = self.now
        }
        guard connection.value.keyRewriter != nil else { return }
        self.rewriteCancelKey(index, count)
    }

    /// The upstream's cancel key becomes ours, in place.
    private mutating func rewriteCancelKey(_ index: Int, _ count: Int) {
        let connection = self.connections.reference(index)
        guard var rewriter = connection.value.keyRewriter else { return }
        let (outcome, replacement) = rewriter.scan(self.buffer, count, self.cancels)
        if let (range, bytes) = replacement {
            for (offset, byte) in bytes.enumerated() {
                self.buffer[range.lowerBound + offset] = byte
            }
        }
        switch outcome {
        case .goOn: connection.value.keyRewriter = rewriter
        case .finished: connection.value.keyRewriter = nil
        case .key(let processID, let theirs, let ours):
            connection.value.keyRewriter = nil
            self.registerCancelKey(index, processID, theirs, ours)
        }
    }

    private mutating func registerCancelKey(
        _ index: Int, _ processID: UInt32, _ theirs: [UInt8], _ ours: [UInt8]
    ) {
        let connection = self.connections.reference(index)
        // Once it is ending, nobody would withdraw the key.
        guard connection.value.phase == .relay, let service = connection.value.service,
            let upstream = connection.value.upstreamPlan
        else { return }
        let key = CancelKey(processID: processID, bytes: ours)
        let source = SourcePrefix(connection.value.clientAddress?.address)
        self.cancels.add(
            key,
            CancelTarget(service: service, upstream: upstream, key: theirs, source: source))
        connection.value.cancelKey = key
    }

    // MARK: Splicing

    private mutating func startSplicing(_ index: Int, _ direction: RelayDirection) {
        let connection = self.connections.reference(index)
        guard let pipe = self.pipes.take() else {
            connection.value.changeMode(direction) { $0.beganCopying() }
            return
        }
        if direction.isUp {
            connection.value.upPipe = pipe
        } else {
            connection.value.downPipe = pipe
        }
        connection.value.changeMode(direction) { $0.beganSplicing() }
    }

    private mutating func stopSplicing(_ index: Int, _ direction: RelayDirection) {
        let connection = self.connections.reference(index)
        connection.value.changeMode(direction) { $0.beganCopying() }
        let pipe = direction.isUp ? connection.value.upPipe : connection.value.downPipe
        if direction.isUp {
            connection.value.upPipe = nil
        } else {
            connection.value.downPipe = nil
        }
        if let pipe { self.pipes.give(pipe) }
    }

    private mutating func splice(
        _ index: Int, _ direction: RelayDirection, bytesMax: Int
    ) -> PumpOutcome {
        let connection = self.connections.reference(index)
        let source = direction.sourceSide
        guard let pipe = connection.value.pipe(direction) else { return .idle }
        let number = connection.value[source].socket.number
        switch pipe.pipe.fill(from: number, bytesMax: min(pipe.pipe.capacity, bytesMax)) {
        case .wouldBlock where !connection.value[source].sawReadStop:
            connection.value[source].isReadable = false
            return .idle
        case .wouldBlock, .end:
            // Before urgent data splice(2) says so too (tcp_read_sock). recv(2) goes past it, and
            // tells whether this is the end.
            self.stopSplicing(index, direction)
            return self.pump(index, direction)
        case .broken: return self.sourceBroke(index, direction, .reset)
        case .bytes(let count):
            self.account(index, direction, received: count)
            let isSmall = connection.value.changeMode(direction) { $0.spliced(bytes: count) }
            switch self.flush(index, direction) {
            case .closed: return .closed
            case .idle: return .moved(count)
            case .moved: break
            }
            if isSmall { self.stopSplicing(index, direction) }
            return .moved(count)
        }
    }

    // MARK: Idleness

    /// How long after the start keepalive is set on the upstream's socket: short connections save
    /// the calls.
    static var keepaliveDelayNanoseconds: UInt64 { 10_000_000_000 }

    /// How long nothing may come, as things stand.
    private func idleLimit(_ index: Int) -> UInt64 {
        let connection = self.connections.reference(index)
        let timeouts = self.snapshot?.timeouts ?? Timeouts()
        let idle = connection.value.service?.idleTimeout ?? timeouts.idle
        return connection.value.relay.isHalfClosed ? min(idle, timeouts.halfClosed) : idle
    }

    /// The relay's timer: keepalive first, then idleness.
    mutating func relayTimerFired(_ index: Int) {
        let connection = self.connections.reference(index)
        if !connection.value.hasKeepalive {
            connection.value.hasKeepalive = true
            if case .ip? = connection.value.upstreamPlan?.address,
                let limits = self.snapshot?.limits
            {
                Sockets.setKeepalive(
                    connection.value.upstream.socket.number,
                    idleMilliseconds: limits.keepaliveIdleMilliseconds,
                    userTimeoutMilliseconds: limits.userTimeoutMilliseconds)
            }
        }
        let limit = self.idleLimit(index)
        let due = connection.value.lastActivity.advanced(byNanoseconds: limit)
        guard due <= self.now else {
            self.setDeadline(index, due)
            return
        }
        let kind: CloseReason.Kind =
            connection.value.relay.isHalfClosed ? .halfClosedTimeout : .idleTimeout
        self.close(index, CloseReason(.local, kind))
    }
}

extension Connection {
    /// Whether a side goes without close_notify and means no harm by it.
    ///
    /// MySQL's programs do: they send COM_QUIT and close their socket, at once or as soon as the
    /// upstream has closed. Nothing can pass for whole that is not: packets have lengths, and what
    /// takes several of them (LOAD DATA LOCAL) has an end of its own.
    fileprivate func leavesWithoutNotice(_ side: EndpointSide) -> Bool {
        side == .downstream && self.downstream.tls != nil
            && self.service?.endsTLSOfMySQL ?? false
    }

    func mode(_ direction: RelayDirection) -> TransferMode {
        direction.isUp ? self.upMode : self.downMode
    }

    @discardableResult
    mutating func changeMode<Result>(
        _ direction: RelayDirection, _ body: (inout TransferMode) -> Result
    ) -> Result {
        direction.isUp ? body(&self.upMode) : body(&self.downMode)
    }

    func pipe(_ direction: RelayDirection) -> PipePool.Box? {
        direction.isUp ? self.upPipe : self.downPipe
    }

    /// Counts a copied read; true when splicing should begin: both sides plain, and nothing to look
    /// for.
    mutating func changesToSplice(_ direction: RelayDirection, bytes: Int) -> Bool {
        let wants = self.changeMode(direction) { $0.copied(bytes: bytes) }
        return wants && self.downstream.tls == nil && self.upstream.tls == nil
            && !self.downstream.hasPending && !self.upstream.hasPending
            && (direction.isUp || self.keyRewriter == nil)
    }
}
