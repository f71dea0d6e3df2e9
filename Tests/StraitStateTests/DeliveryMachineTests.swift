// How long the side that is left may take what the broken one had sent.

import StraitCore
import StraitState
import Testing

@Suite("DeliveryMachine after one side broke") struct DeliveryMachineTests {
    private let start = Instant(nanoseconds: 7_000_000_000)

    private func later(_ nanoseconds: UInt64) -> Instant {
        self.start.advanced(byNanoseconds: nanoseconds)
    }

    private func look(
        _ machine: inout DeliveryMachine, _ unacknowledged: Int, pending: Bool = false,
        failed: Bool = false, after nanoseconds: UInt64 = 0
    ) -> DeliveryAction {
        machine.looked(
            unacknowledged: unacknowledged, hasPending: pending, targetFailed: failed,
            at: self.later(nanoseconds))
    }

    @Test("with everything acknowledged the target is reset at once", arguments: [false, true])
    func delivered(pending: Bool) {
        var machine = DeliveryMachine(.down, at: self.start)
        #expect(machine.direction == .down)
        let poll = self.later(DeliveryMachine.pollNanoseconds)
        let expected: DeliveryAction = pending ? .wait(until: poll) : .reset
        #expect(self.look(&machine, 0, pending: pending) == expected)
    }

    @Test("a target that is broken, too, is waited for no longer")
    func failed() {
        var machine = DeliveryMachine(.up, at: self.start)
        #expect(self.look(&machine, 1000, pending: true, failed: true) == .reset)
    }

    @Test("a target that makes no progress is reset when the stall is over, and not before")
    func stalled() {
        var machine = DeliveryMachine(.up, at: self.start)
        let stall = Limits.lingerNanoseconds
        #expect(self.look(&machine, 1000) != .reset)
        #expect(self.look(&machine, 1000, after: stall - 1) == .wait(until: self.later(stall)))
        #expect(self.look(&machine, 1000, after: stall) == .reset)
    }

    @Test("progress, by acknowledgements or by bytes that go on, begins the wait anew")
    func progress() {
        var machine = DeliveryMachine(.up, at: self.start)
        let step = Limits.lingerNanoseconds - 1
        #expect(self.look(&machine, 1000) != .reset)
        #expect(self.look(&machine, 900, after: step) != .reset)
        #expect(self.look(&machine, 900, after: 2 * step) != .reset)
        machine.moved(at: self.later(2 * step))
        #expect(self.look(&machine, 900, after: 3 * step) != .reset)
        #expect(self.look(&machine, 900, after: 3 * step + 1) == .reset)
    }

    @Test("in all it lasts no longer than the bound, however steady the progress")
    func bounded() {
        var machine = DeliveryMachine(.up, at: self.start)
        var after: UInt64 = 0
        while after < Limits.deliveryNanoseconds {
            #expect(self.look(&machine, Int(after + 1), after: after) != .reset)
            after += 500_000_000
        }
        #expect(self.look(&machine, 1, after: Limits.deliveryNanoseconds) == .reset)
    }
}
