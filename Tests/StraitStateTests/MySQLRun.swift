// A machine that is fed with what both sides of a MySQL connection say. No test library in this
// file.

import StraitCore
import StraitState
import StraitWire

/// Feeds a machine, and remembers what it sends where.
struct MySQLRun {
    var machine: MySQLMachine
    var toDownstream: [UInt8] = []
    var toUpstream: [UInt8] = []
    var ending: MySQLAction?
    /// What nobody has dealt with: the relay's, or refused.
    var left: [UInt8] = []
    /// The sides that TLS was spoken with, in order.
    var secured: [String] = []

    init(_ legs: MySQLLegs) { self.machine = MySQLMachine(legs: legs) }

    /// Shows `bytes` in pieces that end at `cuts`; each is shown again with what was left.
    mutating func show(_ bytes: [UInt8], isUpstream: Bool, cuts: [Int] = []) {
        var held: [UInt8] = []
        var start = 0
        for end in cuts.filter({ $0 < bytes.count }) + [bytes.count] {
            held += bytes[start..<end]
            start = end
            while self.ending == nil, isUpstream || self.machine.awaitsDownstream {
                let before = held.count
                let action =
                    isUpstream
                    ? self.machine.receivedFromUpstream(held.span)
                    : self.machine.receivedFromDownstream(held.span)
                guard action != .needMore else { break }
                self.perform(action, isUpstream, &held)
                guard held.count < before, !held.isEmpty else { break }
            }
        }
        self.left += held
    }

    private mutating func perform(
        _ action: MySQLAction, _ isUpstream: Bool, _ held: inout [UInt8]
    ) {
        switch action {
        case .needMore: return
        case .pass(let packet, let consumed):
            held.removeFirst(consumed)
            self.send(packet, isUpstream)
        case .passAndRelay(let packet, let consumed):
            held.removeFirst(consumed)
            self.send(packet, isUpstream)
            self.ending = action
        case .secureDownstream(let consumed):
            held.removeFirst(consumed)
            self.secured.append("downstream")
            self.machine.downstreamSecured()
        case .secureUpstream(let request, let consumed):
            held.removeFirst(consumed)
            self.toUpstream += request
            self.secured.append("upstream")
            self.perform(self.machine.upstreamSecured(), isUpstream, &held)
        case .rejected, .refuse: self.ending = action
        }
    }

    private mutating func send(_ packet: [UInt8], _ isUpstream: Bool) {
        if isUpstream { self.toDownstream += packet } else { self.toUpstream += packet }
    }

    var reason: CloseReason? {
        if case .refuse(let reason)? = self.ending { reason } else { nil }
    }
}
