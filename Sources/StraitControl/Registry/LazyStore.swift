// A store that is opened when it is first asked, and again after that has failed.

internal import StraitStore
internal import Synchronization

/// Opens another store on demand: a router starts without its registry, and finds it later.
final class LazyStore: Store {
    private let open: @Sendable () throws(StoreError) -> any Store
    private let opened = Mutex<(any Store)?>(nil)

    /// - Parameter open: Opens the store, or says why it cannot be.
    init(_ open: @escaping @Sendable () throws(StoreError) -> any Store) { self.open = open }

    private func store() throws(StoreError) -> any Store {
        try self.opened.withLock { opened throws(StoreError) in
            if let opened { return opened }
            let store = try self.open()
            opened = store
            return store
        }
    }

    func revision() async throws(StoreError) -> UInt64 { try await self.store().revision() }

    func row(_ key: RowKey) async throws(StoreError) -> StoredRow? {
        try await self.store().row(key)
    }

    func page(
        prefix: String, after key: RowKey?, limit: Int
    ) async throws(StoreError) -> StorePage {
        try await self.store().page(prefix: prefix, after: key, limit: limit)
    }

    func load(
        prefix: String, _ take: @escaping @Sendable (StoredRow) -> Void
    ) async throws(StoreError) -> UInt64 {
        try await self.store().load(prefix: prefix, take)
    }

    func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) -> UInt64 {
        try await self.store().commit(writes, if: conditions)
    }

    func commits(
        after revision: UInt64, limit: Int
    ) async throws(StoreError) -> [StoreCommit] {
        try await self.store().commits(after: revision, limit: limit)
    }

    func compact(through revision: UInt64) async throws(StoreError) {
        try await self.store().compact(through: revision)
    }
}
