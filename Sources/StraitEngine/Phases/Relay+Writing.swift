// The writing half of the relay: what a side could not take is kept, and nothing more is read for
// it.

internal import StraitCore
internal import StraitPosix
internal import StraitState
internal import StraitTLS

/// How a flush ended.
enum FlushOutcome {
    /// Nothing is kept any more.
    case moved
    /// The side is full.
    case idle
    /// The connection has ended.
    case closed
}

extension Worker {
    /// Whether bytes for the target of `direction` are kept here.
    func hasPending(_ index: Int, _ direction: RelayDirection) -> Bool {
        let connection = self.connections.reference(index)
        let side = direction.targetSide
        if connection.value[side].hasPending { return true }
        if connection.value[side].tls?.hasPendingOutput ?? false { return true }
        return (connection.value.pipe(direction)?.pipe.count ?? 0) > 0
    }

    /// Sends the first `count` bytes of the buffer to a side.
    ///
    /// False: the connection has ended.
    mutating func writeBuffer(
        _ index: Int, _ side: EndpointSide, _ count: Int, more: Bool
    ) -> Bool {
        let connection = self.connections.reference(index)
        guard connection.value[side].tls == nil, connection.value[side].socket.isOpen else {
            return self.writeOther(index, side, count)
        }
        let number = connection.value[side].socket.number
        return self.sent(
            index, side, self.buffer.send(number, 0..<count, more: more), count
        ) { buffer, done in
            buffer.copy(done..<count)
        }
    }

    private mutating func writeOther(_ index: Int, _ side: EndpointSide, _ count: Int) -> Bool {
        let connection = self.connections.reference(index)
        guard connection.value[side].socket.isOpen else { return true }  // nobody waits for it
        do throws(TLSFailure) {
            let taken = try connection.value[side].encrypt(self.buffer, count, &self.channel)
            return self.encrypted(index, side, taken, count)
        } catch {
            return self.writeFailed(index, side, error)
        }
    }

    /// Sends bytes to a side.
    ///
    /// False: the connection has ended.
    mutating func write(
        _ index: Int, _ side: EndpointSide, _ bytes: Span<UInt8>, more: Bool
    ) -> Bool {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        guard connection.value[side].tls != nil else {
            let outcome = TransferBuffer.send(number, bytes, more: more)
            let done = if case .bytes(let count) = outcome { count } else { 0 }
            var rest: [UInt8] = []
            for position in done..<bytes.count { rest.append(bytes[position]) }
            return self.sent(index, side, outcome, bytes.count) { _, _ in rest }
        }
        do throws(TLSFailure) {
            let taken = try connection.value[side].tls?.write(
                bytes, descriptor: number, channel: &self.channel)
            return self.encrypted(index, side, taken ?? 0, bytes.count)
        } catch {
            return self.writeFailed(index, side, error)
        }
    }

    private mutating func sent(
        _ index: Int, _ side: EndpointSide, _ outcome: TransferOutcome, _ count: Int,
        rest: (borrowing TransferBuffer, Int) -> [UInt8]
    ) -> Bool {
        let connection = self.connections.reference(index)
        var done = 0
        switch outcome {
        case .bytes(let some): done = some
        case .wouldBlock, .end: break
        case .broken:
            let reason = CloseReason(side == .downstream ? .downstream : .upstream, .reset)
            self.closeBroken(index, reason, resetsOther: true)
            return false
        }
        self.account(index, side, sent: done)
        guard done < count else { return true }
        connection.value[side].pending = rest(self.buffer, done)
        connection.value[side].pendingOffset = 0
        return self.waitWritable(index, side)
    }

    private mutating func encrypted(
        _ index: Int, _ side: EndpointSide, _ taken: Int, _ count: Int
    ) -> Bool {
        let connection = self.connections.reference(index)
        // The relay flushes before it reads, so that a session always takes what it is given.
        guard taken == count else {
            self.close(index, CloseReason(.local, .internalError))
            return false
        }
        self.account(index, side, sent: count)
        guard connection.value[side].tls?.hasPendingOutput ?? false else { return true }
        return self.waitWritable(index, side)
    }

    private mutating func writeFailed(
        _ index: Int, _ side: EndpointSide, _ failure: TLSFailure
    ) -> Bool {
        let blamed: CloseReason.Side = side == .downstream ? .downstream : .upstream
        let ending = failure.ending(blaming: blamed)
        self.connections.reference(index).value.detail = ending.detail
        let reason = CloseReason(blamed, ending.reason.kind.inRelay)
        self.closeBroken(index, reason, resetsOther: true)
        return false
    }

    mutating func waitWritable(_ index: Int, _ side: EndpointSide) -> Bool {
        self.connections.reference(index).value[side].isWritable = false
        guard self.register(index, side, writable: true) else {
            self.close(index, CloseReason(.local, .internalError))
            return false
        }
        return true
    }

    /// Sends what is kept for the target of `direction`.
    mutating func flush(_ index: Int, _ direction: RelayDirection) -> FlushOutcome {
        let connection = self.connections.reference(index)
        let side = direction.targetSide
        guard self.hasPending(index, direction) else { return .moved }
        guard connection.value[side].isWritable else { return .idle }
        while self.hasPending(index, direction) {
            switch self.flushOnce(index, direction, side) {
            case .bytes: continue
            case .wouldBlock, .end: return self.waitWritable(index, side) ? .idle : .closed
            case .broken:
                let reason = CloseReason(side == .downstream ? .downstream : .upstream, .reset)
                self.closeBroken(index, reason, resetsOther: true)
                return .closed
            }
        }
        connection.value.lastActivity = self.now
        if connection.value[side].endsAfterFlush {
            connection.value[side].endsAfterFlush = false
            Sockets.shutdownWrite(connection.value[side].socket.number)
        }
        switch connection.value.relay.pendingFlushed(direction) {
        case .proceed: break
        case .endTarget: self.endWriting(index, side)
        case .endTargetAndFinish(_, let reason):
            self.endWriting(index, side, closesNext: true)
            self.finish(index, reason)
            return .closed
        case .close(let reason, let resetsOther):
            self.closeBroken(index, reason, resetsOther: resetsOther)
            return .closed
        }
        return .moved
    }

    mutating func flushOnce(
        _ index: Int, _ direction: RelayDirection, _ side: EndpointSide
    ) -> TransferOutcome {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        if connection.value[side].hasPending {
            let pending = connection.value[side].pending
            let outcome = TransferBuffer.send(
                number,
                pending.span.extracting(droppingFirst: connection.value[side].pendingOffset))
            guard case .bytes(let count) = outcome else { return outcome }
            self.account(index, side, sent: count)
            connection.value[side].pendingOffset += count
            if !connection.value[side].hasPending {
                connection.value[side].pending = []
                connection.value[side].pendingOffset = 0
            }
            return outcome
        }
        if let pipe = connection.value.pipe(direction), pipe.pipe.count > 0 {
            let outcome = pipe.pipe.drain(into: number, more: false)
            if case .bytes(let count) = outcome { self.account(index, side, sent: count) }
            return outcome
        }
        do throws(TLSFailure) {
            let step = try connection.value[side].tls?.flush(
                descriptor: number, channel: &self.channel)
            return step == .wantsWrite ? .wouldBlock : .bytes(1)
        } catch {
            return .broken(0)
        }
    }

    /// Tells a side that nothing more comes: FIN, or close_notify and then FIN.
    ///
    /// `closesNext`: the socket is closed at once, which is the FIN, and saves a call.
    mutating func endWriting(_ index: Int, _ side: EndpointSide, closesNext: Bool = false) {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        guard number >= 0 else { return }
        guard connection.value[side].tls != nil else {
            if !closesNext { Sockets.shutdownWrite(number) }
            return
        }
        do throws(TLSFailure) {
            let step = try connection.value[side].tls?.sendCloseNotify(
                descriptor: number, channel: &self.channel)
            if step == .wantsWrite {
                connection.value[side].endsAfterFlush = true
                connection.value[side].isWritable = false
                // Callers go on with the slot, so a failure may not end the connection here; then
                // the side is told by its deadline.
                _ = self.register(index, side, writable: true)
            } else if !closesNext {
                Sockets.shutdownWrite(number)
            }
        } catch {
            connection.value.detail = "close_notify could not be sent"
        }
    }

    // MARK: Counting

    /// Counts bytes that the source of `direction` has brought.
    func account(_ index: Int, _ direction: RelayDirection, received count: Int) {
        let connection = self.connections.reference(index)
        if connection.value.limitsBytes { self.meter(index, direction, count) }
        if direction.isUp {
            connection.value.downstream.received &+= UInt64(count)
        } else {
            connection.value.upstream.received &+= UInt64(count)
        }
    }

    func account(_ index: Int, _ side: EndpointSide, sent count: Int) {
        self.connections.reference(index).value[side].sent &+= UInt64(count)
    }
}
