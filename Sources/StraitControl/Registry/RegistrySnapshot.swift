// The last good state of every tenant, in a file of its own: what a restart serves while the
// registry is away. It is written behind the changes, and lost without harm.

internal import Foundation
internal import StraitCore
internal import StraitStore

/// A copy of the rows that tenants were compiled from.
struct RegistrySnapshot: Sendable {
    /// The copy; its own revisions mean nothing.
    let store: SQLiteStore
    /// Of its private keys, which are sealed as in the registry.
    private let keys: RegistryKeys
    private let ports: PortBook?

    /// Which revision of the registry it is of, and since when.
    struct Mark: Hashable, Sendable {
        var revision: UInt64
        var time: Timestamp
    }

    /// Whether there is a copy.
    static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Opens the copy at `path`, or makes it.
    init(path: String, keys: RegistryKeys, ports: PortBook?) throws(StoreError) {
        self.store = try SQLiteStore(path: path)
        self.keys = keys
        self.ports = ports
    }

    /// What to read it with.
    var registry: Registry { Registry(store: self.store, keys: self.keys, ports: self.ports) }

    private static func key() throws(StoreError) -> RowKey { try RowKey("copy/of") }

    /// What it is of; nil while it is not whole.
    func mark() async throws(StoreError) -> Mark? {
        guard let row = try await self.store.row(try Self.key()) else { return nil }
        let words = String(decoding: row.value, as: UTF8.self).split(separator: " ")
        guard words.count == 2, let revision = UInt64(words[0]), let time = UInt64(words[1]) else {
            return nil
        }
        return Mark(revision: revision, time: Timestamp(nanoseconds: time))
    }

    /// Says what it is of from now on; nil: it is not whole.
    func setMark(_ mark: Mark?) async throws(StoreError) {
        let key = try Self.key()
        let write =
            mark.map { mark -> StoreWrite in
                .put(key, Array("\(mark.revision) \(mark.time.nanoseconds)".utf8))
            } ?? .delete(key)
        let revision = try await self.store.commit([write], if: [])
        try await self.store.compact(through: revision)
    }

    /// Makes the copies of tenants what `tenants` are; those without a document go.
    func copy(_ tenants: [RegisteredTenant]) async throws(StoreError) {
        var writes: [StoreWrite] = []
        for tenant in tenants {
            let older = try await self.registry.tenant(tenant.name).contents
            let newer = tenant.document == nil ? [:] : tenant.contents
            for (key, value) in newer where older[key] != value { writes.append(.put(key, value)) }
            for key in older.keys where newer[key] == nil { writes.append(.delete(key)) }
            // A tenant is copied whole or not at all, where it fits into a commit.
            if writes.count > Limits.storeWritesMax / 2 { try await self.commit(&writes) }
        }
        try await self.commit(&writes)
    }

    private func commit(_ writes: inout [StoreWrite]) async throws(StoreError) {
        var rest = writes[...]
        while !rest.isEmpty {
            _ = try await self.store.commit(Array(rest.prefix(Limits.storeWritesMax)), if: [])
            rest = rest.dropFirst(Limits.storeWritesMax)
        }
        writes = []
    }
}

extension RegisteredTenant {
    /// What each of its rows says.
    fileprivate var contents: [RowKey: [UInt8]] {
        var contents = Dictionary(
            self.rows.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        if let document { contents[document.key] = document.value }
        return contents
    }
}
