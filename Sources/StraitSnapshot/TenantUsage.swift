// The one thing that workers share besides the snapshot: how much of its limits a tenant uses.

package import StraitCore
internal import Synchronization

/// A tenant's use of its limits, over all workers and revisions.
package final class TenantUsage: Sendable {
    private let open = Atomic<Int>(0)
    private let refusals = Atomic<UInt64>(0)
    /// Those of the newest revision.
    private let limits = Mutex<TenantLimits?>(nil)

    /// Nothing is open, and nothing has come.
    package init() {}

    /// The tenant's limits with their counters: those that there are as long as the limits are the
    /// same; where one of them changes, what its rates have counted begins anew.
    ///
    /// For the control plane, when a tenant is compiled. Nil: there is no limit.
    package func limits(
        _ whole: LimitSet, perSource: LimitSet = LimitSet(),
        table: @autoclosure () -> SourceTable = .shared
    ) -> TenantLimits? {
        guard whole != LimitSet() || perSource != LimitSet() else { return nil }
        return self.limits.withLock { limits in
            if let known = limits, known.whole == whole, known.perSource == perSource {
                return known
            }
            let isPerSource = perSource != LimitSet()
            let new = TenantLimits(
                whole, perSource: perSource, table: isPerSource ? table() : nil)
            limits = new
            return new
        }
    }

    /// Counts one more open connection and tells how many there are now.
    package func opened() -> Int { self.open.add(1, ordering: .relaxed).newValue }

    /// Counts one open connection less.
    package func closed() { self.open.subtract(1, ordering: .relaxed) }

    /// How many are open.
    package var openConnections: Int { self.open.load(ordering: .relaxed) }

    /// Whether one more refusal may cost a handshake; then it is charged.
    package func mayRefuseInside(at now: Instant) -> Bool {
        Self.refusalHandshakes.admit(1, self.refusals, at: now)
    }

    private static let refusalHandshakes = RateLimit(
        perSecond: UInt64(Limits.refusalHandshakesPerSecondMax),
        burst: UInt64(Limits.refusalHandshakesPerSecondMax))
}
