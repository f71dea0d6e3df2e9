// How the registry and what is live of it stand to each other.

internal import StraitConfig
internal import StraitCore
internal import StraitStore

/// What is known of the registry's state on this router.
struct RegistryFacts: Sendable {
    /// The revision up to which every change is in the newest snapshot.
    var followed: UInt64 = 0
    /// Where the registry lies whose revisions these are; nil: not known yet.
    var place: StorePlace?
    /// The revision up to which every change is on every worker.
    private(set) var revision: UInt64 = 0
    /// Since when that is so.
    private(set) var liveSince = Timestamp(nanoseconds: 0)
    /// When the copy of the last good state was up to date last; nil: not since the start.
    var copied: Timestamp?
    /// Up to which revision the copy lacks nothing; its mark stays where nothing of it changed.
    var copiedThrough: UInt64 = 0
    /// Why it cannot be followed now; nil while it is.
    var failure: String?
    /// Tenants whose rows do not come to anything: what was good before stays.
    var refused: [String: [ConfigurationProblem]] = [:]
    /// Every name that an upstream of a tenant is looked up by, and by how many tenants.
    var names: [HostName: Int] = [:]
    /// How many audit rows there are; nil while that is not known.
    var audits: Int?
    /// Whether it was said that there are too many.
    var saidAuditsExcess = false
    private var waiting:
        [UInt64: (revision: UInt64, continuation: CheckedContinuation<Bool, Never>)] =
            [:]
    private var lastWaiter: UInt64 = 0
    /// How long the last change took to be live; nil: all was read anew.
    private(set) var milliseconds: Double?
    /// Those who look at all this again whenever it has changed.
    private var watchers: [UInt64: AsyncStream<Void>.Continuation] = [:]

    /// Whether a worker has not obeyed what others do.
    var lags: Bool { self.revision < self.followed }

    /// Everything up to `revision` is obeyed by every worker.
    mutating func isLive(_ revision: UInt64, now: Timestamp, milliseconds: Double? = nil) {
        self.revision = revision
        self.liveSince = now
        self.milliseconds = milliseconds
        self.wakeWatchers()
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

    /// Remembers one who looks again at each change; returns the number to end it by.
    mutating func watch() -> (wakes: AsyncStream<Void>, number: UInt64) {
        let (wakes, wake) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.lastWaiter += 1
        self.watchers[self.lastWaiter] = wake
        return (wakes, self.lastWaiter)
    }

    /// Whoever watches under that number watches no longer.
    mutating func endWatch(_ number: UInt64) { self.watchers[number] = nil }

    /// Something has changed that those who watch look at.
    func wakeWatchers() {
        for wake in self.watchers.values { wake.yield() }
    }
}
