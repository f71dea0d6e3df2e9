// A timer wheel beside a list of deadlines, both driven by a script of bytes. No test library in
// this file.

import StraitCore
import StraitState

/// One run of a script; what the wheel says is compared with the list after every step.
struct TimerWheelRun: ~Copyable {
    /// A promise that was broken; nil while all are kept.
    private(set) var violation: String?

    private var wheel: TimerWheel
    private let tick: UInt64
    private var now: UInt64
    /// The clock never steps back in the list's view, as the wheel promises.
    private var deadlines: [Int: UInt64] = [:]
    private var script: ArraySlice<UInt8>

    /// The first byte chooses the tick, the next two when it begins; then each byte is a step.
    init(_ script: [UInt8]) {
        let ticks: [UInt64] = [1, 1000, 10_000_000, 999_999_937]
        self.script = script[...]
        self.tick = ticks[Int(self.script.popFirst() ?? 0) % 4]
        self.now = 0
        self.wheel = TimerWheel(now: .zero, tickNanoseconds: self.tick)
        self.now = self.duration()
        self.wheel = TimerWheel(
            now: Instant(nanoseconds: self.now), tickNanoseconds: self.tick)
    }

    /// Takes every step, and then time goes on until nothing is armed.
    mutating func run() {
        while let step = self.script.popFirst(), self.violation == nil {
            switch step & 15 {
            case 0..<6: self.arm(Int(step >> 4), at: self.later(self.duration()))
            case 6: self.arm(Int(step >> 4), at: self.now - min(self.now, self.duration()))
            case 7: self.arm(Int(step >> 4), at: .max)
            case 8:
                self.wheel.cancel(Int(step >> 4))
                self.deadlines[Int(step >> 4)] = nil
            case 9, 10: self.advanceToBound()
            case 11: self.advanceBeforeBound()
            case 12: self.stepBack(self.duration())
            default: self.advance(to: self.later(self.duration() >> UInt64(step >> 4)))
            }
            self.checkBound()
        }
        guard self.violation == nil else { return }
        self.advance(to: .max - 1)
        if !self.deadlines.isEmpty { self.violation = "\(self.deadlines.count) never fire" }
        if self.wheel.nextDeadline() != nil { self.violation = "a bound without a timer" }
    }

    // MARK: What the bytes say

    /// A span of time whose order of magnitude is as likely as any other, 0 ns to 400 days.
    private mutating func duration() -> UInt64 {
        let bits = UInt64(self.script.popFirst() ?? 0) % 56
        let digits = UInt64(self.script.popFirst() ?? 0)
        return bits < 8 ? digits >> (8 - bits) : (256 | digits) << (bits - 8)
    }

    private func later(_ duration: UInt64) -> UInt64 {
        min(self.now.addingReportingOverflow(duration).partialValue, .max - 1)
    }

    // MARK: Steps

    private mutating func arm(_ key: Int, at deadline: UInt64) {
        self.wheel.arm(key, at: Instant(nanoseconds: deadline))
        self.deadlines[key] = deadline == .max ? nil : deadline
    }

    private mutating func advanceToBound() {
        guard let bound = self.wheel.nextDeadline() else { return }
        self.advance(to: max(self.now, bound.nanoseconds))
    }

    /// Up to the bound, which is the wheel's promise that nothing fires.
    private mutating func advanceBeforeBound() {
        guard let bound = self.wheel.nextDeadline(), bound.nanoseconds > self.now + 1 else {
            return
        }
        let before = self.deadlines.count
        self.advance(to: bound.nanoseconds - 1)
        if self.deadlines.count != before { self.violation = "fired before the bound" }
    }

    /// A clock that steps back fires what is due already, and nothing else.
    private mutating func stepBack(_ duration: UInt64) {
        var fired: [Int] = []
        self.wheel.advance(
            to: Instant(nanoseconds: self.now - min(self.now, duration)), expired: &fired)
        self.take(fired, at: self.now)
    }

    private mutating func advance(to later: UInt64) {
        var fired: [Int] = []
        self.wheel.advance(to: Instant(nanoseconds: later), expired: &fired)
        let before = self.now
        self.now = later
        self.take(fired, at: before)
    }

    /// What fired was armed, is due, and comes in order; what did not is not a whole tick late.
    private mutating func take(_ fired: [Int], at before: UInt64) {
        var last = before / self.tick
        for key in fired {
            guard let deadline = self.deadlines.removeValue(forKey: key) else {
                self.violation = "\(key) fired without being armed, or twice"
                return
            }
            guard deadline <= self.now else {
                self.violation = "\(key) fired early"
                return
            }
            let due = deadline / self.tick + (deadline % self.tick == 0 ? 0 : 1)
            if max(due, before / self.tick) < last { self.violation = "\(key) is out of order" }
            last = max(due, last)
        }
        for (key, deadline) in self.deadlines where self.now >= deadline {
            if self.now - deadline >= self.tick { self.violation = "\(key) is late" }
        }
    }

    private mutating func checkBound() {
        guard self.violation == nil else { return }
        let bound = self.wheel.nextDeadline()
        guard let earliest = self.deadlines.values.min() else {
            if bound != nil { self.violation = "a bound without a timer" }
            return
        }
        guard let bound else {
            self.violation = "no bound although timers are armed"
            return
        }
        let (latest, isBeyond) = max(earliest, self.now).addingReportingOverflow(self.tick)
        if !isBeyond, bound.nanoseconds >= latest { self.violation = "the bound is too late" }
    }
}
