// What happens next between two sides that exchange bytes: half-close, breakage, and how bytes are
// moved.
//
// Knows nothing of descriptors or TLS: "ended" is a FIN or a close_notify, whichever the side
// speaks.

package import StraitCore

/// The way that bytes go.
package enum RelayDirection: UInt8, Hashable, Sendable, CaseIterable {
    /// From downstream to upstream.
    case up
    /// From upstream to downstream.
    case down

    /// Whether bytes go to the upstream.
    package var isUp: Bool {
        switch self {
        case .up: true
        case .down: false
        }
    }
    /// The other way.
    package var opposite: RelayDirection { self.isUp ? .down : .up }
    /// The side that bytes come from.
    package var source: CloseReason.Side { self.isUp ? .downstream : .upstream }
    /// The side that bytes go to.
    package var target: CloseReason.Side { self.isUp ? .upstream : .downstream }
}

/// What is to be done after an event of a relay.
package enum RelayAction: Equatable, Sendable {
    /// Nothing more.
    case proceed
    /// Tell the target of this direction that nothing more comes.
    case endTarget(RelayDirection)
    /// Tell it, and then the connection is over: both directions have ended.
    case endTargetAndFinish(RelayDirection, CloseReason)
    /// The connection is broken. `resetsOther`: the other side may be told by RST, if nothing that
    /// it has been sent is lost by that.
    case close(CloseReason, resetsOther: Bool)
}

/// Both directions of a relay.
package struct RelayMachine: Equatable, Sendable {
    private enum Flow: Equatable {
        /// Bytes go. Can transition to: ending, ended.
        case open
        /// The source has ended; bytes for the target are still kept. Can transition to: ended.
        case ending
        /// The target was told. Can transition to: nothing.
        case ended
    }

    private var up = Flow.open
    private var down = Flow.open
    /// Who ended first; it is named in the record.
    private var firstToEnd: CloseReason.Side?

    /// Both directions open.
    package init() {}

    /// Whether the source of `direction` may still bring bytes.
    package func isOpen(_ direction: RelayDirection) -> Bool { self[direction] == .open }

    /// Whether one direction has ended, or is about to, and the other has not.
    package var isHalfClosed: Bool { (self.up == .open) != (self.down == .open) }

    /// The source of `direction` has ended.
    ///
    /// `hasPending`: bytes of it are still kept.
    package mutating func sourceEnded(
        _ direction: RelayDirection, hasPending: Bool
    ) -> RelayAction {
        guard self[direction] == .open else { return .proceed }
        if self.firstToEnd == nil { self.firstToEnd = direction.source }
        guard !hasPending else {
            self[direction] = .ending
            return .proceed
        }
        return self.end(direction)
    }

    /// Everything that was kept for the target of `direction` has gone.
    package mutating func pendingFlushed(_ direction: RelayDirection) -> RelayAction {
        guard self[direction] == .ending else { return .proceed }
        return self.end(direction)
    }

    /// A side is broken: reset, timed out, or its TLS is damaged.
    package func broke(_ side: CloseReason.Side, _ kind: CloseReason.Kind) -> RelayAction {
        .close(CloseReason(side, kind), resetsOther: true)
    }

    private mutating func end(_ direction: RelayDirection) -> RelayAction {
        self[direction] = .ended
        guard self[direction.opposite] == .ended else { return .endTarget(direction) }
        return .endTargetAndFinish(
            direction, CloseReason(self.firstToEnd ?? direction.source, .finished))
    }

    private subscript(direction: RelayDirection) -> Flow {
        get { direction.isUp ? self.up : self.down }
        set { if direction.isUp { self.up = newValue } else { self.down = newValue } }
    }
}
