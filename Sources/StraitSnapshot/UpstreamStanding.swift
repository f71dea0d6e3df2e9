// How an address of a service stands: what workers share about it, and what people are told.
//
// One object an address, kept over revisions. Workers count and read with relaxed atomics; one
// thread of the engine judges, and alone writes health, share and account.

package import StraitCore
internal import Synchronization

/// An address's load and health, over all workers and revisions.
package final class UpstreamStanding: Sendable {
    /// What people are told of it.
    package struct Account: Hashable, Sendable {
        /// How it stands.
        package var health: UpstreamHealth
        /// Since when, in nanoseconds since 1970; 0 for the start of the process.
        package var since: UInt64
        /// A sentence on what the last turn was for; empty before the first.
        package var why: String
        /// How often it was ejected.
        package var ejections: UInt64
        /// Checks that passed.
        package var checksPassed: UInt64
        /// Checks that failed.
        package var checksFailed: UInt64

        /// Of an address that nothing is known of.
        package init() {
            self.health = .up
            self.since = 0
            self.why = ""
            self.ejections = 0
            self.checksPassed = 0
            self.checksFailed = 0
        }
    }

    private let openCount = Atomic<Int>(0)
    private let failuresInRow = Atomic<Int>(0)
    private let shareNow = Atomic<UInt32>(UpstreamHealth.wholeShare)
    private let told = Mutex(Account())

    /// An address that nothing is known of: it gets connections.
    package init() {}

    // MARK: Workers

    /// One more connection is on its way there.
    package func opened() { self.openCount.add(1, ordering: .relaxed) }

    /// One of those has ended.
    package func closed() { self.openCount.subtract(1, ordering: .relaxed) }

    /// Connections that are open or on their way, of services with several addresses.
    package var open: Int { self.openCount.load(ordering: .relaxed) }

    /// What part of its weight counts, of ``UpstreamHealth/wholeShare``; 0: it is not healthy.
    package var share: UInt32 { self.shareNow.load(ordering: .relaxed) }

    /// A connection was made: failures are no longer in a row.
    package func connected() {
        // Read first: what is always written is never in two caches at once.
        if self.failuresInRow.load(ordering: .relaxed) != 0 {
            self.failuresInRow.store(0, ordering: .relaxed)
        }
    }

    /// Counts one more connection that could not be made; true for the last of `count` in a row.
    ///
    /// Of an address that is coming back, or is not healthy, it is the first, and then every
    /// `count`th. 0 is never reached.
    package func failed(ejectAfter count: Int) -> Bool {
        let failures = self.failuresInRow.add(1, ordering: .relaxed).newValue
        guard count > 0 else { return false }
        let bound = self.share < UpstreamHealth.wholeShare ? 1 : count
        return failures >= bound && (failures - bound).isMultiple(of: count)
    }

    // MARK: The judge

    /// What part of its weight counts from now on.
    package func setShare(_ share: UInt32) {
        self.shareNow.store(share, ordering: .relaxed)
        self.failuresInRow.store(0, ordering: .relaxed)
    }

    /// Changes what people are told.
    package func tell(_ change: (inout Account) -> Void) { self.told.withLock { change(&$0) } }

    /// What people are told.
    package var account: Account { self.told.withLock { $0 } }
}
