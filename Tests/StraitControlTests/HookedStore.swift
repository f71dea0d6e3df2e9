// A store for tests of races: something happens between two of its operations.

import StraitStore
import Synchronization

/// A store in whose operations somebody else is faster.
final class HookedStore: Store {
    private let store: any Store
    private let state = Mutex(State())

    private struct State {
        var refusal: StoreError?
        var afterLoad: (prefix: String, act: @Sendable () async -> Void)?
    }

    init(_ store: any Store) { self.store = store }

    /// Every commit fails so from now on; nil: none does.
    func refuse(_ error: StoreError?) { self.state.withLock { $0.refusal = error } }

    /// Once, behind the next load of that prefix.
    func afterLoad(of prefix: String, _ act: @escaping @Sendable () async -> Void) {
        self.state.withLock { $0.afterLoad = (prefix, act) }
    }

    var place: StorePlace? { self.store.place }

    func revision() async throws(StoreError) -> UInt64 { try await self.store.revision() }

    func row(_ key: RowKey) async throws(StoreError) -> StoredRow? {
        try await self.store.row(key)
    }

    func page(
        prefix: String, after key: RowKey?, limit: Int
    ) async throws(StoreError) -> StorePage {
        try await self.store.page(prefix: prefix, after: key, limit: limit)
    }

    func rows(prefixes: [String]) async throws(StoreError) -> [StoredRow] {
        try await self.store.rows(prefixes: prefixes)
    }

    func load(
        prefix: String, _ take: @escaping @Sendable (StoredRow) -> Void
    ) async throws(StoreError) -> UInt64 {
        let revision = try await self.store.load(prefix: prefix, take)
        let act = self.state.withLock { state in
            guard let known = state.afterLoad, known.prefix == prefix else {
                return nil as (@Sendable () async -> Void)?
            }
            state.afterLoad = nil
            return known.act
        }
        await act?()
        return revision
    }

    func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) -> UInt64 {
        if let refusal = self.state.withLock(\.refusal) { throw refusal }
        return try await self.store.commit(writes, if: conditions)
    }

    func commits(
        after revision: UInt64, limit: Int
    ) async throws(StoreError) -> [StoreCommit] {
        try await self.store.commits(after: revision, limit: limit)
    }

    func compact(through revision: UInt64) async throws(StoreError) {
        try await self.store.compact(through: revision)
    }
}
