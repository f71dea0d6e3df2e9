// How much of something may come in a second, and at once: the generic cell rate algorithm (ITU-T
// I.371, Annex A), which is a token bucket kept in one number.
//
// Pure arithmetic over that number; who shares it keeps it where all can reach it. The number is
// the theoretical arrival time: when everything that has come would have come at the rate exactly.
// It counts in parts of what is limited (a 2^`shift`th of a connection, of a byte), and the time of
// the clock is turned into these parts from its beginning on, so that nothing is rounded twice and
// nothing drifts. It wraps around; what is compared is a difference.

/// A rate with the burst that may come at once.
package struct RateLimit: Hashable, Sendable {
    /// The highest rate: 10 GB/s, counted in bytes.
    package static let perSecondMax: UInt64 = 10_000_000_000

    /// How many a second; 0: no limit.
    package let perSecond: UInt64
    /// How many at once, after a time without any.
    package let burst: UInt64
    /// Of which parts of one the clock counts 2^33 to 2^34 in a second: 0.1 ns at the most.
    private let shift: UInt64

    /// Everything may come.
    package static let none = RateLimit(perSecond: 0, burst: 0)

    /// - Parameters:
    ///   - perSecond: How many a second; 0: no limit. Beyond ``perSecondMax``: that.
    ///   - burst: How many at once; at least 1, and no more than 2^28 seconds bring (8 years).
    package init(perSecond: UInt64, burst: UInt64) {
        self.perSecond = min(perSecond, Self.perSecondMax)
        // The highest bit of the rate in parts is bit 33.
        self.shift = UInt64(max(0, self.perSecond.leadingZeroBitCount - 30))
        self.burst = max(1, min(burst, self.perSecond << 28))
    }

    /// Whether there is a limit.
    package var isSet: Bool { self.perSecond > 0 }

    /// Admits `count` more, or none of them.
    ///
    /// - Parameters:
    ///   - count: How many, at most ``burst`` for an answer that time can change.
    ///   - arrival: The number, 0 before the first.
    ///   - now: The time, of a clock that does not go back far.
    /// - Returns: the number after they have come; nil: they are too many.
    package func admitting(_ count: UInt64, _ arrival: UInt64, at now: Instant) -> UInt64? {
        let clock = self.clock(now)
        guard count <= self.burst else { return nil }
        let sum = self.level(arrival, clock) + count << self.shift
        guard sum <= self.burst << self.shift else { return nil }
        return clock &+ sum
    }

    /// The number after `count` have come, whether or not they were too many.
    ///
    /// What is too much is waited for afterwards. Of more than 2^28 at once, that many.
    package func charging(_ count: UInt64, _ arrival: UInt64, at now: Instant) -> UInt64 {
        let clock = self.clock(now)
        let sum = self.level(arrival, clock) + min(count, 1 << 28) << self.shift
        return clock &+ min(sum, Self.levelMax)
    }

    /// How many may come now; 0 also where more have come than may.
    package func available(_ arrival: UInt64, at now: Instant) -> UInt64 {
        let level = self.level(arrival, self.clock(now))
        let most = self.burst << self.shift
        return level < most ? (most - level) >> self.shift : 0
    }

    /// Whether the number says no more than that nothing has come.
    package func isRestored(_ arrival: UInt64, at now: Instant) -> Bool {
        self.level(arrival, self.clock(now)) == 0
    }

    /// The parts that the rate has brought since the clock began.
    ///
    /// Below 10^9 and 2^34 the product fits 64 bits; the seconds may wrap around.
    private func clock(_ now: Instant) -> UInt64 {
        let rate = self.perSecond << self.shift
        let (seconds, rest) = now.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return seconds &* rate &+ rest * rate / 1_000_000_000
    }

    /// What has come and is not yet made up for.
    ///
    /// Half of the circle lies behind the clock; what is as far ahead as no burst and no debt can
    /// be is a number that has not been used for years.
    private func level(_ arrival: UInt64, _ clock: UInt64) -> UInt64 {
        let ahead = arrival &- clock
        return ahead <= Self.levelMax ? ahead : 0
    }

    /// 2^28 seconds and more; no debt is higher.
    private static let levelMax: UInt64 = 1 << 62
}
