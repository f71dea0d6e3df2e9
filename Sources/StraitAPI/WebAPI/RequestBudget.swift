// How many requests each source may make: a bucket for each, kept as the time at which it is full
// again (GCRA). Pure: the time is given.

package import StraitCore

/// Buckets by source.
package struct RequestBudget: Sendable {
    /// When a source's bucket is full again; sources without an entry have full ones.
    private var fullAt: [IPAddress: UInt64] = [:]
    private let sourcesMax: Int
    /// Full buckets are looked for no earlier: a flood from everywhere does not make each request
    /// walk over all.
    private var nextCleaning: UInt64 = 0

    /// Counts for sources that are not known, and for those that come when all places are taken.
    private static let others = IPAddress(high: 0, low: 0)
    private static let second: UInt64 = 1_000_000_000

    /// - Parameter sourcesMax: How many are counted apart.
    package init(sourcesMax: Int = Limits.webAPISourcesMax) { self.sourcesMax = sourcesMax }

    /// How many sources have made requests lately.
    package var sources: Int { self.fullAt.count }

    /// Whether one more request may be answered.
    ///
    /// - Parameters:
    ///   - source: A prefix; see ``WebAPISource``.
    ///   - perSecond: How many may come in a second, 1 or more.
    ///   - now: Nanoseconds of a clock that does not go back.
    /// - Returns: False: it is one too many, and does not count.
    package mutating func admits(
        _ source: IPAddress?, perSecond: Int, now: UInt64
    ) -> Bool {
        let key = self.place(for: source ?? Self.others, now: now)
        let cost = Self.second / UInt64(max(perSecond, 1))
        let full = max(self.fullAt[key] ?? 0, now) + cost
        guard full <= now + Self.second * UInt64(Limits.webAPIBurstSeconds) else { return false }
        self.fullAt[key] = full
        return true
    }

    private mutating func place(for source: IPAddress, now: UInt64) -> IPAddress {
        guard self.fullAt[source] == nil, self.fullAt.count >= self.sourcesMax else {
            return source
        }
        guard now >= self.nextCleaning else { return Self.others }
        self.nextCleaning = now + Self.second
        self.fullAt = self.fullAt.filter { $0.value > now }
        return self.fullAt.count < self.sourcesMax ? source : Self.others
    }
}
