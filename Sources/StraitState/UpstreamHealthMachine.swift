// Whether an address of a service gets connections: rise and fall of its checks, ejection after
// connects that failed in a row, and a slow return.
//
// Checks say most: what they call down stays down until they pass again. An ejection ends by time,
// each longer than the one before.

package import StraitCore

/// How an address is judged.
package struct HealthRules: Hashable, Sendable {
    /// Checks in a row that must pass before an address that is down comes back; 1 or more.
    package var rise: Int
    /// Checks in a row that must fail before an address is down; 1 or more.
    package var fall: Int
    /// From one check to the next, in nanoseconds.
    package var interval: UInt64
    /// How long the first ejection lasts, in nanoseconds; each that follows twice as long.
    package var ejection: UInt64
    /// No ejection lasts longer.
    package var ejectionMax: UInt64
    /// How long the share of an address that comes back grows; 0: it gets all at once.
    package var slowStart: UInt64

    /// See the properties.
    package init(
        rise: Int, fall: Int, interval: UInt64, ejection: UInt64, ejectionMax: UInt64,
        slowStart: UInt64
    ) {
        self.rise = max(rise, 1)
        self.fall = max(fall, 1)
        self.interval = interval
        self.ejection = ejection
        self.ejectionMax = max(ejectionMax, ejection)
        self.slowStart = slowStart
    }
}

/// What an event means for those who choose addresses.
package enum HealthAction: Equatable, Sendable {
    /// Nothing.
    case proceed
    /// The share has grown.
    case share
    /// It stands otherwise than before; people want to know.
    case turn(UpstreamHealth)
}

/// The standing of one address.
package struct UpstreamHealthMachine: Equatable, Sendable {
    /// In how many steps the share of an address that comes back grows; the first step is its
    /// first share.
    package static let steps: UInt32 = 16

    private enum State: Equatable {
        /// So many checks in a row have failed. Can transition to: down, ejected.
        case up(failed: Int)
        /// Back since then, likewise. Can transition to: up, down, ejected.
        case returning(since: Instant, step: UInt32, failed: Int)
        /// So many checks in a row have passed. Can transition to: returning, up.
        case down(passed: Int)
        /// Out until then; so many checks in a row have failed. Can transition to: returning, up,
        /// down.
        case ejected(until: Instant, failed: Int)
    }

    private var state = State.up(failed: 0)
    private var rules: HealthRules
    /// Whether any check has ended: before, one that fails is enough.
    private var wasChecked = false
    /// How long the last ejection lasted; 0 where there was none, or it is forgiven.
    private var lastEjection: UInt64 = 0
    /// When the last ejection ended.
    private var lastReturn = Instant.zero

    /// An address that nothing is known of: it gets connections.
    package init(_ rules: HealthRules) { self.rules = rules }

    /// Judges by other rules from now on; what is known stays.
    package mutating func adopt(_ rules: HealthRules) { self.rules = rules }

    // MARK: Events

    /// A check has passed.
    package mutating func checkPassed(at now: Instant) -> HealthAction {
        self.wasChecked = true
        switch self.state {
        case .up: self.state = .up(failed: 0)
        case .returning(let since, let step, _):
            self.state = .returning(since: since, step: step, failed: 0)
        case .down(let passed):
            guard passed + 1 < self.rules.rise else { return self.comeBack(now, failed: 0) }
            self.state = .down(passed: passed + 1)
        case .ejected(let until, _): self.state = .ejected(until: until, failed: 0)
        }
        return .proceed
    }

    /// A check has failed.
    package mutating func checkFailed() -> HealthAction {
        let isFirst = !self.wasChecked
        self.wasChecked = true
        switch self.state {
        case .up(let failed):
            guard !isFirst, failed + 1 < self.rules.fall else { return self.goDown() }
            self.state = .up(failed: failed + 1)
        case .returning(let since, let step, let failed):
            guard !isFirst, failed + 1 < self.rules.fall else { return self.goDown() }
            self.state = .returning(since: since, step: step, failed: failed + 1)
        case .down: self.state = .down(passed: 0)
        case .ejected(let until, let failed):
            guard !isFirst, failed + 1 < self.rules.fall else { return self.goDown() }
            self.state = .ejected(until: until, failed: failed + 1)
        }
        return .proceed
    }

    /// So many connects in a row have failed that it should get no more.
    package mutating func connectsFailed(at now: Instant) -> HealthAction {
        let failed: Int
        switch self.state {
        case .up(let checks), .returning(_, _, let checks): failed = checks
        case .down, .ejected: return .proceed  // it is tried because none is healthy
        }
        let (twice, overflow) = self.lastEjection.addingReportingOverflow(self.lastEjection)
        let isForgiven = now.nanoseconds(since: self.lastReturn) >= twice
        let next = isForgiven ? self.rules.ejection : max(twice, self.rules.ejection)
        self.lastEjection = min(overflow ? .max : next, self.rules.ejectionMax)
        self.state = .ejected(
            until: now.advanced(byNanoseconds: self.lastEjection), failed: failed)
        return .turn(.ejected)
    }

    /// ``nextDeadline`` has come, or some other time.
    package mutating func timePassed(to now: Instant) -> HealthAction {
        switch self.state {
        case .up, .down: return .proceed
        case .ejected(let until, let failed):
            guard until <= now else { return .proceed }
            self.lastReturn = now
            return self.comeBack(now, failed: failed)
        case .returning(let since, let step, let failed):
            let reached = self.step(since: since, at: now)
            guard reached < Self.steps else {
                self.state = .up(failed: failed)
                return .turn(.up)
            }
            guard reached > step else { return .proceed }
            self.state = .returning(since: since, step: reached, failed: failed)
            return .share
        }
    }

    // MARK: Reading

    /// How it stands.
    package var health: UpstreamHealth {
        switch self.state {
        case .up: .up
        case .returning: .returning
        case .down: .down
        case .ejected: .ejected
        }
    }

    /// What part of its weight counts, of ``UpstreamHealth/wholeShare``; 0 while it is not healthy.
    package var share: UInt32 {
        switch self.state {
        case .up: UpstreamHealth.wholeShare
        case .returning(_, let step, _): (step + 1) * (UpstreamHealth.wholeShare / Self.steps)
        case .down, .ejected: 0
        }
    }

    /// When ``timePassed(to:)`` has something to do.
    package var nextDeadline: Instant {
        switch self.state {
        case .up, .down: return .never
        case .ejected(let until, _): return until
        case .returning(let since, let step, _):
            let next = self.rules.slowStart / UInt64(Self.steps) * UInt64(step + 1)
            return since.advanced(byNanoseconds: next)
        }
    }

    /// How long to wait before the next check, in nanoseconds: the interval give or take a tenth,
    /// so that many routers do not ask at once, and a quarter of that while the verdict hangs.
    ///
    /// - Parameter random: Any number; all bits are used.
    /// - Returns: Nanoseconds.
    package func delayBeforeCheck(random: UInt64) -> UInt64 {
        let base = self.isInDoubt ? self.rules.interval / 4 : self.rules.interval
        let tenth = base / 10
        return base - tenth + (tenth == 0 ? 0 : random % (2 * tenth + 1))
    }

    /// How long to wait before the first check: anything up to an interval, but no more than a
    /// second.
    package func delayBeforeFirstCheck(random: UInt64) -> UInt64 {
        random % max(min(self.rules.interval, 1_000_000_000), 1)
    }

    /// Whether the next checks decide: some have failed and not enough, or passed.
    private var isInDoubt: Bool {
        switch self.state {
        case .up(let failed), .returning(_, _, let failed), .ejected(_, let failed): failed > 0
        case .down(let passed): passed > 0
        }
    }

    // MARK: Turns

    private mutating func goDown() -> HealthAction {
        self.state = .down(passed: 0)
        return .turn(.down)
    }

    private mutating func comeBack(_ now: Instant, failed: Int) -> HealthAction {
        guard self.rules.slowStart >= UInt64(Self.steps) else {
            self.state = .up(failed: failed)
            return .turn(.up)
        }
        self.state = .returning(since: now, step: 0, failed: failed)
        return .turn(.returning)
    }

    /// The step of the share at `now`: up to ``steps``, which is the end.
    private func step(since: Instant, at now: Instant) -> UInt32 {
        let length = max(self.rules.slowStart / UInt64(Self.steps), 1)
        return UInt32(min(now.nanoseconds(since: since) / length, UInt64(Self.steps)))
    }
}
