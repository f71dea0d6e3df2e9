// Every event on the way to an upstream, in every state.

import StraitCore
import StraitState
import Testing

/// Where a connect machine is, and how it came there.
enum ConnectSituation: String, CaseIterable, Codable, Sendable {
    case idle
    case opening
    case openingSecond
    case preparing
    case preparingLast
    case ready
    case failed

    /// A machine with two addresses that has come there.
    var machine: ConnectMachine {
        var machine = ConnectMachine(addressCount: 2)
        if self == .idle { return machine }
        _ = machine.started()
        switch self {
        case .idle, .opening: break
        case .openingSecond: _ = machine.failed(.connectFailed)
        case .preparing: _ = machine.connected(steps: [.proxyHeader, .tls])
        case .preparingLast:
            _ = machine.failed(.connectFailed)
            _ = machine.connected(steps: .tls)
        case .ready: _ = machine.connected(steps: [])
        case .failed:
            _ = machine.failed(.connectFailed)
            _ = machine.failed(.connectFailed)
        }
        return machine
    }
}

/// An event that may be impossible.
enum ConnectEvent: String, Codable, CaseIterable, Sendable {
    case started
    case connected
    case proxyHeaderDone
    case postgresRequestDone
    case tlsDone
    case nothingDone
    case failed

    func happen(_ machine: inout ConnectMachine) -> ConnectAction {
        switch self {
        case .started: machine.started()
        case .connected: machine.connected(steps: [])
        case .proxyHeaderDone: machine.stepDone(.proxyHeader)
        case .postgresRequestDone: machine.stepDone(.postgresRequest)
        case .tlsDone: machine.stepDone(.tls)
        case .nothingDone: machine.stepDone([])
        case .failed: machine.failed(.connectTimeout)
        }
    }
}

/// What an event must lead to; nil: it is impossible then.
private let table: [ConnectSituation: [ConnectEvent: ConnectAction]] = [
    .idle: [.started: .open(0)],
    .opening: [.connected: .ready, .failed: .open(1)],
    .openingSecond: [
        .connected: .ready, .failed: .giveUp(CloseReason(.upstream, .connectTimeout)),
    ],
    .preparing: [.proxyHeaderDone: .handshake, .failed: .open(1)],
    .preparingLast: [
        .tlsDone: .ready, .failed: .giveUp(CloseReason(.upstream, .connectTimeout)),
    ],
    .ready: [:],
    .failed: [:],
]

private struct ImpossibleEvent: Codable, Sendable, CustomTestStringConvertible {
    var situation: ConnectSituation
    var event: ConnectEvent
    var testDescription: String { "\(self.event.rawValue) while \(self.situation.rawValue)" }

    static let all: [ImpossibleEvent] = ConnectSituation.allCases.flatMap { situation in
        ConnectEvent.allCases.filter { table[situation]?[$0] == nil }.map {
            ImpossibleEvent(situation: situation, event: $0)
        }
    }
}

@Suite("ConnectMachine, every event in every state") struct ConnectMachineStateTests {
    @Test("a possible event has its action", arguments: ConnectSituation.allCases)
    func possible(situation: ConnectSituation) throws {
        for (event, expected) in try #require(table[situation]) {
            var machine = situation.machine
            #expect(event.happen(&machine) == expected, "\(event)")
        }
    }

    @Test("an impossible event stops the process", arguments: ImpossibleEvent.all)
    private func impossible(_ impossible: ImpossibleEvent) async {
        await #expect(processExitsWith: .failure) { [impossible] in
            var machine = impossible.situation.machine
            _ = impossible.event.happen(&machine)
        }
    }

    @Test("the reading side tells what goes on", arguments: ConnectSituation.allCases)
    func reading(situation: ConnectSituation) {
        let machine = situation.machine
        let isPreparing = [.preparing, .preparingLast].contains(situation)
        let isOpening = [.opening, .openingSecond].contains(situation)
        #expect(machine.isPreparing == isPreparing)
        #expect(machine.isUnderWay == (isPreparing || isOpening))
        let isSecond = [.openingSecond, .preparingLast, .failed].contains(situation)
        #expect(machine.address == (isSecond ? 1 : 0))
    }
}

@Suite("ConnectMachine, from address to address") struct ConnectMachineTests {
    @Test("a service without addresses is given up at once", arguments: [0, -1])
    func noAddress(count: Int) {
        var machine = ConnectMachine(addressCount: count)
        #expect(machine.started() == .giveUp(CloseReason(.upstream, .connectFailed)))
        #expect(!machine.isUnderWay)
    }

    @Test("each address is tried once, in order, and the last failure is the reason")
    func everyAddress() {
        var machine = ConnectMachine(addressCount: 5)
        #expect(machine.started() == .open(0))
        for next in 1..<5 {
            #expect(machine.failed(.connectFailed) == .open(next))
            #expect(machine.address == next)
        }
        let reason = CloseReason(.upstream, .upstreamTLSFailed)
        #expect(machine.failed(.upstreamTLSFailed) == .giveUp(reason))
    }

    @Test(
        "steps come in one order, each once, whatever is asked for",
        arguments: 0...7 as ClosedRange<UInt8>)
    func steps(rawValue: UInt8) {
        let asked = ConnectSteps(rawValue: rawValue)
        let order: [(ConnectSteps, ConnectAction)] = [
            (.proxyHeader, .sendProxyHeader), (.postgresRequest, .requestPostgresTLS),
            (.tls, .handshake),
        ]
        var machine = ConnectMachine(addressCount: 1)
        _ = machine.started()
        var action = machine.connected(steps: asked)
        for (step, expected) in order where asked.contains(step) {
            #expect(action == expected)
            #expect(machine.isPreparing)
            action = machine.stepDone(step)
        }
        #expect(action == .ready)
        #expect(!machine.isUnderWay)
    }

    @Test(
        "a failure in any step leads to the next address, with all of its steps",
        arguments: 1...7 as ClosedRange<UInt8>)
    func failingSteps(rawValue: UInt8) {
        let asked = ConnectSteps(rawValue: rawValue)
        let order: [ConnectSteps] = [.proxyHeader, .postgresRequest, .tls]
        let present = order.filter { asked.contains($0) }
        for done in 0..<present.count {
            var machine = ConnectMachine(addressCount: 2)
            _ = machine.started()
            let firstAction = machine.connected(steps: asked)
            for step in present[..<done] { _ = machine.stepDone(step) }
            #expect(machine.failed(.upstreamTLSRefused) == .open(1))
            #expect(!machine.isPreparing)
            #expect(machine.connected(steps: asked) == firstAction)
        }
    }
}
