// What a tenant may use, in all and from each source, with what counts it.

package import StraitCore
internal import Synchronization

/// A tenant's limits, with what workers share about them: relaxed atomics, one word for each rate.
///
/// A connection keeps to those under which it was admitted. Rates are exact over all workers but
/// for this: workers read the clock once a turn, and one whose turn is long counts by an earlier
/// time, which admits later and never more.
package final class TenantLimits: Sendable {
    /// Over all its connections.
    package let whole: LimitSet
    /// Of each source.
    package let perSource: LimitSet
    /// Whether bytes of its connections are limited at all.
    package let limitsBytes: Bool
    /// Nil: sources are not limited.
    private let sources: SourceTable?
    private let owner: UInt32
    private let newConnections = Atomic<UInt64>(0)
    private let handshakes = Atomic<UInt64>(0)
    private let bytesIn = Atomic<UInt64>(0)
    private let bytesOut = Atomic<UInt64>(0)

    /// - Parameters:
    ///   - whole: Over all its connections.
    ///   - perSource: Of each source.
    ///   - table: Where sources are counted.
    package init(_ whole: LimitSet, perSource: LimitSet, table: SourceTable?) {
        self.whole = whole
        self.perSource = perSource
        self.limitsBytes = whole.limitsBytes || perSource.limitsBytes
        self.sources = table
        self.owner = table?.newOwner() ?? 0
    }

    // MARK: Sources

    /// Counts one more open connection of a source; nil where sources are not limited.
    package func opened(
        _ source: SourcePrefix, at now: Instant
    ) -> (place: SourceTable.Place, open: Int)? {
        self.sources?.opened(source, of: self.owner, at: now)
    }

    /// Counts one open connection of a source less.
    package func closed(_ place: SourceTable.Place) { self.sources?.closed(place) }

    /// Whether one more connection of a source may begin; then it is charged.
    package func admitsConnection(of place: SourceTable.Place, at now: Instant) -> Bool {
        self.sources?.admits(
            1, self.perSource.newConnections, .newConnections, place, at: now) ?? true
    }

    /// Whether one more handshake of a source may begin; then it is charged.
    package func admitsHandshake(of place: SourceTable.Place, at now: Instant) -> Bool {
        self.sources?.admits(1, self.perSource.handshakes, .handshakes, place, at: now) ?? true
    }

    // MARK: The whole tenant

    /// Whether one more connection may begin; then it is charged.
    package func admitsConnection(at now: Instant) -> Bool {
        self.whole.newConnections.admit(1, self.newConnections, at: now)
    }

    /// Whether one more handshake may begin; then it is charged.
    package func admitsHandshake(at now: Instant) -> Bool {
        self.whole.handshakes.admit(1, self.handshakes, at: now)
    }

    // MARK: Bytes

    /// How many bytes may come from the downstream now (`isUp`), or go to it, and which limit says
    /// so.
    ///
    /// - Parameters:
    ///   - isUp: From the downstream.
    ///   - place: The source, where sources are limited.
    ///   - now: The time.
    /// - Returns: how many, and whether it is the source's limit.
    package func availableBytes(
        isUp: Bool, _ place: SourceTable.Place?, at now: Instant
    ) -> (count: UInt64, isOfSource: Bool) {
        let limit = isUp ? self.whole.bytesIn : self.whole.bytesOut
        var count = UInt64.max
        if limit.isSet {
            let arrival =
                isUp
                ? self.bytesIn.load(ordering: .relaxed)
                : self.bytesOut.load(ordering: .relaxed)
            count = limit.available(arrival, at: now)
        }
        guard let place, let sources = self.sources else { return (count, false) }
        let part =
            isUp
            ? sources.available(self.perSource.bytesIn, .bytesIn, place, at: now)
            : sources.available(self.perSource.bytesOut, .bytesOut, place, at: now)
        return part < count ? (part, true) : (count, false)
    }

    /// Charges bytes that have come.
    ///
    /// - Parameters:
    ///   - count: How many.
    ///   - isUp: From the downstream.
    ///   - place: The source, where sources are limited.
    ///   - now: The time.
    package func chargeBytes(
        _ count: Int, isUp: Bool, _ place: SourceTable.Place?, at now: Instant
    ) {
        let bytes = UInt64(max(count, 0))
        if isUp {
            self.whole.bytesIn.charge(bytes, self.bytesIn, at: now)
        } else {
            self.whole.bytesOut.charge(bytes, self.bytesOut, at: now)
        }
        guard let place, let sources = self.sources else { return }
        if isUp {
            sources.charge(bytes, self.perSource.bytesIn, .bytesIn, place, at: now)
        } else {
            sources.charge(bytes, self.perSource.bytesOut, .bytesOut, place, at: now)
        }
    }
}
