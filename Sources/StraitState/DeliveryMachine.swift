// After one side of a relay has broken: how long the other may still take what had come before.

package import StraitCore

/// What is to be done after a look at a delivery.
package enum DeliveryAction: Equatable, Sendable {
    /// Look again at this instant, at the latest; no event announces acknowledgements.
    case wait(until: Instant)
    /// The target gets RST: it has everything, or takes no more. What was cut off does not end like
    /// what is whole.
    case reset
}

/// Passes on what a broken side had sent, and no longer than it is worth.
package struct DeliveryMachine: Equatable, Sendable {
    /// How often acknowledgements are looked for.
    package static let pollNanoseconds: UInt64 = 20_000_000

    /// The way to the side that is left.
    package let direction: RelayDirection
    private let deadline: Instant
    private var lastProgress: Instant
    private var unacknowledged = 0

    /// The source of `direction` has broken now.
    package init(_ direction: RelayDirection, at now: Instant) {
        self.direction = direction
        self.deadline = now.advanced(byNanoseconds: Limits.deliveryNanoseconds)
        self.lastProgress = now
    }

    /// Bytes have gone on.
    package mutating func moved(at now: Instant) { self.lastProgress = now }

    /// Nothing more goes now.
    ///
    /// - Parameters:
    ///   - unacknowledged: Bytes that the target was sent and has not acknowledged.
    ///   - hasPending: Whether bytes for the target are kept here.
    ///   - targetFailed: Whether the target is broken, too.
    ///   - now: The current instant.
    /// - Returns: What to do now.
    package mutating func looked(
        unacknowledged: Int, hasPending: Bool, targetFailed: Bool, at now: Instant
    ) -> DeliveryAction {
        if unacknowledged != self.unacknowledged {
            self.unacknowledged = unacknowledged
            self.lastProgress = now
        }
        let stallEnd = self.lastProgress.advanced(byNanoseconds: Limits.lingerNanoseconds)
        let end = min(stallEnd, self.deadline)
        let isDelivered = unacknowledged == 0 && !hasPending
        guard !isDelivered, !targetFailed, now < end else { return .reset }
        return .wait(until: min(now.advanced(byNanoseconds: Self.pollNanoseconds), end))
    }
}
