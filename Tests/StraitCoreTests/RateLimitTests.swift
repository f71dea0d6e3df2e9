// Rates and bursts, against what integers of any size say.

import StraitCore
import Testing

@Suite("RateLimit") struct RateLimitTests {
    private static let second: UInt64 = 1_000_000_000

    /// What the rate brings in so many nanoseconds, exactly.
    private static func brought(_ perSecond: UInt64, in nanoseconds: UInt64) -> UInt64 {
        let product = perSecond.multipliedFullWidth(by: nanoseconds)
        return Self.second.dividingFullWidth((product.high, product.low)).quotient
    }

    @Test(
        "whoever takes all that there is gets the burst and what the rate brings, and not one more",
        arguments: [1, 2, 3, 7, 999, 1_000_003, 123_456_789, 9_999_999_999, 10_000_000_000]
            as [UInt64])
    func exact(perSecond: UInt64) {
        for burst in [1, 5, perSecond, 3 * perSecond] as [UInt64] {
            let limit = RateLimit(perSecond: perSecond, burst: burst)
            for step in [1_000, 333_333, 10_000_000, 1_000_000_007, 86_399_000_000_001] as [UInt64]
            {
                var (arrival, taken) = (UInt64(0), UInt64(0))
                var now = Instant.zero
                // Nothing is lost as long as the burst holds what a step brings and a part of one.
                guard Self.brought(perSecond, in: step) + 2 <= burst else { continue }
                for _ in 0..<200 {
                    let room = limit.available(arrival, at: now)
                    if room > 0, let next = limit.admitting(room, arrival, at: now) {
                        arrival = next
                        taken += room
                    }
                    #expect(limit.admitting(1, arrival, at: now) == nil)
                    let all = burst + Self.brought(perSecond, in: now.nanoseconds)
                    #expect(taken == all, "\(perSecond)/s, \(burst) at once, after \(now)")
                    now = now.advanced(byNanoseconds: step)
                }
            }
        }
    }

    @Test("after years of three a second it is still three a second")
    func noDrift() {
        let limit = RateLimit(perSecond: 3, burst: 2)
        var (arrival, taken) = (UInt64(0), 0)
        let start: UInt64 = 10 * 365 * 86_400 * Self.second
        for step in 0...30_000 as ClosedRange<UInt64> {
            let now = Instant(nanoseconds: start + step * 100_000_000)
            guard let next = limit.admitting(1, arrival, at: now) else { continue }
            arrival = next
            taken += 1
        }
        // Two at once, then three in each of 3000 seconds; the last one may be a nanosecond away.
        #expect((9001...9002).contains(taken))
    }

    @Test("a burst is there again after a time without any, and never more than a burst")
    func restores() {
        let limit = RateLimit(perSecond: 10, burst: 4)
        var arrival: UInt64 = 0
        for hour in 1...3 as ClosedRange<UInt64> {
            let now = Instant(nanoseconds: hour * 3600 * Self.second)
            #expect(limit.isRestored(arrival, at: now))
            for _ in 0..<4 { arrival = limit.admitting(1, arrival, at: now) ?? 0 }
            #expect(limit.admitting(1, arrival, at: now) == nil)
            #expect(!limit.isRestored(arrival, at: now))
            let later = now.advanced(byNanoseconds: 100_000_000)
            #expect(limit.admitting(1, arrival, at: later) != nil)
            #expect(limit.admitting(2, arrival, at: later) == nil)
        }
    }

    @Test("what was charged beyond the burst is waited for to the last byte")
    func debt() {
        let limit = RateLimit(perSecond: 1000, burst: 100)
        let start = Instant(nanoseconds: 77)
        let arrival = limit.charging(5_100, 0, at: start)
        for (wait, room) in [
            (0, 0), (4_999, 0), (5_000, 0), (5_001, 1), (5_100, 100), (9_000, 100),
        ] {
            let now = start.advanced(byNanoseconds: UInt64(wait) * 1_000_000)
            #expect(limit.available(arrival, at: now) == UInt64(room), "after \(wait) ms")
        }
    }

    @Test("a clock that is behind admits no more")
    func behind() {
        let limit = RateLimit(perSecond: 1, burst: 2)
        let now = Instant(nanoseconds: 100 * Self.second)
        let arrival = limit.charging(2, 0, at: now)
        let before = Instant(nanoseconds: now.nanoseconds - 50_000_000)
        #expect(limit.admitting(1, arrival, at: before) == nil)
        #expect(limit.available(arrival, at: before) == 0)
    }

    @Test("no limit is none, and what is too high is the highest")
    func bounds() {
        #expect(!RateLimit.none.isSet)
        #expect(RateLimit(perSecond: .max, burst: .max).perSecond == RateLimit.perSecondMax)
        #expect(RateLimit(perSecond: 1, burst: .max).burst == 1 << 28)
        #expect(RateLimit(perSecond: 5, burst: 0).burst == 1)
        #expect(RateLimit(perSecond: 5, burst: 5).admitting(.max, 0, at: .zero) == nil)
        #expect(RateLimit(perSecond: 5, burst: 5).admitting(6, 0, at: .zero) == nil)
        #expect(RateLimit(perSecond: 5, burst: 5).admitting(5, 0, at: .never) != nil)
    }
}
