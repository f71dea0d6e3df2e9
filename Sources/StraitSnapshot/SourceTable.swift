// What sources use of the limits that tenants set on each of them: one table for the process, which
// all workers share.
//
// A cache with a fixed number of entries and sets of eight, as a processor has it: relaxed atomics
// alone, no lock, no allocation after its beginning. Keys are hashes that are keyed at random when
// the process starts; nobody can aim at a set.
//
// At its bound the least recently used entry of the set goes, those without open connections first,
// and a tenant that has half of a set replaces its own. Who was forgotten begins anew: the table
// fails open. So somebody with a million addresses, who would pass a limit on each source anyway,
// makes it forget other sources of the same tenant, but not those of other tenants as long as he
// floods one; the tenant's own limits hold him. Approximate where two workers meet: a source that
// is forgotten at the very moment of its use may be charged one too few or too many.

package import StraitCore
internal import Synchronization

/// What sources use of the limits of each source.
package final class SourceTable: Sendable {
    /// Sets: 65,536 sources, which take some 6 MB.
    package static let setsStandard = 8192
    /// Entries of a set.
    package static let ways = 8
    /// Entries of a set that one tenant may have before it replaces its own.
    package static let waysOfTenantMax = 4

    /// Which rate of a source.
    package enum Rate: Int, Sendable, CaseIterable {
        case newConnections, handshakes, bytesIn, bytesOut
    }

    /// Where a source is counted, as long as it is not forgotten.
    package struct Place: Hashable, Sendable {
        fileprivate let set: Int32
        fileprivate let way: Int32
        /// 40 bits of the key's hash.
        fileprivate let tag: UInt64
    }

    private final class Entry: Sendable {
        /// The tag above 24 bits of open connections; 0: free.
        let use = Atomic<UInt64>(0)
        /// The tenant's number above a stamp of the last use, in 2^20 ns; it wraps around.
        let owner = Atomic<UInt64>(0)
        let newConnections = Atomic<UInt64>(0)
        let handshakes = Atomic<UInt64>(0)
        let bytesIn = Atomic<UInt64>(0)
        let bytesOut = Atomic<UInt64>(0)

        func reset() {
            self.newConnections.store(0, ordering: .relaxed)
            self.handshakes.store(0, ordering: .relaxed)
            self.bytesIn.store(0, ordering: .relaxed)
            self.bytesOut.store(0, ordering: .relaxed)
        }
    }

    private static let openBits: UInt64 = 24
    private static let openMask: UInt64 = 1 << openBits - 1

    /// The one of this process; its memory is taken when a tenant first limits its sources.
    package static let shared = SourceTable()

    private let sets: Int
    private let entries: [Entry]
    private let nextOwner = Atomic<UInt64>(1)

    /// - Parameter sets: How many sets of ``ways`` entries; at least 1.
    package init(sets: Int = setsStandard) {
        self.sets = sets
        self.entries = (0..<sets * Self.ways).map { _ in Entry() }
    }

    /// A number for a tenant, and for its limits: sources under other limits are counted anew.
    package func newOwner() -> UInt32 {
        UInt32(truncatingIfNeeded: self.nextOwner.add(1, ordering: .relaxed).newValue)
    }

    /// Counts one more open connection of a source.
    ///
    /// - Returns: where it is counted, and how many it has open now.
    package func opened(
        _ source: SourcePrefix, of owner: UInt32, at now: Instant
    ) -> (place: Place, open: Int) {
        let (set, tag) = self.position(source, owner)
        // Nobody else comes between more often than there are workers; then one way is as good.
        for _ in 0..<Self.ways {
            let way = self.way(of: tag, in: set) ?? self.victim(in: set, for: owner, at: now)
            let entry = self.entries[set * Self.ways + way]
            let found = entry.use.load(ordering: .relaxed)
            let isKnown = found >> Self.openBits == tag
            let next = isKnown ? found + 1 : tag << Self.openBits | 1
            guard next & Self.openMask != 0 else { break }  // 2^24 are open: it stays at that
            let (exchanged, _) = entry.use.compareExchange(
                expected: found, desired: next, ordering: .relaxed)
            guard exchanged else { continue }
            if !isKnown { entry.reset() }
            entry.owner.store(UInt64(owner) << 32 | Self.stamp(now), ordering: .relaxed)
            return (
                Place(set: Int32(set), way: Int32(way), tag: tag), Int(next & Self.openMask)
            )
        }
        return (Place(set: Int32(set), way: 0, tag: 0), 1)
    }

    /// Counts one open connection less, unless its source was forgotten meanwhile.
    package func closed(_ place: Place) {
        guard let entry = self.entry(place) else { return }
        var current = entry.use.load(ordering: .relaxed)
        while current >> Self.openBits == place.tag, current & Self.openMask > 0 {
            let (exchanged, original) = entry.use.compareExchange(
                expected: current, desired: current - 1, ordering: .relaxed)
            if exchanged { return }
            current = original
        }
    }

    /// Whether `count` more may come from a source; then they are charged.
    package func admits(
        _ count: UInt64, _ limit: RateLimit, _ rate: Rate, _ place: Place, at now: Instant
    ) -> Bool {
        guard limit.isSet, let entry = self.entry(place) else { return true }
        return switch rate {
        case .newConnections: limit.admit(count, entry.newConnections, at: now)
        case .handshakes: limit.admit(count, entry.handshakes, at: now)
        case .bytesIn: limit.admit(count, entry.bytesIn, at: now)
        case .bytesOut: limit.admit(count, entry.bytesOut, at: now)
        }
    }

    /// Charges what has come from a source.
    package func charge(
        _ count: UInt64, _ limit: RateLimit, _ rate: Rate, _ place: Place, at now: Instant
    ) {
        guard limit.isSet, let entry = self.entry(place) else { return }
        switch rate {
        case .newConnections: limit.charge(count, entry.newConnections, at: now)
        case .handshakes: limit.charge(count, entry.handshakes, at: now)
        case .bytesIn: limit.charge(count, entry.bytesIn, at: now)
        case .bytesOut: limit.charge(count, entry.bytesOut, at: now)
        }
    }

    /// How many may come from a source now.
    package func available(
        _ limit: RateLimit, _ rate: Rate, _ place: Place, at now: Instant
    ) -> UInt64 {
        guard limit.isSet, let entry = self.entry(place) else { return .max }
        return switch rate {
        case .newConnections:
            limit.available(entry.newConnections.load(ordering: .relaxed), at: now)
        case .handshakes: limit.available(entry.handshakes.load(ordering: .relaxed), at: now)
        case .bytesIn: limit.available(entry.bytesIn.load(ordering: .relaxed), at: now)
        case .bytesOut: limit.available(entry.bytesOut.load(ordering: .relaxed), at: now)
        }
    }

    // MARK: Sets and ways

    /// Nil: it was forgotten.
    private func entry(_ place: Place) -> Entry? {
        let entry = self.entries[Int(place.set) * Self.ways + Int(place.way)]
        let tag = entry.use.load(ordering: .relaxed) >> Self.openBits
        return tag == place.tag && tag != 0 ? entry : nil
    }

    private func position(_ source: SourcePrefix, _ owner: UInt32) -> (set: Int, tag: UInt64) {
        var hasher = Hasher()
        hasher.combine(owner)
        hasher.combine(source)
        let hash = UInt64(UInt(bitPattern: hasher.finalize()))
        // 0 is no tag.
        return (Int(hash % UInt64(self.sets)), max(hash >> Self.openBits, 1))
    }

    private func way(of tag: UInt64, in set: Int) -> Int? {
        (0..<Self.ways).first {
            self.entries[set * Self.ways + $0].use.load(ordering: .relaxed) >> Self.openBits == tag
        }
    }

    /// Which entry a new source takes: a free one, or the least recently used.
    private func victim(in set: Int, for owner: UInt32, at now: Instant) -> Int {
        let base = set * Self.ways
        let own = (0..<Self.ways).count {
            self.entries[base + $0].use.load(ordering: .relaxed) != 0
                && self.entries[base + $0].owner.load(ordering: .relaxed) >> 32 == owner
        }
        var best = (way: 0, isOpen: true, age: UInt32(0), isFirst: true)
        for way in 0..<Self.ways {
            let entry = self.entries[base + way]
            let use = entry.use.load(ordering: .relaxed)
            let stamp = entry.owner.load(ordering: .relaxed)
            let isOwn = use != 0 && stamp >> 32 == owner
            guard own < Self.waysOfTenantMax || isOwn else { continue }
            if use == 0 { return way }
            let age = UInt32(truncatingIfNeeded: Self.stamp(now) &- stamp)
            let isOpen = use & Self.openMask > 0
            let isBetter = isOpen == best.isOpen ? age > best.age : !isOpen
            if best.isFirst || isBetter { best = (way, isOpen, age, false) }
        }
        return best.way
    }

    private static func stamp(_ now: Instant) -> UInt64 { now.nanoseconds >> 20 & 0xFFFF_FFFF }
}
