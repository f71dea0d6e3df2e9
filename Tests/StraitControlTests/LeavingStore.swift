// A store for tests of what happens when one is not there.

import StraitStore
import Synchronization

/// A store that goes away in the middle of a commit.
final class LeavingStore: Store {
    /// What becomes of the next commit, after which nothing is answered.
    enum Leaving: CaseIterable, Sendable { case before, after }

    let store: SQLiteStore
    private let state = Mutex(State())

    private struct State {
        var isAway = false
        var leaving: Leaving?
        var pagesLeft: Int?
    }

    init(_ store: SQLiteStore) { self.store = store }

    func leave(_ leaving: Leaving) { self.state.withLock { $0.leaving = leaving } }

    /// After some pages nothing is answered.
    func leave(afterPages count: Int) { self.state.withLock { $0.pagesLeft = count } }

    func comeBack() { self.state.withLock { $0 = State() } }

    private func present() throws(StoreError) -> SQLiteStore {
        guard !self.state.withLock(\.isAway) else { throw .unavailable("away") }
        return self.store
    }

    func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) -> UInt64 {
        let store = try self.present()
        guard let leaving = self.state.withLock(\.leaving) else {
            return try await store.commit(writes, if: conditions)
        }
        if leaving == .after { _ = try await store.commit(writes, if: conditions) }
        self.state.withLock { $0.isAway = true }
        throw .unavailable("away")
    }

    var place: StorePlace? { self.store.place }

    func revision() async throws(StoreError) -> UInt64 { try await self.present().revision() }

    func row(_ key: RowKey) async throws(StoreError) -> StoredRow? {
        try await self.present().row(key)
    }

    func page(
        prefix: String, after key: RowKey?, limit: Int
    ) async throws(StoreError) -> StorePage {
        self.state.withLock { state in
            guard let left = state.pagesLeft else { return }
            state.isAway = left == 0
            state.pagesLeft = left - 1
        }
        return try await self.present().page(prefix: prefix, after: key, limit: limit)
    }

    func rows(prefixes: [String]) async throws(StoreError) -> [StoredRow] {
        try await self.present().rows(prefixes: prefixes)
    }

    func load(
        prefix: String, _ take: @escaping @Sendable (StoredRow) -> Void
    ) async throws(StoreError) -> UInt64 {
        try await self.present().load(prefix: prefix, take)
    }

    func commits(
        after revision: UInt64, limit: Int
    ) async throws(StoreError) -> [StoreCommit] {
        try await self.present().commits(after: revision, limit: limit)
    }

    func compact(through revision: UInt64) async throws(StoreError) {
        try await self.present().compact(through: revision)
    }
}
