// Every event on the way to an upstream, in every state.

import StraitCore
import StraitState
import Testing

/// Where a connect machine is, and how it came there.
enum ConnectSituation: String, CaseIterable, Codable, Sendable {
    case idle
    case choosing
    case opening
    case choosingSecond
    case openingSecond
    case preparing
    case preparingLast
    case ready
    case failed

    /// A machine with two attempts that has come there; it has tried address 5, and 3 after it.
    var machine: ConnectMachine {
        var machine = ConnectMachine(attemptsMax: 2)
        if self == .idle { return machine }
        _ = machine.started()
        if self == .choosing { return machine }
        _ = machine.chose(5)
        switch self {
        case .idle, .choosing, .opening: break
        case .choosingSecond: _ = machine.failed(.connectFailed)
        case .openingSecond: self.goOn(&machine)
        case .preparing: _ = machine.connected(steps: [.proxyHeader, .tls])
        case .preparingLast:
            self.goOn(&machine)
            _ = machine.connected(steps: .tls)
        case .ready: _ = machine.connected(steps: [])
        case .failed:
            self.goOn(&machine)
            _ = machine.failed(.connectFailed)
        }
        return machine
    }

    private func goOn(_ machine: inout ConnectMachine) {
        _ = machine.failed(.connectFailed)
        _ = machine.chose(3)
    }
}

/// An event that may be impossible.
enum ConnectEvent: String, Codable, CaseIterable, Sendable {
    case started
    case chose
    case choseTriedOne
    case choseFarOne
    case choseNone
    case connected
    case proxyHeaderDone
    case postgresRequestDone
    case mysqlGreetingDone
    case tlsDone
    case nothingDone
    case failed

    func happen(_ machine: inout ConnectMachine) -> ConnectAction {
        switch self {
        case .started: machine.started()
        case .chose: machine.chose(63)
        case .choseTriedOne: machine.chose(5)
        case .choseFarOne: machine.chose(64)
        case .choseNone: machine.chose(nil)
        case .connected: machine.connected(steps: [])
        case .proxyHeaderDone: machine.stepDone(.proxyHeader)
        case .postgresRequestDone: machine.stepDone(.postgresRequest)
        case .mysqlGreetingDone: machine.stepDone(.mysqlGreeting)
        case .tlsDone: machine.stepDone(.tls)
        case .nothingDone: machine.stepDone([])
        case .failed: machine.failed(.connectTimeout)
        }
    }
}

/// What an event must lead to; nil: it is impossible then.
private let table: [ConnectSituation: [ConnectEvent: ConnectAction]] = [
    .idle: [.started: .choose],
    .choosing: [
        .chose: .open(63), .choseTriedOne: .open(5),
        .choseNone: .giveUp(CloseReason(.upstream, .connectFailed)),
    ],
    .opening: [.connected: .ready, .failed: .choose],
    .choosingSecond: [
        .chose: .open(63), .choseNone: .giveUp(CloseReason(.upstream, .connectFailed)),
    ],
    .openingSecond: [
        .connected: .ready, .failed: .giveUp(CloseReason(.upstream, .connectTimeout)),
    ],
    .preparing: [.proxyHeaderDone: .handshake, .failed: .choose],
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
        let isUntried = [.idle, .choosing].contains(situation)
        #expect(machine.address == (isSecond ? 3 : isUntried ? 0 : 5))
        #expect(machine.attempts == (isSecond ? 2 : isUntried ? 0 : 1))
        #expect(machine.tried == (isSecond ? 0b10_1000 : isUntried ? 0 : 0b10_0000))
    }
}

@Suite("ConnectMachine, from address to address") struct ConnectMachineTests {
    @Test("without an attempt it is given up at once", arguments: [0, -1])
    func noAttempt(count: Int) {
        var machine = ConnectMachine(attemptsMax: count)
        #expect(machine.started() == .giveUp(CloseReason(.upstream, .connectFailed)))
        #expect(!machine.isUnderWay)
    }

    @Test("a service without addresses is given up with nothing tried")
    func noAddress() {
        var machine = ConnectMachine(attemptsMax: 3)
        #expect(machine.started() == .choose)
        #expect(machine.chose(nil) == .giveUp(CloseReason(.upstream, .connectFailed)))
        #expect(machine.attempts == 0)
    }

    @Test("the addresses that are named are tried, and the last failure is the reason")
    func everyAddress() {
        var machine = ConnectMachine(attemptsMax: 5)
        #expect(machine.started() == .choose)
        for (count, address) in [7, 0, 63, 2, 1].enumerated() {
            #expect(machine.chose(address) == .open(address))
            #expect(machine.address == address)
            if count < 4 { #expect(machine.failed(.connectFailed) == .choose) }
        }
        let reason = CloseReason(.upstream, .upstreamTLSFailed)
        #expect(machine.failed(.upstreamTLSFailed) == .giveUp(reason))
    }

    @Test("no address left before the attempts are used up: the last failure is the reason")
    func noneLeft() {
        var machine = ConnectMachine(attemptsMax: 5)
        _ = machine.started()
        _ = machine.chose(0)
        #expect(machine.failed(.connectTimeout) == .choose)
        #expect(machine.chose(nil) == .giveUp(CloseReason(.upstream, .connectTimeout)))
    }

    @Test(
        "steps come in one order, each once, whatever is asked for",
        arguments: 0...15 as ClosedRange<UInt8>)
    func steps(rawValue: UInt8) {
        let asked = ConnectSteps(rawValue: rawValue)
        let order: [(ConnectSteps, ConnectAction)] = [
            (.proxyHeader, .sendProxyHeader), (.mysqlGreeting, .awaitGreeting),
            (.postgresRequest, .requestPostgresTLS), (.tls, .handshake),
        ]
        var machine = ConnectMachine(attemptsMax: 1)
        _ = machine.started()
        _ = machine.chose(0)
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
        "a failure in any step leads to another address, with all of its steps",
        arguments: 1...15 as ClosedRange<UInt8>)
    func failingSteps(rawValue: UInt8) {
        let asked = ConnectSteps(rawValue: rawValue)
        let order: [ConnectSteps] = [.proxyHeader, .mysqlGreeting, .postgresRequest, .tls]
        let present = order.filter { asked.contains($0) }
        for done in 0..<present.count {
            var machine = ConnectMachine(attemptsMax: 2)
            _ = machine.started()
            _ = machine.chose(0)
            let firstAction = machine.connected(steps: asked)
            for step in present[..<done] { _ = machine.stepDone(step) }
            #expect(machine.failed(.upstreamTLSRefused) == .choose)
            #expect(machine.chose(1) == .open(1))
            #expect(!machine.isPreparing)
            #expect(machine.connected(steps: asked) == firstAction)
        }
    }
}
