// The one thing that workers share besides the snapshot: how much of its limits a tenant uses.

internal import Synchronization

/// A tenant's use of its limits: relaxed counters that every worker adds to.
///
/// Approximate by design: a burst on several workers at once may pass a limit by the number of
/// workers.
package final class TenantUsage: Sendable {
    private let open = Atomic<Int>(0)
    /// The second (of the monotonic clock) in the upper half, connections in it in the lower.
    private let second = Atomic<UInt64>(0)
    /// Likewise, of refusals that cost a handshake.
    private let refusals = Atomic<UInt64>(0)

    /// Nothing is open, and nothing has come.
    package init() {}

    /// Counts one more open connection and tells how many there are now.
    package func opened() -> Int { self.open.add(1, ordering: .relaxed).newValue }

    /// Counts one open connection less.
    package func closed() { self.open.subtract(1, ordering: .relaxed) }

    /// How many are open.
    package var openConnections: Int { self.open.load(ordering: .relaxed) }

    /// Counts one more connection in the running second and tells how many it has had.
    ///
    /// Workers read the clock once a turn, so that one may still be in the second before: its
    /// connection counts in the running one, which began when the first worker said so.
    package func arrived(atSecond now: UInt32) -> Int { Self.count(now, in: self.second) }

    /// Counts one more refusal that costs a handshake in the running second, likewise.
    package func refusedInside(atSecond now: UInt32) -> Int { Self.count(now, in: self.refusals) }

    private static func count(_ now: UInt32, in counter: borrowing Atomic<UInt64>) -> Int {
        var current = counter.load(ordering: .relaxed)
        while true {
            let running = UInt32(truncatingIfNeeded: current >> 32)
            let isNew = Int32(bitPattern: now &- running) > 0
            let count = isNew ? 1 : UInt32(truncatingIfNeeded: current) &+ 1
            let second = isNew ? now : running
            let (exchanged, original) = counter.compareExchange(
                expected: current, desired: UInt64(second) << 32 | UInt64(count), ordering: .relaxed
            )
            if exchanged { return Int(count) }
            current = original
        }
    }
}
