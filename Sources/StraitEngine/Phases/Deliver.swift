// Deliver: one side has broken, and the other still gets what came before that.

internal import StraitCore
internal import StraitPosix
internal import StraitState

extension Worker {
    /// One side is broken.
    ///
    /// The other still gets what came before that, as far as it takes it, and then RST.
    mutating func closeBroken(_ index: Int, _ reason: CloseReason, resetsOther: Bool) {
        let connection = self.connections.reference(index)
        let other: EndpointSide = reason.side == .downstream ? .upstream : .downstream
        if let delivery = connection.value.delivery {
            // Nothing more comes from the broken side, or now both are broken.
            guard other == delivery.direction.targetSide else {
                self.release(index)
                return
            }
            self.deliver(index, delivery)
            return
        }
        guard resetsOther, connection.value[other].socket.isOpen, reason.side != .local else {
            self.close(index, reason)
            return
        }
        self.noteEnd(index, reason)
        // A write that failed says nothing of what there is to read.
        connection.value[other.other].isReadable = connection.value[other.other].socket.isOpen
        self.deliver(index, DeliveryMachine(other == .upstream ? .up : .down, at: self.now))
    }

    /// Passes on what the broken side had sent, and ends when the other has it, or takes no more.
    mutating func deliver(_ index: Int, _ delivery: DeliveryMachine) {
        let connection = self.connections.reference(index)
        var machine = delivery
        connection.value.delivery = machine
        var budget = Limits.relayBytesPerTurn
        moving: while budget > 0 {
            switch self.pump(index, machine.direction) {
            case .closed: return
            case .idle: break moving
            case .moved(let count):
                machine.moved(at: self.now)
                connection.value.delivery = machine
                budget -= count
            }
        }
        guard budget > 0 else {
            self.queueUnfinished(index)
            return
        }
        let side = machine.direction.targetSide
        let number = connection.value[side].socket.number
        let action = machine.looked(
            unacknowledged: Sockets.unacknowledgedBytes(number),
            hasPending: self.hasPending(index, machine.direction),
            targetFailed: connection.value[side].sawError, at: self.now)
        connection.value.delivery = machine
        switch action {
        case .wait(let until): self.setDeadline(index, until)
        case .reset:
            Sockets.setAbortiveClose(number)
            self.release(index)
        }
    }
}
