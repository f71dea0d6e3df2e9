// The older process, as the one that takes over from it sees it.

internal import Foundation
internal import StraitCore
package import StraitPosix

/// Why a process that was started to take over cannot.
package struct UpgradeRefusal: Error, Sendable, CustomStringConvertible {
    /// For people.
    package let description: String
}

/// The process that started this one, and what it handed over.
package struct Predecessor: Sendable {
    let peer: UpgradePeer
    let state: OfferedState
    /// Its listeners; owned.
    let listeners: [InheritedListener]

    /// Where its operators' socket is, until this process takes the path.
    package var adminPath: String { self.state.admin }

    /// Receives the offer of the process that started this one.
    ///
    /// - Returns: Nil where this process was started in another way.
    /// - Throws: ``UpgradeRefusal`` where the offer cannot be read, or is of another version.
    package static func receive() throws(UpgradeRefusal) -> Predecessor? {
        guard let text = ProcessInfo.processInfo.environment[UpgradeLink.variable] else {
            return nil
        }
        guard let number = Int32(text), number > 2 else {
            throw UpgradeRefusal(
                description: "\(UpgradeLink.variable)=\(text) is no descriptor; it is set by "
                    + "`strait upgrade` alone")
        }
        return try Self.receive(from: MessageSocket(owning: number))
    }

    /// Receives an offer over one end of a pair.
    ///
    /// - Parameter socket: What the other process sends to.
    /// - Returns: What it hands over.
    /// - Throws: ``UpgradeRefusal`` where the offer cannot be read, or is of another version.
    package static func receive(from socket: MessageSocket) throws(UpgradeRefusal) -> Predecessor {
        let link = UpgradeLink(socket: socket)
        var listeners: [InheritedListener] = []
        do throws(PosixError) {
            guard case .version(let version)? = try link.receive()?.message else {
                throw .badMessage("the offer of an upgrade")
            }
            guard version == UpgradeMessage.spoken else {
                let reason =
                    "the process that runs speaks version \(version) of an upgrade's messages, "
                    + "this program \(UpgradeMessage.spoken); restart instead"
                try link.send(.failed(reason))
                throw .badMessage(reason)
            }
            let state = try Self.offer(over: link, &listeners)
            return Predecessor(peer: try UpgradePeer(link), state: state, listeners: listeners)
        } catch {
            for listener in listeners { Sockets.close(listener.descriptor) }
            throw UpgradeRefusal(description: "taking over: \(error)")
        }
    }

    private static func offer(
        over link: UpgradeLink, _ listeners: inout [InheritedListener]
    ) throws(PosixError) -> OfferedState {
        while let (message, descriptors) = try link.receive() {
            if case .listeners(let offered) = message {
                listeners += try Self.paired(offered, descriptors)
                continue
            }
            for number in descriptors { Sockets.close(number) }
            guard case .offer(let state) = message else { break }
            return state
        }
        throw .badMessage("the offer of an upgrade")
    }

    private static func paired(
        _ offered: [OfferedListener], _ descriptors: [Int32]
    ) throws(PosixError) -> [InheritedListener] {
        let listeners = zip(offered, descriptors).compactMap { listener, descriptor in
            SocketAddress(listener.address).map {
                InheritedListener(name: listener.name, address: $0, descriptor: descriptor)
            }
        }
        guard listeners.count == offered.count, offered.count == descriptors.count,
            listeners.allSatisfy({
                PortSockets.isOfPorts($0) || Sockets.isListening($0.descriptor)
            })
        else {
            for number in descriptors { Sockets.close(number) }
            throw .badMessage("an offer of listeners")
        }
        return listeners
    }

    /// Tells it why this process cannot take over.
    package func refuse(_ reason: String) {
        self.peer.tell(.failed(String(reason.prefix(Limits.upgradeReasonMax))))
    }

    /// Says that everything is ready, and waits for the word to accept.
    ///
    /// - Returns: Whether it came. Where the other process is gone instead, nothing is known of who
    ///   accepts: this process may have been given up, or one before that one accepts again.
    func waitForGo(revision: UInt64) async -> Bool {
        self.peer.tell(.ready(revision: revision))
        let deadline = Limits.adminAnswerTimeout  // of the question that led to this process
        while let message = await self.peer.next(within: deadline) {
            if case .go = message { return true }
        }
        return false
    }
}
