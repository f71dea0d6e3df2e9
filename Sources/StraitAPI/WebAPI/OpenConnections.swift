// The connections that `/webapi` has from the workers: bounded in all and for each source. Who has
// been silent longest makes room, so that nobody keeps others out by holding connections open.

internal import NIOCore
internal import StraitCore
internal import Synchronization

/// The open connections of one process.
final class OpenConnections: Sendable {
    private struct Entry {
        let channel: any Channel
        let source: IPAddress?
        var lastUse: UInt64
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var uses: UInt64 = 0

        mutating func stamp() -> UInt64 {
            self.uses += 1
            return self.uses
        }

        func oldest(where isIt: (Entry) -> Bool = { _ in true }) -> Entry? {
            self.entries.values.filter(isIt).min { $0.lastUse < $1.lastUse }
        }
    }

    private let state = Mutex(State())

    /// A connection has come.
    func opened(_ channel: any Channel, _ source: IPAddress?) {
        let crowded = self.state.withLock { state -> (any Channel)? in
            let ofSource = state.entries.values.count { $0.source == source }
            let leaving =
                ofSource >= Limits.webAPIConnectionsPerSourceMax
                ? state.oldest { $0.source == source }
                : state.entries.count >= Limits.webAPIConnectionsMax ? state.oldest() : nil
            if let leaving { state.entries[ObjectIdentifier(leaving.channel)] = nil }
            state.entries[ObjectIdentifier(channel)] = Entry(
                channel: channel, source: source, lastUse: state.stamp())
            return leaving?.channel
        }
        crowded?.close(promise: nil)
    }

    /// A connection has asked something.
    func used(_ channel: any Channel) {
        self.state.withLock { state in
            let stamp = state.stamp()
            state.entries[ObjectIdentifier(channel)]?.lastUse = stamp
        }
    }

    /// A connection has ended.
    func closed(_ channel: any Channel) {
        self.state.withLock { _ = $0.entries.removeValue(forKey: ObjectIdentifier(channel)) }
    }
}
