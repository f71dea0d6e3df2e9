// Every event of a relay in every state of its two directions.

import StraitCore
import StraitState
import Testing

/// How far one direction is, seen from outside.
enum RelayFlow: CaseIterable, Sendable {
    case open
    case ending
    case ended
}

/// Both directions of a relay, and which of them was the first to leave `open`.
struct RelaySituation: CustomTestStringConvertible, Sendable {
    var up: RelayFlow
    var down: RelayFlow
    var first: RelayDirection

    static let all: [RelaySituation] = RelayFlow.allCases.flatMap { up in
        RelayFlow.allCases.flatMap { down in
            RelayDirection.allCases.map { RelaySituation(up: up, down: down, first: $0) }
        }
    }

    /// A machine that has come there.
    var machine: RelayMachine {
        var machine = RelayMachine()
        for direction in [self.first, self.first.opposite] where self[direction] != .open {
            _ = machine.sourceEnded(direction, hasPending: self[direction] == .ending)
        }
        return machine
    }

    subscript(direction: RelayDirection) -> RelayFlow {
        direction == .up ? self.up : self.down
    }

    /// Who was the first to end, once `direction` has ended too.
    func firstSide(endingNow direction: RelayDirection) -> CloseReason.Side {
        if self[self.first] != .open { return self.first.source }
        return self[self.first.opposite] != .open ? self.first.opposite.source : direction.source
    }

    /// What must happen when `direction` has nothing left to bring.
    func end(_ direction: RelayDirection) -> RelayAction {
        guard self[direction.opposite] == .ended else { return .endTarget(direction) }
        return .endTargetAndFinish(
            direction, CloseReason(self.firstSide(endingNow: direction), .finished))
    }

    var testDescription: String { "up \(self.up), down \(self.down), first \(self.first)" }
}

@Suite("RelayMachine, every event in every state") struct RelayMachineTests {
    @Test(
        "a source that ends is told on at once, or when what is kept has gone",
        arguments: RelaySituation.all, RelayDirection.allCases)
    func sourceEnded(situation: RelaySituation, direction: RelayDirection) {
        for hasPending in [false, true] {
            var machine = situation.machine
            let action = machine.sourceEnded(direction, hasPending: hasPending)
            guard situation[direction] == .open else {
                #expect(action == .proceed)
                #expect(machine == situation.machine, "an end that is known changes nothing")
                continue
            }
            #expect(!machine.isOpen(direction))
            #expect(action == (hasPending ? .proceed : situation.end(direction)))
            guard hasPending else { continue }
            #expect(machine.pendingFlushed(direction) == situation.end(direction))
            #expect(machine.pendingFlushed(direction) == .proceed, "told once")
        }
    }

    @Test(
        "what was kept has gone: that ends a direction only when its source has ended",
        arguments: RelaySituation.all, RelayDirection.allCases)
    func pendingFlushed(situation: RelaySituation, direction: RelayDirection) {
        var machine = situation.machine
        let action = machine.pendingFlushed(direction)
        guard situation[direction] == .ending else {
            #expect(action == .proceed)
            #expect(machine == situation.machine)
            return
        }
        #expect(action == situation.end(direction))
        #expect(machine != situation.machine)
    }

    @Test(
        "a side that breaks closes with that side and kind, whatever has ended before",
        arguments: RelaySituation.all)
    func broke(situation: RelaySituation) {
        let machine = situation.machine
        for side in CloseReason.Side.allCases {
            for kind in [CloseReason.Kind.reset, .truncated, .tlsHandshakeFailed] {
                let expected = RelayAction.close(CloseReason(side, kind), resetsOther: true)
                #expect(machine.broke(side, kind) == expected)
            }
        }
    }

    @Test(
        "the reading side tells what is open, and whether one side alone is",
        arguments: RelaySituation.all)
    func reading(situation: RelaySituation) {
        let machine = situation.machine
        let openCount = RelayDirection.allCases.count { situation[$0] == .open }
        for direction in RelayDirection.allCases {
            #expect(machine.isOpen(direction) == (situation[direction] == .open))
        }
        #expect(machine.isHalfClosed == (openCount == 1))
    }

    @Test(
        "the record names who ended first, not who ended last",
        arguments: RelayDirection.allCases, [false, true])
    func names(first: RelayDirection, hasPending: Bool) {
        var machine = RelayMachine()
        _ = machine.sourceEnded(first, hasPending: hasPending)
        let second = machine.sourceEnded(first.opposite, hasPending: false)
        let last = hasPending ? machine.pendingFlushed(first) : second
        let told = hasPending ? first : first.opposite
        #expect(last == .endTargetAndFinish(told, CloseReason(first.source, .finished)))
    }

    @Test("a direction's source, target and opposite fit together")
    func directions() {
        #expect(RelayDirection.up.source == .downstream)
        #expect(RelayDirection.up.target == .upstream)
        for direction in RelayDirection.allCases {
            #expect(direction.opposite != direction)
            #expect(direction.opposite.opposite == direction)
            #expect(direction.opposite.source == direction.target)
        }
    }
}
