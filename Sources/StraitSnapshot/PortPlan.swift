// A tenant's own port: who dials it is that tenant's before the first byte.

internal import StraitCore
package import StraitRouting

/// What a leased port leads to.
package struct PortPlan: Sendable {
    /// The port that is dialled.
    package var port: UInt16
    /// What may come first; ``ListenerProtocols/raw`` excludes the others.
    package var protocols: ListenerProtocols
    /// The tenant, and the service that gets what names nothing else.
    package var scope: ListenerScope
    /// What a silent downstream is taken to speak, and when.
    package var serverFirst: ListenerPlan.ServerFirst?

    /// See the properties.
    package init(
        port: UInt16, protocols: ListenerProtocols, scope: ListenerScope,
        serverFirst: ListenerPlan.ServerFirst? = nil
    ) {
        self.port = port
        self.protocols = protocols
        self.scope = scope
        self.serverFirst = serverFirst
    }

    /// Whether the kernel may keep connections to itself until their first bytes have come.
    package var defersAccept: Bool { self.serverFirst == nil && self.protocols != .raw }
}

extension Snapshot {
    /// A tenant's own port as a listener; nil where nobody has it, or it leads nowhere.
    package func listener(ofPort port: UInt16) -> ListenerPlan? {
        guard var listener = self.portListener, let plan = self.ports.element(Int(port)),
            case .ip(let address, _) = listener.address
        else { return nil }
        listener.address = .ip(address, port: port)
        listener.protocols = plan.protocols
        listener.scope = plan.scope
        listener.serverFirst = plan.serverFirst
        return listener
    }
}
