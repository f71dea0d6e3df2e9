// A store that is opened when it is first asked, and again until that succeeds, also where another
// one lies in its place.

internal import StraitPosix
internal import StraitStore
internal import Synchronization

/// Opens another store on demand: a router starts without its registry, and finds it later.
///
/// Opening may wait for another process's lock: it does so on a thread of its own, one at a time.
final class LazyStore: Store {
    private typealias Outcome = Result<any Store, StoreError>

    private struct State {
        var opened: (any Store)?
        /// Whose files lie there no more.
        ///
        /// They are not closed, as SQLite would then remove the log of what lies there now
        /// (sqlite.org/howtocorrupt.html §2.4); somebody moves files by hand for each.
        var left: [any Store] = []
        var attempt: Task<Outcome, Never>?
    }

    private let open: @Sendable () throws(StoreError) -> any Store
    private let state = Mutex(State())

    /// - Parameter open: Opens the store, or says why it cannot be.
    init(_ open: @escaping @Sendable () throws(StoreError) -> any Store) { self.open = open }

    private func store() async throws(StoreError) -> any Store {
        let (known, attempt) = self.state.withLock { state -> (Outcome?, Task<Outcome, Never>?) in
            if let opened = state.opened { return (.success(opened), nil) }
            // One that was put back is open already.
            if let back = state.left.firstIndex(where: { $0.place != nil }) {
                let store = state.left.remove(at: back)
                state.opened = store
                return (.success(store), nil)
            }
            if state.attempt == nil { state.attempt = Task { await self.opening() } }
            return (nil, state.attempt)
        }
        if let known { return try known.get() }
        guard let attempt else { throw .unavailable("it is not open") }
        return try await attempt.value.get()
    }

    private func opening() async -> Outcome {
        let open = self.open
        let thread = Mutex<StraitPosix.Thread?>(nil)
        let outcome: Outcome = await withCheckedContinuation { continuation in
            do throws(PosixError) {
                let spawned = try StraitPosix.Thread.spawn(name: "registry") {
                    do throws(StoreError) {
                        continuation.resume(returning: .success(try open()))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
                thread.withLock { $0 = spawned }
            } catch {
                continuation.resume(returning: .failure(.unavailable("\(error)")))
            }
        }
        thread.withLock { $0.take() }?.join()
        return self.state.withLock { state in
            state.attempt = nil
            guard case .success(let store) = outcome else { return outcome }
            // One that was put back meanwhile is it.
            let opened = state.opened ?? store
            state.opened = opened
            return .success(opened)
        }
    }

    /// Leaves a store that is not there any more, so that what lies there is opened next.
    private func leaveIfGone(because error: StoreError) {
        guard case .unavailable = error else { return }
        self.state.withLock { state in
            guard let opened = state.opened, opened.place == nil else { return }
            state.left.append(opened)
            state.opened = nil
        }
    }

    var place: StorePlace? { self.state.withLock(\.opened)?.place }

    /// Asks what says where it is not there any more.
    private func ask<Answer>(
        _ body: (any Store) async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        let store = try await self.store()
        do throws(StoreError) {
            return try await body(store)
        } catch {
            self.leaveIfGone(because: error)
            throw error
        }
    }

    func revision() async throws(StoreError) -> UInt64 {
        try await self.ask { store throws(StoreError) in try await store.revision() }
    }

    func row(_ key: RowKey) async throws(StoreError) -> StoredRow? {
        try await self.store().row(key)
    }

    func page(
        prefix: String, after key: RowKey?, limit: Int
    ) async throws(StoreError) -> StorePage {
        try await self.store().page(prefix: prefix, after: key, limit: limit)
    }

    func rows(prefixes: [String]) async throws(StoreError) -> [StoredRow] {
        try await self.store().rows(prefixes: prefixes)
    }

    func load(
        prefix: String, _ take: @escaping @Sendable (StoredRow) -> Void
    ) async throws(StoreError) -> UInt64 {
        try await self.store().load(prefix: prefix, take)
    }

    func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) -> UInt64 {
        try await self.ask { store throws(StoreError) in
            try await store.commit(writes, if: conditions)
        }
    }

    func commits(
        after revision: UInt64, limit: Int
    ) async throws(StoreError) -> [StoreCommit] {
        try await self.ask { store throws(StoreError) in
            try await store.commits(after: revision, limit: limit)
        }
    }

    func compact(through revision: UInt64) async throws(StoreError) {
        try await self.store().compact(through: revision)
    }
}
