// Where a connection is in its life. The phases are the files of StraitEngine/Phases.

/// A phase of a connection's life, in order.
///
/// Not every connection passes through each.
package enum Phase: UInt8, Hashable, Sendable, CaseIterable {
    case accept, peek, prelude, route, admit, handshake, authenticate, connect, relay, close

    /// Spelled out, as what the protocols give is generic and slow in other modules.
    package static func == (left: Phase, right: Phase) -> Bool { left.rawValue == right.rawValue }

    /// The word that logs, metrics and documentation use.
    package var name: String {
        switch self {
        case .accept: "accept"
        case .peek: "peek"
        case .prelude: "prelude"
        case .route: "route"
        case .admit: "admit"
        case .handshake: "handshake"
        case .authenticate: "authenticate"
        case .connect: "connect"
        case .relay: "relay"
        case .close: "close"
        }
    }
}
