// How the registry and what is live of it stand to each other.

internal import StraitConfig
internal import StraitCore

/// What is known of the registry's state on this router.
struct RegistryFacts: Sendable {
    /// The revision up to which every change is on every worker.
    private(set) var revision: UInt64 = 0
    /// Since when that is so.
    private(set) var liveSince = Timestamp(nanoseconds: 0)
    /// When the copy of the last good state was up to date last; nil: not since the start.
    var copied: Timestamp?
    /// Why it cannot be followed now; nil while it is.
    var failure: String?
    /// Tenants whose rows do not come to anything: what was good before stays.
    var refused: [String: [ConfigurationProblem]] = [:]
    /// Every name that an upstream of a tenant was looked up by, since all were read.
    var upstreamNames: Set<HostName> = []
    private var waiting:
        [UInt64: (revision: UInt64, continuation: CheckedContinuation<Bool, Never>)] =
            [:]
    private var lastWaiter: UInt64 = 0

    /// Everything up to `revision` is obeyed by every worker.
    mutating func isLive(_ revision: UInt64, now: Timestamp) {
        self.revision = revision
        self.liveSince = now
        for (number, waiter) in self.waiting where waiter.revision <= revision {
            waiter.continuation.resume(returning: true)
            self.waiting[number] = nil
        }
    }

    /// Remembers who waits for a revision; returns the number to give up by.
    mutating func wait(
        for revision: UInt64, _ continuation: CheckedContinuation<Bool, Never>
    ) -> UInt64 {
        self.lastWaiter += 1
        self.waiting[self.lastWaiter] = (revision, continuation)
        return self.lastWaiter
    }

    /// Whoever waits under that number waits no longer.
    mutating func giveUp(_ number: UInt64) {
        self.waiting.removeValue(forKey: number)?.continuation.resume(returning: false)
    }
}
