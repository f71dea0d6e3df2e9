// What a name of an upstream leads to, and when to ask again. Failures change nothing but the time.

package import StraitCore

/// One name.
package struct NameMachine: Equatable, Sendable {
    /// What one question, for addresses of one family, came to.
    package enum Answer: Equatable, Sendable {
        /// These, and for so many seconds.
        case addresses([IPAddress], lifetimeSeconds: UInt32)
        /// The name has none of that family.
        case none
        /// Nobody knows; what was known before stands.
        case failed
    }

    /// What it leads to: in one order, however the answers were ordered; the last good answer.
    package private(set) var addresses: [IPAddress] = []
    /// When to ask again.
    package private(set) var nextQuestion: Instant
    /// Whether any answer has come yet, good or bad.
    package private(set) var isAnswered = false
    /// Questions in a row that came to nothing.
    package private(set) var failures = 0

    /// A name that is asked for at once.
    package init(at now: Instant) { self.nextQuestion = now }

    /// Both families were asked for; true when the name leads elsewhere than before.
    package mutating func answered(ipv4: Answer, ipv6: Answer, at now: Instant) -> Bool {
        self.isAnswered = true
        let before = self.addresses
        var next: [IPAddress] = []
        var lifetime = UInt64.max
        for (answer, isIPv4) in [(ipv4, true), (ipv6, false)] {
            switch answer {
            case .addresses(let found, let seconds):
                next += found.filter { $0.isIPv4 == isIPv4 }
                lifetime = min(lifetime, UInt64(seconds))
            case .none: break
            case .failed: next += before.filter { $0.isIPv4 == isIPv4 }
            }
        }
        let isGood = lifetime < .max && !next.isEmpty
        self.failures = isGood ? 0 : self.failures + 1
        let wait: Duration
        if isGood {
            self.addresses = Array(Set(next)).sorted { ($0.high, $0.low) < ($1.high, $1.low) }
            let isMoved = !before.isEmpty && self.addresses != before
            let least = isMoved ? Limits.nameMovedLifetimeMin : Limits.nameLifetimeMin
            wait = min(max(.seconds(lifetime), least), Limits.nameLifetimeMax)
        } else {
            wait = Limits.nameRetry
        }
        self.nextQuestion = now.advanced(byNanoseconds: wait.nanoseconds)
        return self.addresses != before
    }
}
