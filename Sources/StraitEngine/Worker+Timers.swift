// What a connection's timer means in each phase.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState

extension Worker {
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
        case .prelude where connection.value.mysql != nil: self.mysqlTimerFired(index)
        case .handshake, .prelude: self.close(index, CloseReason(.local, .handshakeTimeout))
        case .connect: self.upstreamFailed(index, .connectTimeout, "no answer in time")
        case .relay: self.relayTimerFired(index)
        case .close:
            connection.value.delivery == nil ? self.release(index) : self.linger(index)
        case .route: self.close(index, CloseReason(.local, .cancelUnknown))
        case .accept, .admit, .authenticate: self.close(index, CloseReason(.local, .internalError))
        }
    }

    private mutating func peekTimerFired(_ index: Int) {
        let connection = self.connections.reference(index)
        let count = connection.value.replay.count
        let isSilent = connection.value.peek?.machine.isSilent(after: count) ?? false
        if isSilent, self.serverFirst(index) != nil {
            self.routeUnread(index)
        } else if connection.value.milestones.firstByte > .zero {
            self.close(index, CloseReason(.local, .helloTimeout))
        } else {
            self.close(index, CloseReason(.local, .firstByteTimeout))
        }
    }
}
