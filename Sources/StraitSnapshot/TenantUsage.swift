// The one thing that workers share besides the snapshot: how much of its limits a tenant uses.

package import StraitCore
internal import Synchronization

/// A tenant's use of its limits, over all workers and revisions.
package final class TenantUsage: Sendable {
    private let open = Atomic<Int>(0)
    private let refusals = Atomic<UInt64>(0)
    // What only rises; each changes a few times a connection at most.
    private let connections = Atomic<UInt64>(0)
    private let refused = Atomic<UInt64>(0)
    private let bytesIn = Atomic<UInt64>(0)
    private let bytesOut = Atomic<UInt64>(0)
    /// Those of the newest revision.
    private let limits = Mutex<TenantLimits?>(nil)

    /// Nothing is open, and nothing has come.
    package init() {}

    /// The tenant's limits with their counters: those that are in use as long as the limits are the
    /// same, else new ones, which count from ``use(_:)`` on.
    ///
    /// For the control plane, when a tenant is compiled; nothing changes. Nil: there is no limit.
    package func limits(
        _ whole: LimitSet, perSource: LimitSet = LimitSet(),
        table: @autoclosure () -> SourceTable = .shared
    ) -> TenantLimits? {
        guard whole != LimitSet() || perSource != LimitSet() else { return nil }
        let known = self.limits.withLock { $0 }
        if let known, known.whole == whole, known.perSource == perSource { return known }
        let isPerSource = perSource != LimitSet()
        return TenantLimits(whole, perSource: perSource, table: isPerSource ? table() : nil)
    }

    /// These are in use from now on: what they have counted goes on while they stay the same.
    package func use(_ limits: TenantLimits?) { self.limits.withLock { $0 = limits } }

    /// Counts one more open connection and tells how many there are now.
    package func opened() -> Int {
        self.connections.add(1, ordering: .relaxed)
        return self.open.add(1, ordering: .relaxed).newValue
    }

    /// Counts one open connection less.
    package func closed() { self.open.subtract(1, ordering: .relaxed) }

    /// How many are open.
    package var openConnections: Int { self.open.load(ordering: .relaxed) }

    /// Counts one connection that was refused.
    package func countRefusal() { self.refused.add(1, ordering: .relaxed) }

    /// Counts bytes from downstreams and to them: when a connection ends, and when somebody asks;
    /// never while one moves.
    package func moved(bytesIn: UInt64, bytesOut: UInt64) {
        if bytesIn > 0 { self.bytesIn.add(bytesIn, ordering: .relaxed) }
        if bytesOut > 0 { self.bytesOut.add(bytesOut, ordering: .relaxed) }
    }

    /// What was counted until now.
    package var reading: TenantReading {
        TenantReading(
            open: max(self.openConnections, 0),
            connections: self.connections.load(ordering: .relaxed),
            refusals: self.refused.load(ordering: .relaxed),
            bytesIn: self.bytesIn.load(ordering: .relaxed),
            bytesOut: self.bytesOut.load(ordering: .relaxed))
    }

    /// Whether one more refusal may cost a handshake; then it is charged.
    package func mayRefuseInside(at now: Instant) -> Bool {
        Self.refusalHandshakes.admit(1, self.refusals, at: now)
    }

    private static let refusalHandshakes = RateLimit(
        perSecond: UInt64(Limits.refusalHandshakesPerSecondMax),
        burst: UInt64(Limits.refusalHandshakesPerSecondMax))
}

/// What a tenant has had since this process knows it.
package struct TenantReading: Hashable, Sendable {
    /// Connections that are open.
    package var open: Int
    /// Connections that were routed to it, also those that it was refused.
    package var connections: UInt64
    /// Those that were refused after they were routed.
    package var refusals: UInt64
    /// Bytes from its downstreams, inside TLS where TLS ends here.
    package var bytesIn: UInt64
    /// Bytes to its downstreams.
    package var bytesOut: UInt64

    /// See the properties.
    package init(
        open: Int = 0, connections: UInt64 = 0, refusals: UInt64 = 0, bytesIn: UInt64 = 0,
        bytesOut: UInt64 = 0
    ) {
        self.open = open
        self.connections = connections
        self.refusals = refusals
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
    }
}
