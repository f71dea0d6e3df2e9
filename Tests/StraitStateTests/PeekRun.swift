// A peek machine driven as a worker drives it, over bytes that come in pieces.

import StraitCore
import StraitState
import StraitWire

/// What a downstream's bytes led to.
struct PeekRun: Equatable {
    /// Every action but ``PeekAction/needMore``, in order.
    var actions: [PeekAction] = []
    /// ``PeekMachine/consumed`` at the end.
    var consumed = 0
    /// The body of the hello that was found.
    var helloBody: [UInt8]?
    /// How many bytes had been shown when it was decided; nil: undecided.
    var decidedAfter: Int?
    /// A promise of the machine's reading side that was broken.
    var violation: String?

    /// Shows `input` in the pieces that end at `cuts` and at its end, until a decision.
    init(_ rules: PeekRules, _ input: [UInt8], cuts: some Sequence<Int> = []) {
        var machine = PeekMachine(rules: rules)
        for end in Array(cuts) + [input.count] where self.decidedAfter == nil {
            self.show(Array(input[..<min(end, input.count)]), &machine)
        }
        self.consumed = machine.consumed
    }

    /// The last action; nil when none has come.
    var last: PeekAction? { self.actions.last }

    /// What was answered to Postgres, in order.
    var answers: [UInt8] {
        self.actions.compactMap { if case .answerPostgres(let byte) = $0 { byte } else { nil } }
    }

    /// The same without what depends on when it came.
    var decision: PeekRun {
        var decision = self
        decision.decidedAfter = nil
        return decision
    }

    private mutating func show(_ bytes: [UInt8], _ machine: inout PeekMachine) {
        // A worker asks again after each action that is no decision; three can follow each other.
        for _ in 0..<8 {
            let before = machine.consumed
            let action = machine.received(bytes.span)
            self.check(machine, action, before, bytes.count)
            guard action != .needMore else { return }
            self.actions.append(action)
            switch action {
            case .needMore, .proxied, .answerPostgres: continue
            case .hello(_, let location, _):
                switch location {
                case .input(let range):
                    let rest = bytes[machine.consumed...].dropFirst(range.lowerBound)
                    self.helloBody = Array(rest.prefix(range.count))
                case .assembled: self.helloBody = machine.assembledBody
                }
            case .ssh, .cancel, .http, .raw, .refuse: break
            }
            self.decidedAfter = bytes.count
            return
        }
        self.violation = "actions without end"
    }

    private mutating func check(
        _ machine: PeekMachine, _ action: PeekAction, _ before: Int, _ count: Int
    ) {
        if machine.consumed < before { self.violation = "consumed shrinks" }
        if machine.consumed > count { self.violation = "consumed goes beyond what was shown" }
        switch action {
        case .proxied:
            if before != 0 || machine.consumed == 0 { self.violation = "a header is not first" }
        case .answerPostgres(let byte):
            if machine.consumed != before + 8 || machine.consumed != count {
                self.violation = "an answer while bytes are left"
            }
            if byte != UInt8(ascii: "S"), byte != UInt8(ascii: "N") {
                self.violation = "answered \(byte)"
            }
        case .cancel(_, let key):
            if key.lowerBound < machine.consumed || key.upperBound > count {
                self.violation = "a key outside the input"
            }
        case .needMore, .hello, .ssh, .http, .raw, .refuse:
            if machine.consumed != before { self.violation = "consumed moves without a word" }
        }
    }
}

extension PeekRules {
    /// What nothing but the PROXY header and rawness are left out of.
    static let everything = PeekRules(
        requiresProxyHeader: false, allowsTLS: true, allowsSSH: true, allowsHTTP: true,
        allowsPostgres: true, isRaw: false)

    /// All combinations, with or without a mandatory PROXY header.
    static func all(requiresProxyHeader: Bool) -> [PeekRules] {
        (0..<32).map { bits in
            PeekRules(
                requiresProxyHeader: requiresProxyHeader, allowsTLS: bits & 1 != 0,
                allowsSSH: bits & 2 != 0, allowsHTTP: bits & 4 != 0, allowsPostgres: bits & 8 != 0,
                isRaw: bits & 16 != 0)
        }
    }

    /// The same with a mandatory PROXY header.
    var behindProxy: PeekRules {
        var rules = self
        rules.requiresProxyHeader = true
        return rules
    }
}

extension PeekMachine {
    /// Shows the first `count` of `bytes`.
    mutating func shown(_ bytes: [UInt8], _ count: Int? = nil) -> PeekAction {
        let seen = Array(bytes.prefix(count ?? bytes.count))
        return self.received(seen.span)
    }
}

extension PeekRun {
    /// Whether this is what `slow`, to which the bytes came one by one, was told; or stops with a
    /// refusal where that one was answered, because here bytes stood behind the request.
    func agrees(with slow: PeekRun) -> Bool {
        guard self.violation == nil, slow.violation == nil else { return false }
        if self.decision == slow.decision { return true }
        guard self.last == .refuse(.preludeMalformed, .nothing) else { return false }
        let before = self.actions.dropLast()
        guard slow.actions.starts(with: before), before.count < slow.actions.count else {
            return false
        }
        if case .answerPostgres = slow.actions[before.count] { return true }
        return false
    }
}
