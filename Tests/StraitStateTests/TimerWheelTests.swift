// The timer wheel alone, and against a list of deadlines.

import StraitCore
import StraitState
import TestSupport
import Testing

/// Nanoseconds, for readability of tables.
private let millisecond: UInt64 = 1_000_000
private let second: UInt64 = 1000 * millisecond
private let hour: UInt64 = 3600 * second
private let day: UInt64 = 24 * hour

private func instant(_ nanoseconds: UInt64) -> Instant { Instant(nanoseconds: nanoseconds) }

extension TimerWheel {
    fileprivate mutating func fired(by now: UInt64) -> [Int] {
        var expired: [Int] = []
        self.advance(to: instant(now), expired: &expired)
        return expired
    }
}

@Suite("TimerWheel, one timer") struct TimerWheelSingleTests {
    @Test(
        "a timer fires at the tick after its deadline, not before, and once",
        arguments: [
            1, millisecond, 9_999_999, 10 * millisecond, 10 * millisecond + 1, 639 * millisecond,
            640 * millisecond, 641 * millisecond, 5 * second, 41 * second, hour, 47 * hour,
            124 * day, 20_000 * day,
        ])
    func fires(after delay: UInt64) {
        let start = 12_345_678_901
        var wheel = TimerWheel(now: instant(UInt64(start)))
        let deadline = UInt64(start) + delay
        wheel.arm(3, at: instant(deadline))
        #expect(wheel.fired(by: deadline - 1) == [])
        #expect(wheel.fired(by: deadline + 10 * millisecond - 1) == [3])
        #expect(wheel.fired(by: deadline + 10 * day) == [])
        #expect(wheel.nextDeadline() == nil)
    }

    @Test("a deadline that has passed fires at the next turn, whatever the clock says")
    func past() {
        var wheel = TimerWheel(now: instant(second))
        wheel.arm(0, at: .zero)
        wheel.arm(1, at: instant(second))
        #expect(wheel.nextDeadline() == instant(second))
        #expect(Set(wheel.fired(by: second)) == [0, 1])
        #expect(wheel.fired(by: 2 * second) == [])
    }

    @Test("a clock that steps back neither fires nor loses a timer")
    func backwards() {
        var wheel = TimerWheel(now: instant(10 * second))
        wheel.arm(0, at: instant(11 * second))
        #expect(wheel.fired(by: 5 * second) == [])
        #expect(wheel.fired(by: 0) == [])
        #expect(wheel.fired(by: 11 * second) == [0])
    }

    @Test("a cancelled timer does not fire, and cancelling twice or out of range is nothing")
    func cancel() {
        var wheel = TimerWheel(now: .zero)
        wheel.arm(7, at: instant(second))
        wheel.cancel(7)
        wheel.cancel(7)
        wheel.cancel(1000)
        wheel.cancel(-1)
        #expect(wheel.nextDeadline() == nil)
        #expect(wheel.fired(by: day) == [])
    }

    @Test("arming for never cancels")
    func never() {
        var wheel = TimerWheel(now: .zero)
        wheel.arm(2, at: instant(second))
        wheel.arm(2, at: .never)
        wheel.arm(5, at: .never)
        #expect(wheel.nextDeadline() == nil)
        #expect(wheel.fired(by: .max) == [])
    }

    @Test("the last of two deadlines holds, whether it is the later or the earlier one")
    func rearm() {
        var wheel = TimerWheel(now: .zero)
        wheel.arm(0, at: instant(second))
        wheel.arm(0, at: instant(hour))
        wheel.arm(1, at: instant(hour))
        wheel.arm(1, at: instant(second))
        #expect(wheel.fired(by: second) == [1])
        #expect(wheel.fired(by: hour - 1) == [])
        #expect(wheel.fired(by: hour) == [0])
    }

    @Test("a key can be armed again after it fired")
    func again() {
        var wheel = TimerWheel(now: .zero)
        wheel.arm(0, at: instant(second))
        #expect(wheel.fired(by: second) == [0])
        wheel.arm(0, at: instant(2 * second))
        #expect(wheel.fired(by: 2 * second) == [0])
    }

    @Test("keys that fire together come tick by tick")
    func order() {
        var wheel = TimerWheel(now: .zero)
        wheel.arm(0, at: instant(day))
        wheel.arm(1, at: instant(hour))
        wheel.arm(2, at: instant(second))
        wheel.arm(3, at: instant(10 * millisecond))
        #expect(wheel.fired(by: 2 * day) == [3, 2, 1, 0])
    }

    @Test("what the caller's list held stays")
    func appends() {
        var wheel = TimerWheel(now: .zero)
        wheel.arm(4, at: instant(1))
        var expired = [9]
        wheel.advance(to: instant(second), expired: &expired)
        #expect(expired == [9, 4])
    }

    @Test("a tick of one nanosecond reaches to the end of the clock")
    func extremes() {
        var wheel = TimerWheel(now: .zero, tickNanoseconds: 1)
        wheel.arm(0, at: instant(.max - 1))
        wheel.arm(1, at: instant(1))
        wheel.reserve(keys: 100)
        #expect(wheel.fired(by: 1) == [1])
        #expect(wheel.fired(by: .max - 2) == [])
        #expect(wheel.fired(by: .max) == [0])
    }

    @Test("a negative key is a mistake of ours")
    func negative() async {
        await #expect(processExitsWith: .failure) {
            var wheel = TimerWheel(now: .zero)
            wheel.arm(-1, at: .zero)
        }
    }

    @Test("a tick without length is a mistake of ours")
    func noTick() async {
        await #expect(processExitsWith: .failure) {
            _ = TimerWheel(now: .zero, tickNanoseconds: 0)
        }
    }
}

extension SplitMix64 {
    /// A span of time whose order of magnitude is as likely as any other, 0 ns to 300 days.
    fileprivate mutating func duration() -> UInt64 {
        let bits = UInt64.random(in: 0...54, using: &self)
        return UInt64.random(in: 0...(1 << bits), using: &self)
    }
}

@Suite("TimerWheel, against a list of deadlines") struct TimerWheelPropertyTests {
    @Test(
        "every timer fires once, never early, at most one tick late; the bound is a bound",
        arguments: 0..<40 as Range<UInt64>)
    func property(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let script = [UInt8(seed % 4)] + (0..<8000).map { _ in UInt8(random.below(256)) }
        #expect(StateFuzzTarget.timerWheel.violation(script) == nil)
    }

    @Test("a far deadline is met in a bounded number of steps", arguments: 0..<20 as Range<UInt64>)
    func steps(seed: UInt64) throws {
        var random = SplitMix64(seed: seed &+ 1000)
        let start = random.duration()
        var wheel = TimerWheel(now: instant(start), tickNanoseconds: 1)
        wheel.arm(0, at: instant(start + random.duration()))
        var fired: [Int] = []
        var steps = 0
        while let bound = wheel.nextDeadline() {
            wheel.advance(to: bound, expired: &fired)
            steps += 1
            try #require(steps <= 11)
        }
        #expect(fired == [0])
    }
}
