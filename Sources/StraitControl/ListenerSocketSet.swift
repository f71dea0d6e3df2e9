// The listening sockets of the process, and their change from one snapshot to the next: all or
// nothing.

package import StraitCore
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

/// A listening socket that this process was given, by its predecessor or by systemd.
package struct InheritedListener: Hashable, Sendable {
    /// The name of the predecessor's listener; nil where systemd opened it.
    package var name: String?
    /// As configured, or as the kernel has it.
    package var address: SocketAddress
    /// Owned by who holds this value.
    package var descriptor: Int32

    /// See the properties.
    package init(name: String?, address: SocketAddress, descriptor: Int32) {
        self.name = name
        self.address = address
        self.descriptor = descriptor
    }
}

/// Open listening sockets by listener id.
package struct ListenerSocketSet: Sendable {
    /// What is open.
    package private(set) var sockets: [ListenerSocket] = []
    /// What this process was given, and has no listener for yet.
    package private(set) var inherited: [InheritedListener]

    /// What the sockets were set to last.
    private var options: [Int32: ListenerOptions] = [:]

    /// Nothing is open but what was given.
    package init(inherited: [InheritedListener] = []) { self.inherited = inherited }

    /// What was given for a listener, taken out of `inherited`: by name and address, else by
    /// address.
    private func given(
        _ inherited: inout [SocketAddress: [InheritedListener]], for listener: ListenerPlan
    ) -> Int32? {
        let fitting = inherited[listener.address] ?? []
        let index =
            fitting.firstIndex { $0.name == listener.name }
            ?? fitting.firstIndex { $0.name == nil || $0.address.port != 0 }
        guard let index else { return nil }
        return inherited[listener.address]?.remove(at: index).descriptor
    }

    /// Closes what was given and no listener wants.
    package mutating func closeInherited() {
        for socket in self.inherited { Sockets.close(socket.descriptor) }
        self.inherited = []
    }

    /// What to do around one change of snapshots.
    package struct Change: Sendable {
        /// The whole list that the new snapshot wants, in its order.
        package var next: [ListenerSocket]
        /// Opened for it; to be closed when the change is given up.
        package var opened: [ListenerSocket]
        /// Could not be opened, and were left out.
        var missing: [ListenerNotOpened] = []
        /// What was given to this process and is taken.
        var adopted: Set<Int32> = []
        /// What the sockets are to be set to.
        ///
        /// Another process may accept by them still: they are left alone until the change is kept.
        var options: [Int32: ListenerOptions] = [:]
        /// Not wanted any more; to be closed after every worker has let go.
        package var obsolete: [ListenerSocket]
    }

    /// Opens what `snapshot` wants and is not open yet; nothing stays open where one fails, unless
    /// those are to be left out.
    package func change(
        to snapshot: Snapshot, backlogs: [Int: Int], skipsUnavailable: Bool = false
    ) throws(ListenerNotOpened) -> Change {
        var change = Change(next: [], opened: [], obsolete: [])
        let known = Dictionary(
            self.sockets.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var inherited = Dictionary(grouping: self.inherited, by: \.address)
        let leaving = self.leaving(snapshot)
        for listener in snapshot.listeners {
            let options = ListenerOptions(
                backlog: backlogs[listener.id] ?? Limits.listenBacklog,
                defersAccept: listener.serverFirst == nil && listener.protocols != .raw,
                keepaliveIdleMilliseconds: snapshot.limits.keepaliveIdleMilliseconds,
                userTimeoutMilliseconds: snapshot.limits.userTimeoutMilliseconds)
            if let socket = known[listener.id] {
                change.options[socket.descriptor] = options
                change.next.append(socket)
                continue
            }
            do throws(PosixError) {
                if let given = self.given(&inherited, for: listener) {
                    change.adopted.insert(given)
                    change.options[given] = options
                    change.next.append(ListenerSocket(id: listener.id, descriptor: given))
                    continue
                }
                let descriptor = try Sockets.listen(
                    on: listener.address, options: options,
                    besides: leaving[listener.address.port] ?? [])
                let socket = ListenerSocket(id: listener.id, descriptor: descriptor)
                change.options[descriptor] = options
                change.opened.append(socket)
                change.next.append(socket)
            } catch {
                if skipsUnavailable {
                    change.missing.append(ListenerNotOpened(listener: listener, error: error))
                    continue
                }
                self.abandon(change)
                throw ListenerNotOpened(listener: listener, error: error)
            }
        }
        let wanted = Set(change.next.map(\.id))
        change.obsolete = self.sockets.filter { !wanted.contains($0.id) }
        return change
    }

    /// Open sockets that `snapshot` does not want, also those that were given, by their ports.
    ///
    /// Until they are closed, a new one may have to share it, as `0.0.0.0:443` with `[::]:443`.
    private func leaving(_ snapshot: Snapshot) -> [UInt16: [Int32]] {
        let wanted = Set(snapshot.listeners.map(\.id))
        let addresses = Set(snapshot.listeners.map(\.address))
        let ours = self.sockets.filter { !wanted.contains($0.id) }.map(\.descriptor)
        let given = self.inherited.filter { !addresses.contains($0.address) }.map(\.descriptor)
        var leaving: [UInt16: [Int32]] = [:]
        for descriptor in ours + given {
            let port = Sockets.localAddress(descriptor)?.port ?? 0
            guard port > 0 else { continue }
            leaving[port, default: []].append(descriptor)
        }
        return leaving
    }

    /// Closes what a change opened, because it is given up.
    package func abandon(_ change: Change) {
        for socket in change.opened { Sockets.close(socket.descriptor) }
    }

    /// Keeps a change.
    ///
    /// The obsolete sockets are closed: call it when no worker uses them any more.
    package mutating func keep(_ change: Change) {
        self.sockets = change.next
        for (descriptor, options) in change.options where self.options[descriptor] != options {
            Sockets.adoptListener(descriptor, options: options)
        }
        self.options = change.options
        self.inherited.removeAll { change.adopted.contains($0.descriptor) }
        for socket in change.obsolete { Sockets.close(socket.descriptor) }
    }

    /// Sets every socket as it was, because another process that shares them may have changed it.
    package func restoreOptions() {
        for (descriptor, options) in self.options {
            Sockets.adoptListener(descriptor, options: options)
        }
    }

    /// Closes those that are on `addresses`, which another process has dropped; no worker uses
    /// them.
    package mutating func close(on addresses: Set<String>, of snapshot: Snapshot) {
        let ids = Set(
            snapshot.listeners.filter { addresses.contains($0.address.description) }.map(\.id))
        for socket in self.sockets where ids.contains(socket.id) {
            Sockets.close(socket.descriptor)
            self.options[socket.descriptor] = nil
        }
        self.sockets.removeAll { ids.contains($0.id) }
    }

    /// Closes all.
    package mutating func closeAll() {
        for socket in self.sockets { Sockets.close(socket.descriptor) }
        self.sockets = []
        self.options = [:]
    }
}
