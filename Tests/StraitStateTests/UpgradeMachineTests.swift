// Who accepts while one process takes over from another.

import StraitState
import Testing

@Suite("UpgradeMachine") struct UpgradeMachineTests {
    private static func machine(_ steps: Int) -> UpgradeMachine {
        var machine = UpgradeMachine()
        if steps > 0 { #expect(machine.requested() == .offer) }
        if steps > 1 { #expect(machine.successorReady() == .go) }
        if steps > 2 { #expect(machine.successorServes() == .drain) }
        return machine
    }

    @Test("a successor that becomes ready and serves lets us drain, and we may return")
    func handOver() {
        let machine = Self.machine(3)
        #expect(machine.hasHandedOver && machine.mayReturn && !machine.isServing)
    }

    @Test(
        "a successor that fails before it serves is abandoned, and another one may come",
        arguments: [1, 2], [UpgradeFailure.gone, .late, .refused("no")])
    func abandoned(steps: Int, failure: UpgradeFailure) {
        var machine = Self.machine(steps)
        #expect(!machine.isServing)
        #expect(machine.failed(failure) == .abandon(failure))
        #expect(machine == UpgradeMachine())
        #expect(machine.requested() == .offer)
    }

    @Test(
        "a successor that ends or gives back lets us accept again",
        arguments: [UpgradeFailure.gone, .rolledBack])
    func returning(failure: UpgradeFailure) {
        var machine = Self.machine(3)
        #expect(machine.failed(failure) == .resume(failure))
        #expect(machine == UpgradeMachine())
    }

    @Test("a successor that has a successor itself is not returned from")
    func released() {
        var machine = Self.machine(3)
        machine.released()
        #expect(machine.hasHandedOver && !machine.mayReturn)
        #expect(machine.failed(.gone) == .none)
        #expect(machine.hasHandedOver)
    }

    @Test("words that come at the wrong time change nothing", arguments: 0...3)
    func outOfTurn(steps: Int) {
        var machine = Self.machine(steps)
        let before = machine
        if steps != 0 { #expect(machine.requested() == .none) }
        if steps != 1 { #expect(machine.successorReady() == .none) }
        if steps != 2 { #expect(machine.successorServes() == .none) }
        if steps != 3 { machine.released() }
        if steps == 0 { #expect(machine.failed(.gone) == .none) }
        #expect(machine == before)
    }

    @Test("every failure has a name of its own in metrics")
    func names() {
        let all: [UpgradeFailure] = [.refused("no"), .gone, .late, .rolledBack]
        #expect(all.map(\.name) == UpgradeFailure.reasons)
    }
}
