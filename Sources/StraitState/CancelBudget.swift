// How many Postgres cancel keys may be guessed: what stands between a key of 32 random bits and
// somebody who tries them all.
//
// Only misses are charged, to the address that they came from. So no guesser, and not all of them
// together, use up what a cancel of somebody else needs.

package import StraitCore

/// One worker's count of CancelRequests that named no query, over the running second.
///
/// The table has a fixed number of places (``Limits/cancelSourcesMax``), each for all sources whose
/// hash leads there, so that it is never full: two sources in one place share its budget. The hash
/// is keyed at random when the process starts; nobody can aim at somebody else's place.
package struct CancelBudget: Sendable {
    /// What a source may do now.
    package enum Permit: Equatable, Sendable {
        /// Any key is looked up.
        case anyKey
        /// Too many have guessed: only a query that came from the same source is found.
        case ownKeys
        /// This source has guessed too often: nothing is looked up for it until the next second.
        case none
    }

    private var second: UInt64 = 0
    private var misses = 0
    /// Whether anybody was charged in this second.
    private var isCharged = false
    /// Misses by place; empty until the first one.
    private var places: [UInt16] = []

    /// Nothing was guessed yet.
    package init() {}

    /// What `source` may do at `now`.
    package mutating func permit(_ source: SourcePrefix, at now: Instant) -> Permit {
        self.turn(to: now)
        guard self.isCharged else { return .anyKey }
        if self.places[self.place(of: source)] >= Limits.cancelMissesPerSourceMax { return .none }
        return self.misses < Limits.cancelMissesPerSecondMax ? .anyKey : .ownKeys
    }

    /// Charges `source` for a request that named no query of ours.
    package mutating func missed(_ source: SourcePrefix, at now: Instant) {
        self.passedOn(source, at: now)
        self.misses += 1
    }

    /// Charges `source`, and nobody else, for a request that went on unread to the one service of
    /// its listener: it guesses at that service's keys alone.
    package mutating func passedOn(_ source: SourcePrefix, at now: Instant) {
        self.turn(to: now)
        if self.places.isEmpty {
            self.places = Array(repeating: 0, count: Limits.cancelSourcesMax)
        }
        self.isCharged = true
        let place = self.place(of: source)
        if self.places[place] < .max { self.places[place] += 1 }
    }

    private mutating func turn(to now: Instant) {
        let second = now.nanoseconds / 1_000_000_000
        guard second != self.second else { return }
        self.second = second
        guard self.isCharged else { return }
        self.isCharged = false
        self.misses = 0
        for place in self.places.indices { self.places[place] = 0 }
    }

    private func place(of source: SourcePrefix) -> Int {
        Int(UInt(bitPattern: source.hashValue) % UInt(Limits.cancelSourcesMax))
    }
}
