// From a service's addresses to an upstream that is ready for bytes: which address, which step,
// when to give up.
//
// Every failure before the first relayed byte leads to the next address; after that the connection
// is the relay's business.

package import StraitCore

/// What an address asks for before bytes may go.
package struct ConnectSteps: OptionSet, Hashable, Sendable {
    /// One bit a step, below.
    package let rawValue: UInt8
    /// Bits that stand for no step are ignored.
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// No step.
    package init() { self.rawValue = 0 }

    // Spelled out, as what the protocols give is generic and slow in other modules.

    /// Whether there is nothing to do.
    package var isEmpty: Bool { self.rawValue == 0 }
    /// Whether both have the same steps.
    package static func == (left: ConnectSteps, right: ConnectSteps) -> Bool {
        left.rawValue == right.rawValue
    }

    /// A PROXY header, before anything else.
    package static let proxyHeader = ConnectSteps(rawValue: 1)
    /// Postgres' SSLRequest, and its one-byte answer.
    package static let postgresRequest = ConnectSteps(rawValue: 2)
    /// A TLS handshake of ours.
    package static let tls = ConnectSteps(rawValue: 4)

    /// The one that comes first.
    fileprivate var next: ConnectSteps {
        if self.contains(.proxyHeader) { return .proxyHeader }
        return self.contains(.postgresRequest) ? .postgresRequest : .tls
    }
}

/// What is to be done to reach an upstream.
package enum ConnectAction: Equatable, Sendable {
    /// Open a socket to the address with this index.
    case open(Int)
    /// Write the PROXY header.
    case sendProxyHeader
    /// Write Postgres' SSLRequest, and wait for one byte.
    case requestPostgresTLS
    /// Go on with the TLS handshake.
    case handshake
    /// Bytes may go.
    case ready
    /// No address is left; the last failure says why.
    case giveUp(CloseReason)
}

/// The way to one upstream of a service.
package struct ConnectMachine: Equatable, Sendable {
    private enum State: Equatable {
        /// Nothing was tried. Can transition to: opening.
        case idle
        /// A connect is under way. Can transition to: preparing, opening, failed.
        case opening
        /// Connected, with these steps left. Can transition to: preparing, ready, opening, failed.
        case preparing(ConnectSteps)
        /// Bytes go. Can transition to: nothing.
        case ready
        /// No address is left. Can transition to: nothing.
        case failed
    }

    private var state = State.idle
    private let addressCount: Int
    /// The index of the address that is being tried, or was reached.
    package private(set) var address = 0

    /// - Parameter addressCount: How many addresses the service has.
    package init(addressCount: Int) { self.addressCount = addressCount }

    /// Begins with the first address.
    package mutating func started() -> ConnectAction {
        guard case .idle = self.state else {
            preconditionFailure("connecting starts once; was \(self.state)")
        }
        guard self.addressCount > 0 else { return self.giveUp(.connectFailed) }
        self.state = .opening
        return .open(0)
    }

    /// The socket is connected; `steps` is what its address asks for.
    package mutating func connected(steps: ConnectSteps) -> ConnectAction {
        guard case .opening = self.state else {
            preconditionFailure("connected while opening only; was \(self.state)")
        }
        return self.next(steps)
    }

    /// The step that was asked for last is done.
    package mutating func stepDone(_ step: ConnectSteps) -> ConnectAction {
        guard case .preparing(let steps) = self.state, step == steps.next else {
            preconditionFailure("a step is done that was asked for last; was \(self.state)")
        }
        return self.next(steps.subtracting(step))
    }

    /// This address did not work.
    package mutating func failed(_ kind: CloseReason.Kind) -> ConnectAction {
        switch self.state {
        case .opening, .preparing:
            guard self.address + 1 < self.addressCount else { return self.giveUp(kind) }
            self.address += 1
            self.state = .opening
            return .open(self.address)
        case .idle, .ready, .failed:
            preconditionFailure("an address fails while it is tried; was \(self.state)")
        }
    }

    /// Whether an address is being tried.
    package var isUnderWay: Bool {
        switch self.state {
        case .opening, .preparing: true
        case .idle, .ready, .failed: false
        }
    }

    /// Whether the socket is connected and the steps before the relay go on.
    package var isPreparing: Bool {
        if case .preparing = self.state { true } else { false }
    }

    private mutating func next(_ steps: ConnectSteps) -> ConnectAction {
        guard !steps.isEmpty else {
            self.state = .ready
            return .ready
        }
        self.state = .preparing(steps)
        switch steps.next {
        case .proxyHeader: return .sendProxyHeader
        case .postgresRequest: return .requestPostgresTLS
        default: return .handshake
        }
    }

    private mutating func giveUp(_ kind: CloseReason.Kind) -> ConnectAction {
        self.state = .failed
        return .giveUp(CloseReason(.upstream, kind))
    }
}
