// A rate limit over a number that workers share: relaxed, nobody waits for anybody.

internal import StraitCore
internal import Synchronization

extension RateLimit {
    /// Whether `count` more may come; then they are charged.
    func admit(_ count: UInt64, _ arrival: borrowing Atomic<UInt64>, at now: Instant) -> Bool {
        guard self.isSet else { return true }
        var current = arrival.load(ordering: .relaxed)
        while true {
            guard let next = self.admitting(count, current, at: now) else { return false }
            let (exchanged, original) = arrival.weakCompareExchange(
                expected: current, desired: next, ordering: .relaxed)
            if exchanged { return true }
            current = original
        }
    }

    /// Charges what has come.
    func charge(_ count: UInt64, _ arrival: borrowing Atomic<UInt64>, at now: Instant) {
        guard self.isSet else { return }
        var current = arrival.load(ordering: .relaxed)
        while true {
            let (exchanged, original) = arrival.weakCompareExchange(
                expected: current, desired: self.charging(count, current, at: now),
                ordering: .relaxed)
            if exchanged { return }
            current = original
        }
    }
}
