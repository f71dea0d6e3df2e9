// What is known of the drain that is under way, and of those that were taken back.

internal import StraitCore

/// A drain, as far as the control plane has to remember it.
struct DrainFacts {
    /// The deadline that was given with it; nil: `timeouts.drain`.
    var deadline: Duration?
    /// Whether it is of an upgrade or a rollback, and may be long.
    var isBesideAnother = false
    /// Counts drains that were taken back: one that awaits something knows whether it still holds.
    private(set) var cancelled = 0
    /// Whether workers are being told that a drain was taken back.
    var isResuming = false
    /// Whether nothing is open any more, or the deadline has passed.
    var hasEnded = false
    /// Whether a second signal has come: nothing is waited for.
    var isHastened = false
    /// When it ends at the latest, whatever was allowed before.
    private(set) var end = Instant.never
    /// One that waits until this process need not stay to be gone back to.
    var hold: CheckedContinuation<Void, Never>?

    /// The drain is taken back: what was said with it is not of the next one.
    mutating func cancel() {
        self.cancelled += 1
        self.deadline = nil
        self.isBesideAnother = false
        self.end = .never
    }

    /// What is open has no more time than until `instant`.
    mutating func hasten(to instant: Instant) { self.end = min(self.end, instant) }
}
