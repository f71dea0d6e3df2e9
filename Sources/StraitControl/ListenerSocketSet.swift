// The listening sockets of the process, and their change from one snapshot to the next: all or
// nothing.

internal import StraitCore
package import StraitEngine
package import StraitPosix
package import StraitSnapshot

/// A socket that could not be opened, with the listener that wanted it.
package struct ListenerNotOpened: Error, Sendable {
    /// The listener that wanted it.
    package let listener: ListenerPlan
    /// What the kernel said.
    package let error: PosixError
}

/// Open listening sockets by listener id.
package struct ListenerSocketSet: Sendable {
    /// What is open.
    package private(set) var sockets: [ListenerSocket] = []

    /// Nothing is open.
    package init() {}

    /// What to do around one change of snapshots.
    package struct Change: Sendable {
        /// The whole list that the new snapshot wants, in its order.
        package var next: [ListenerSocket]
        /// Opened for it; to be closed when the change is given up.
        package var opened: [ListenerSocket]
        /// Not wanted any more; to be closed after every worker has let go.
        package var obsolete: [ListenerSocket]
    }

    /// Opens what `snapshot` wants and is not open yet; nothing stays open where one fails.
    package func change(
        to snapshot: Snapshot, backlogs: [Int: Int]
    ) throws(ListenerNotOpened) -> Change {
        var change = Change(next: [], opened: [], obsolete: [])
        let known = Dictionary(
            self.sockets.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for listener in snapshot.listeners {
            if let socket = known[listener.id] {
                change.next.append(socket)
                continue
            }
            do throws(PosixError) {
                let descriptor = try ListenerSockets.open(
                    address: listener.address,
                    backlog: backlogs[listener.id] ?? Limits.listenBacklog,
                    defersAccept: listener.serverFirst == nil && listener.protocols != .raw,
                    keepaliveIdleMilliseconds: snapshot.limits.keepaliveIdleMilliseconds,
                    userTimeoutMilliseconds: snapshot.limits.userTimeoutMilliseconds,
                    besides: self.leaving(snapshot, port: listener.address.port))
                let socket = ListenerSocket(id: listener.id, descriptor: descriptor)
                change.opened.append(socket)
                change.next.append(socket)
            } catch {
                self.abandon(change)
                throw ListenerNotOpened(listener: listener, error: error)
            }
        }
        let wanted = Set(change.next.map(\.id))
        change.obsolete = self.sockets.filter { !wanted.contains($0.id) }
        return change
    }

    /// Open sockets on this port that `snapshot` does not want.
    ///
    /// Until they are closed, a new one may have to share it, as `0.0.0.0:443` with `[::]:443`.
    private func leaving(_ snapshot: Snapshot, port: UInt16) -> [Int32] {
        let wanted = Set(snapshot.listeners.map(\.id))
        return self.sockets.filter { !wanted.contains($0.id) }.map(\.descriptor)
            .filter { ListenerSockets.boundAddress($0)?.port == port && port > 0 }
    }

    /// Closes what a change opened, because it is given up.
    package func abandon(_ change: Change) {
        for socket in change.opened { ListenerSockets.close(socket.descriptor) }
    }

    /// Keeps a change.
    ///
    /// The obsolete sockets are closed: call it when no worker uses them any more.
    package mutating func keep(_ change: Change) {
        self.sockets = change.next
        for socket in change.obsolete { ListenerSockets.close(socket.descriptor) }
    }

    /// Closes all.
    package mutating func closeAll() {
        for socket in self.sockets { ListenerSockets.close(socket.descriptor) }
        self.sockets = []
    }
}
