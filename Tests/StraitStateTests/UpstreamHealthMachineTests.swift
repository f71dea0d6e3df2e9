// Checks, ejections and returns: what each event makes of an address.

import StraitCore
import StraitState
import Testing

private let second: UInt64 = 1_000_000_000

private func at(_ seconds: Double) -> Instant {
    Instant(nanoseconds: 1000 * second + UInt64(seconds * 1e9))
}

private func rules(
    rise: Int = 2, fall: Int = 3, slowStart: UInt64 = 16
) -> HealthRules {
    HealthRules(
        rise: rise, fall: fall, interval: 4 * second, ejection: 5 * second,
        ejectionMax: 60 * second, slowStart: slowStart * second)
}

@Suite("UpstreamHealthMachine, by checks") struct HealthCheckTests {
    @Test("an address that nothing is known of gets connections")
    func beginning() {
        let machine = UpstreamHealthMachine(rules())
        #expect(machine.health == .up)
        #expect(machine.share == UpstreamHealth.wholeShare)
        #expect(machine.nextDeadline == .never)
    }

    @Test("before any check has ended, one that fails is enough")
    func firstCheck() {
        var machine = UpstreamHealthMachine(rules(fall: 3))
        #expect(machine.checkFailed() == .turn(.down))
        #expect(machine.share == 0)
    }

    @Test("later it takes `fall` in a row, and one that passes begins anew")
    func fall() {
        var machine = UpstreamHealthMachine(rules(fall: 3))
        #expect(machine.checkPassed(at: at(0)) == .proceed)
        for _ in 0..<2 { #expect(machine.checkFailed() == .proceed) }
        #expect(machine.checkPassed(at: at(1)) == .proceed)
        for _ in 0..<2 { #expect(machine.checkFailed() == .proceed) }
        #expect(machine.checkFailed() == .turn(.down))
        #expect(machine.checkFailed() == .proceed)
    }

    @Test("what is down comes back after `rise` in a row, and its share grows step by step")
    func rise() {
        var machine = UpstreamHealthMachine(rules(rise: 2))
        _ = machine.checkFailed()
        #expect(machine.checkPassed(at: at(0)) == .proceed)
        #expect(machine.checkFailed() == .proceed)
        #expect(machine.checkPassed(at: at(1)) == .proceed)
        #expect(machine.checkPassed(at: at(2)) == .turn(.returning))
        #expect(machine.share == 16)
        var shares = [machine.share]
        while machine.health == .returning {
            let next = machine.nextDeadline
            #expect(machine.timePassed(to: Instant(nanoseconds: next.nanoseconds - 1)) == .proceed)
            let action = machine.timePassed(to: next)
            #expect(action == (machine.health == .up ? .turn(.up) : .share))
            shares.append(machine.share)
        }
        #expect(shares == (1...16).map { UInt32($0 * 16) } + [256])
        #expect(machine.nextDeadline == .never)
    }

    @Test("without a slow start it gets all at once")
    func noSlowStart() {
        var machine = UpstreamHealthMachine(rules(rise: 1, slowStart: 0))
        _ = machine.checkFailed()
        #expect(machine.checkPassed(at: at(0)) == .turn(.up))
    }

    @Test("a thread that wakes late catches up in one step")
    func late() {
        var machine = UpstreamHealthMachine(rules(rise: 1))
        _ = machine.checkFailed()
        _ = machine.checkPassed(at: at(0))
        #expect(machine.timePassed(to: at(8.5)) == .share)
        #expect(machine.share == 9 * 16)
        #expect(machine.timePassed(to: at(100)) == .turn(.up))
    }

    @Test("one that comes back falls like any other")
    func fallsAgain() {
        var machine = UpstreamHealthMachine(rules(rise: 1, fall: 2))
        _ = machine.checkFailed()
        _ = machine.checkPassed(at: at(0))
        #expect(machine.checkFailed() == .proceed)
        #expect(machine.checkFailed() == .turn(.down))
    }

    @Test("checks come by the interval, give or take a tenth, and sooner while in doubt")
    func schedule() {
        var machine = UpstreamHealthMachine(rules(fall: 3))
        _ = machine.checkPassed(at: at(0))
        let calm = [0, 1, 1 << 40, UInt64.max].map { machine.delayBeforeCheck(random: $0) }
        #expect(calm.allSatisfy { (3_600_000_000...4_400_000_000).contains($0) })
        #expect(Set(calm).count > 2)
        _ = machine.checkFailed()
        let hanging = machine.delayBeforeCheck(random: 12_345)
        #expect((900_000_000...1_100_000_000).contains(hanging))
        #expect(machine.delayBeforeFirstCheck(random: .max) < second)
    }
}

@Suite("UpstreamHealthMachine, by connects that fail") struct EjectionTests {
    /// How long the next ejection lasts when it comes so many seconds after the last return.
    private func ejection(
        _ machine: inout UpstreamHealthMachine, at start: inout Instant, after wait: UInt64
    ) -> UInt64 {
        start = start.advanced(byNanoseconds: wait * second)
        #expect(machine.connectsFailed(at: start) == .turn(.ejected))
        let end = machine.nextDeadline
        let length = end.nanoseconds(since: start)
        #expect(machine.timePassed(to: Instant(nanoseconds: end.nanoseconds - 1)) == .proceed)
        #expect(machine.timePassed(to: end) == .turn(.returning))
        start = end
        return length / second
    }

    @Test("each ejection lasts twice as long as the one before, up to the bound")
    func backoff() {
        var machine = UpstreamHealthMachine(rules())
        var now = at(0)
        let lengths = (0..<6).map { _ in self.ejection(&machine, at: &now, after: 1) }
        #expect(lengths == [5, 10, 20, 40, 60, 60])
    }

    @Test("one that did well for twice as long as it was out begins anew")
    func forgiven() {
        var machine = UpstreamHealthMachine(rules())
        var now = at(0)
        #expect(self.ejection(&machine, at: &now, after: 0) == 5)
        #expect(self.ejection(&machine, at: &now, after: 9) == 10)
        #expect(self.ejection(&machine, at: &now, after: 20) == 5)
    }

    @Test("what is out already is not ejected again by those who try it for want of others")
    func once() {
        var machine = UpstreamHealthMachine(rules())
        _ = machine.connectsFailed(at: at(0))
        let end = machine.nextDeadline
        #expect(machine.connectsFailed(at: at(1)) == .proceed)
        #expect(machine.nextDeadline == end)
        _ = machine.checkFailed()
        #expect(machine.health == .down)
        #expect(machine.connectsFailed(at: at(2)) == .proceed)
    }

    @Test("checks that fail take an ejection over, and then they alone end it")
    func takenOver() {
        var machine = UpstreamHealthMachine(rules(rise: 2, fall: 2))
        _ = machine.checkPassed(at: at(0))
        _ = machine.connectsFailed(at: at(0))
        #expect(machine.checkFailed() == .proceed)
        #expect(machine.checkFailed() == .turn(.down))
        #expect(machine.timePassed(to: at(1000)) == .proceed)
        _ = machine.checkPassed(at: at(1001))
        #expect(machine.checkPassed(at: at(1002)) == .turn(.returning))
    }

    @Test("checks that pass do not cut an ejection short")
    func notCutShort() {
        var machine = UpstreamHealthMachine(rules(rise: 1))
        _ = machine.connectsFailed(at: at(0))
        #expect(machine.checkPassed(at: at(1)) == .proceed)
        #expect(machine.health == .ejected)
        #expect(machine.timePassed(to: at(5)) == .turn(.returning))
    }

    @Test("numbers at the edge neither trap nor bring it back early")
    func edges() {
        var machine = UpstreamHealthMachine(
            HealthRules(
                rise: -1, fall: .max, interval: .max, ejection: .max, ejectionMax: 0,
                slowStart: .max))
        _ = machine.delayBeforeCheck(random: .max)
        #expect(machine.connectsFailed(at: at(0)) == .turn(.ejected))
        #expect(machine.nextDeadline == .never)
        _ = machine.checkFailed()
        #expect(machine.checkPassed(at: at(1)) == .turn(.returning))
        #expect(machine.connectsFailed(at: at(2)) == .turn(.ejected))
    }
}
