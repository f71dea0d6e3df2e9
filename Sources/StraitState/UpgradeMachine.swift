// A router hands its listeners to a newer process: who accepts, and what happens when one of the
// two fails.
//
// Both share the same listening sockets. The predecessor accepts until the successor does, so at
// every moment one of them accepts, and it keeps its copies for as long as it may have to go back.

/// What the predecessor is to do.
package enum UpgradeAction: Equatable, Sendable {
    /// Start the successor and offer it the listeners.
    case offer
    /// Tell the successor to accept; we go on accepting beside it.
    case go
    /// The successor accepts: accept nothing more, finish what is open, then end.
    case drain
    /// End the successor; we have never stopped accepting.
    case abandon(UpgradeFailure)
    /// Accept again: the successor has failed, or gives back.
    case resume(UpgradeFailure)
    /// Nothing.
    case none
}

/// Why an upgrade came to nothing, or was taken back.
package enum UpgradeFailure: Equatable, Sendable {
    /// The successor said why.
    case refused(String)
    /// Its process, or the connection to it, is gone.
    case gone
    /// It did not get so far in time.
    case late
    /// An operator wants the predecessor back.
    case rolledBack

    /// In metrics: one of ``reasons``.
    package var name: String {
        switch self {
        case .refused: "refused"
        case .gone: "gone"
        case .late: "late"
        case .rolledBack: "rolled_back"
        }
    }

    /// Every name.
    package static let reasons = ["refused", "gone", "late", "rolled_back"]
}

/// An upgrade as the predecessor sees it.
///
/// No event is impossible: the successor is another process, which may say anything at any time.
package struct UpgradeMachine: Equatable, Sendable {
    private enum State: Equatable {
        /// No upgrade. Can transition to: offering.
        case serving
        /// A successor reads the configuration. Can transition to: handing, serving.
        case offering
        /// It was told to accept. Can transition to: draining, serving.
        case handing
        /// It accepts; we drain, and could go back. Can transition to: serving, released.
        case draining
        /// The successor is upgraded itself, or drains, or goes on alone. Can transition to:
        /// nothing.
        case released
    }

    private var state = State.serving

    /// No upgrade yet.
    package init() {}

    /// Whether another upgrade can begin.
    package var isServing: Bool { self.state == .serving }

    /// Whether a successor is being started that has not been told to accept.
    package var isOffering: Bool { self.state == .offering }

    /// Whether this process drains because another one accepts.
    package var hasHandedOver: Bool { self.state == .draining || self.state == .released }

    /// Whether this process may have to accept again.
    package var mayReturn: Bool { self.state == .draining }

    /// An operator asks for an upgrade; `.none` where one is under way.
    package mutating func requested() -> UpgradeAction {
        guard case .serving = self.state else { return .none }
        self.state = .offering
        return .offer
    }

    /// The successor has read its configuration and opened what it lacked.
    package mutating func successorReady() -> UpgradeAction {
        guard case .offering = self.state else { return .none }
        self.state = .handing
        return .go
    }

    /// The successor accepts.
    package mutating func successorServes() -> UpgradeAction {
        guard case .handing = self.state else { return .none }
        self.state = .draining
        return .drain
    }

    /// The successor has failed, is gone, is late, or gives back.
    package mutating func failed(_ failure: UpgradeFailure) -> UpgradeAction {
        switch self.state {
        case .offering, .handing:
            self.state = .serving
            return .abandon(failure)
        case .draining:
            self.state = .serving
            return .resume(failure)
        case .serving, .released:
            return .none
        }
    }

    /// There is no way back here any more.
    package mutating func released() {
        guard case .draining = self.state else { return }
        self.state = .released
    }
}
