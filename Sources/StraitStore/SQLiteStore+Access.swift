// How GRDB is asked: there and back takes two turns of threads, where its own `async` methods take
// six, which were a third of what a change of the registry cost.

internal import GRDB

extension SQLiteStore {
    /// Reads a few rows, all of one revision.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        try self.mark.checkContent()
        return try await Self.value { done in
            self.reader.asyncRead { access in
                done(access.flatMap { database in Result { try body(database) } })
            }
        }
    }

    /// Reads what takes long, beside other reads; all of one revision.
    func readAll<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        try self.mark.checkContent()
        do {
            return try await self.pool.read(body)
        } catch {
            throw Self.failure(error)
        }
    }

    /// Writes in one transaction.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        try self.mark.checkContent()
        return try await Self.value { done in
            self.pool.asyncWrite(body) { _, result in done(result) }
        }
    }

    private static func value<Value: Sendable>(
        _ start: (@escaping @Sendable (Result<Value, any Error>) -> Void) -> Void
    ) async throws(StoreError) -> Value {
        do {
            return try await withCheckedThrowingContinuation { continuation in
                start { continuation.resume(with: $0) }
            }
        } catch {
            throw Self.failure(error)
        }
    }

    static func failure(_ error: any Error) -> StoreError {
        switch error {
        case let known as StoreError: return known
        case is CancellationError: return .cancelled
        case let known as DatabaseError: return Self.failure(known)
        default: return .unavailable("\(error)")
        }
    }

    private static func failure(_ error: DatabaseError) -> StoreError {
        let reason = error.message ?? "SQLite \(error.resultCode.rawValue)"
        return switch error.resultCode {
        case .SQLITE_FULL: .full(reason)
        case .SQLITE_BUSY, .SQLITE_LOCKED: .locked(reason)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: .corrupted(reason)
        default: .unavailable(reason)
        }
    }
}
