// From a service's addresses to an upstream that is ready for bytes: when to choose an address,
// which step, when to give up.
//
// Every failure before the first relayed byte leads to another address, so often and no oftener;
// after that the connection is the relay's business.

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

    /// A MySQL server's greeting.
    package static let mysqlGreeting = ConnectSteps(rawValue: 8)

    /// The one that comes first.
    fileprivate var next: ConnectSteps {
        if self.contains(.proxyHeader) { return .proxyHeader }
        if self.contains(.mysqlGreeting) { return .mysqlGreeting }
        return self.contains(.postgresRequest) ? .postgresRequest : .tls
    }
}

/// What is to be done to reach an upstream.
package enum ConnectAction: Equatable, Sendable {
    /// Choose an address that was not tried, or none.
    case choose
    /// Open a socket to the address with this index.
    case open(Int)
    /// Write the PROXY header.
    case sendProxyHeader
    /// Write Postgres' SSLRequest, and wait for one byte.
    case requestPostgresTLS
    /// Wait for a MySQL server's greeting.
    case awaitGreeting
    /// Go on with the TLS handshake.
    case handshake
    /// Bytes may go.
    case ready
    /// No address is left, or no attempt; the last failure says why.
    case giveUp(CloseReason)
}

/// The way to one upstream of a service.
package struct ConnectMachine: Equatable, Sendable {
    private enum State: Equatable {
        /// Nothing was tried. Can transition to: choosing, failed.
        case idle
        /// An address is to be named; the last one failed for this reason. Can transition to:
        /// opening, failed.
        case choosing(CloseReason.Kind)
        /// A connect is under way. Can transition to: preparing, ready, choosing, failed.
        case opening
        /// Connected, with these steps left. Can transition to: preparing, ready, choosing, failed.
        case preparing(ConnectSteps)
        /// Bytes go. Can transition to: nothing.
        case ready
        /// No address is left. Can transition to: nothing.
        case failed
    }

    private var state = State.idle
    private let attemptsMax: Int
    /// The index of the address that is being tried, or was reached, or tried last.
    package private(set) var address = 0
    /// How many addresses were tried, the present one included.
    package private(set) var attempts = 0
    /// A bit for each address that was tried.
    package private(set) var tried: UInt64 = 0

    /// - Parameter attemptsMax: How many addresses may be tried.
    package init(attemptsMax: Int) { self.attemptsMax = attemptsMax }

    /// Begins.
    package mutating func started() -> ConnectAction {
        guard case .idle = self.state else {
            preconditionFailure("connecting starts once; was \(self.state)")
        }
        return self.chooseAnother(after: .connectFailed)
    }

    /// The address with this index is next; nil: there is none that was not tried.
    package mutating func chose(_ address: Int?) -> ConnectAction {
        guard case .choosing(let kind) = self.state else {
            preconditionFailure("an address is named when asked for; was \(self.state)")
        }
        guard let address else { return self.giveUp(kind) }
        precondition(
            (0..<Limits.upstreamAddressesMax).contains(address)
                && self.tried >> UInt64(address) & 1 == 0, "an address is tried once")
        self.address = address
        self.tried |= 1 << UInt64(address)
        self.attempts += 1
        self.state = .opening
        return .open(address)
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
            return self.chooseAnother(after: kind)
        case .idle, .choosing, .ready, .failed:
            preconditionFailure("an address fails while it is tried; was \(self.state)")
        }
    }

    /// Whether an address is being tried.
    package var isUnderWay: Bool {
        switch self.state {
        case .opening, .preparing: true
        case .idle, .choosing, .ready, .failed: false
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
        case .mysqlGreeting: return .awaitGreeting
        default: return .handshake
        }
    }

    private mutating func chooseAnother(after kind: CloseReason.Kind) -> ConnectAction {
        guard self.attempts < self.attemptsMax else { return self.giveUp(kind) }
        self.state = .choosing(kind)
        return .choose
    }

    private mutating func giveUp(_ kind: CloseReason.Kind) -> ConnectAction {
        self.state = .failed
        return .giveUp(CloseReason(.upstream, kind))
    }
}
