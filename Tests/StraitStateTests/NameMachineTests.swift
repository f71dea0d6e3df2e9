// What a name leads to over good answers, bad ones, and none.

import StraitCore
import StraitState
import Testing

@Suite("NameMachine") struct NameMachineTests {
    private let start = Instant(nanoseconds: 5_000_000_000)
    private let one = IPAddress(v4: 0x0A00_0001)
    private let two = IPAddress(v4: 0x0A00_0002)
    private let six = IPAddress(high: 0x2001_0DB8 << 32, low: 1)

    private func wait(_ machine: NameMachine, since: Instant) -> UInt64 {
        machine.nextQuestion.nanoseconds(since: since) / 1_000_000_000
    }

    @Test("it is asked for at once, then when its lifetime ends")
    func lifetime() {
        var machine = NameMachine(at: self.start)
        #expect(machine.nextQuestion == self.start)
        #expect(!machine.isAnswered)
        #expect(
            machine.answered(
                ipv4: .addresses([self.two, self.one], lifetimeSeconds: 60),
                ipv6: .addresses([self.six], lifetimeSeconds: 30), at: self.start) == true)
        #expect(Set(machine.addresses) == [self.one, self.two, self.six])
        #expect(self.wait(machine, since: self.start) == 30)
    }

    @Test("lifetimes are kept within bounds", arguments: [(0, 1), (1, 1), (7200, 3600)])
    func bounds(seconds: UInt32, waits: UInt64) {
        var machine = NameMachine(at: self.start)
        _ = machine.answered(
            ipv4: .addresses([self.one], lifetimeSeconds: seconds), ipv6: .none, at: self.start)
        #expect(self.wait(machine, since: self.start) == waits)
    }

    @Test("an answer that leads elsewhere holds for a while", arguments: [(0, 5), (4, 5), (9, 9)])
    func moved(seconds: UInt32, waits: UInt64) {
        var machine = NameMachine(at: self.start)
        for (address, expected) in [(self.one, max(1, UInt64(seconds))), (self.two, waits)] {
            #expect(
                machine.answered(
                    ipv4: .addresses([address], lifetimeSeconds: seconds), ipv6: .none,
                    at: self.start) == true)
            #expect(self.wait(machine, since: self.start) == expected)
        }
    }

    @Test("another order is no change")
    func order() {
        var machine = NameMachine(at: self.start)
        _ = machine.answered(
            ipv4: .addresses([self.one, self.two], lifetimeSeconds: 5), ipv6: .none, at: self.start)
        #expect(
            machine.answered(
                ipv4: .addresses([self.two, self.one, self.two], lifetimeSeconds: 5), ipv6: .none,
                at: self.start) == false)
    }

    @Test(
        "failures, and answers without an address, keep the last good one",
        arguments: [NameMachine.Answer.failed, .none, .addresses([], lifetimeSeconds: 9)])
    func failures(answer: NameMachine.Answer) {
        var machine = NameMachine(at: self.start)
        _ = machine.answered(
            ipv4: .addresses([self.one], lifetimeSeconds: 5), ipv6: .none, at: self.start)
        #expect(
            machine.answered(ipv4: answer, ipv6: .none, at: self.start) == false)
        #expect(machine.addresses == [self.one])
        #expect(machine.failures == 1)
        #expect(self.wait(machine, since: self.start) == 5)
    }

    @Test("one family that fails keeps its own, and the other changes")
    func oneFamily() {
        var machine = NameMachine(at: self.start)
        _ = machine.answered(
            ipv4: .addresses([self.one], lifetimeSeconds: 5),
            ipv6: .addresses([self.six], lifetimeSeconds: 5), at: self.start)
        #expect(
            machine.answered(
                ipv4: .addresses([self.two], lifetimeSeconds: 5), ipv6: .failed, at: self.start)
                == true)
        #expect(Set(machine.addresses) == [self.two, self.six])
        #expect(
            machine.answered(
                ipv4: .addresses([self.two], lifetimeSeconds: 5), ipv6: .none, at: self.start)
                == true)
        #expect(machine.addresses == [self.two])
    }

    @Test("a name that never was found leads nowhere")
    func never() {
        var machine = NameMachine(at: self.start)
        #expect(
            machine.answered(ipv4: .failed, ipv6: .failed, at: self.start) == false)
        #expect(machine.isAnswered)
        #expect(machine.addresses.isEmpty)
    }
}
