// The embedded store: one file, a write-ahead log, every commit on the disk before it is
// acknowledged.

internal import Foundation
internal import GRDB
internal import StraitCore
internal import Synchronization

/// Rows in one SQLite file.
package final class SQLiteStore: Store {
    /// How often commits of other processes are looked for.
    private static let lookInterval = Duration.milliseconds(100)

    private let path: String
    /// Of the file that is open: another one may lie at the path later.
    private let file: Int?
    private let pool: DatabasePool
    private let waiting = Mutex<[UInt64: AsyncStream<Void>.Continuation]>([:])
    private let lastWaiter = Mutex<UInt64>(0)

    /// Opens the file at `path`, or makes it, readable for its owner alone.
    ///
    /// - Parameters:
    ///   - path: The file; two more are kept beside it, with `-wal` and `-shm` behind their names.
    ///   - lockSeconds: How long another process may hold it before ``StoreError/locked(_:)``.
    ///   - makesFile: Whether the file is made where it is not there.
    ///   - pagesMax: A quota in pages of 8 KiB; beyond, ``StoreError/full(_:)``. Nil: the disk.
    /// - Throws: ``StoreError`` where it cannot be opened, is no database, or is of a newer
    ///   program.
    package init(
        path: String, lockSeconds: Double = 5, makesFile: Bool = true, pagesMax: Int? = nil
    ) throws(StoreError) {
        do {
            if !FileManager.default.fileExists(atPath: path) {
                guard makesFile else {
                    throw StoreError.unavailable(
                        "\(path) is gone; put it back, or remove the copy beside it to begin anew")
                }
                guard
                    FileManager.default.createFile(
                        atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
                else { throw StoreError.unavailable("\(path) cannot be made") }
            }
            var configuration = GRDB.Configuration()
            configuration.busyMode = .timeout(lockSeconds)
            configuration.label = "store"
            configuration.prepareDatabase { database in
                // Of a new file. A row of more than a quarter of a page goes on in a page of its
                // own; a certificate has some 1.4 KB.
                try database.execute(sql: "PRAGMA page_size = 8192")
                // A commit that was acknowledged outlives the machine.
                try database.execute(sql: "PRAGMA synchronous = FULL")
                if let pagesMax {
                    try database.execute(sql: "PRAGMA max_page_count = \(pagesMax)")
                }
            }
            self.path = path
            self.pool = try DatabasePool(path: path, configuration: configuration)
            self.file = Self.fileNumber(path)
            let migrations = Self.migrations
            try migrations.migrate(self.pool)
            guard try self.pool.read({ try !migrations.hasBeenSuperseded($0) }) else {
                throw StoreError.unavailable("\(path) was written by a newer program")
            }
        } catch {
            throw Self.failure(error)
        }
    }

    private static var migrations: DatabaseMigrator {
        var migrations = DatabaseMigrator()
        migrations.registerMigration("rows") { database in
            try database.execute(
                sql: """
                    CREATE TABLE row (
                        key TEXT PRIMARY KEY, value BLOB NOT NULL,
                        created INTEGER NOT NULL, changed INTEGER NOT NULL) WITHOUT ROWID;
                    CREATE TABLE change (
                        revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, key TEXT NOT NULL,
                        value BLOB, PRIMARY KEY (revision, ordinal)) WITHOUT ROWID;
                    CREATE TABLE counter (
                        only INTEGER PRIMARY KEY CHECK (only = 0), revision INTEGER NOT NULL,
                        compacted INTEGER NOT NULL);
                    INSERT INTO counter VALUES (0, 0, 0);
                    """)
        }
        return migrations
    }

    // MARK: Reading

    /// As ``Store`` says.
    package func revision() async throws(StoreError) -> UInt64 {
        try await self.read { try Counter(of: $0).revision }
    }

    /// As ``Store`` says.
    package func row(_ key: RowKey) async throws(StoreError) -> StoredRow? {
        try await self.read { try Self.row(key, in: $0) }
    }

    /// As ``Store`` says.
    package func page(
        prefix: String, after key: RowKey?, limit: Int
    ) async throws(StoreError) -> StorePage {
        guard (1...Limits.storePageRowsMax).contains(limit) else {
            throw .refused("a page of \(limit) rows; expected 1 to \(Limits.storePageRowsMax)")
        }
        // One lower bound: of two, SQLite may begin at the lower one, and read all before the page.
        let isBefore = key.map { $0.description.utf8.lexicographicallyPrecedes(prefix.utf8) }
        let start = isBefore == false ? key?.description ?? prefix : prefix
        let comparison = isBefore == false ? ">" : ">="
        return try await self.read { database in
            let found = try Row.fetchAll(
                try database.cachedStatement(
                    sql: """
                        SELECT key, value, created, changed FROM row
                        WHERE key \(comparison) ? AND key < ? ORDER BY key LIMIT ?
                        """),
                arguments: [start, Self.end(of: prefix), limit + 1])
            let rows = try found.prefix(limit).map(Self.stored)
            return StorePage(
                rows: rows, revision: try Counter(of: database).revision,
                hasMore: found.count > limit)
        }
    }

    /// As ``Store`` says.
    package func load(
        prefix: String, _ take: @escaping @Sendable (StoredRow) -> Void
    ) async throws(StoreError) -> UInt64 {
        try await self.read { database in
            let rows = try Row.fetchCursor(
                try database.cachedStatement(
                    sql: """
                        SELECT key, value, created, changed FROM row
                        WHERE key >= ? AND key < ? ORDER BY key
                        """), arguments: [prefix, Self.end(of: prefix)])
            while let row = try rows.next() { take(try Self.stored(row)) }
            return try Counter(of: database).revision
        }
    }

    // MARK: Writing

    /// As ``Store`` says.
    package func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) -> UInt64 {
        try Self.check(writes, conditions)
        // What is written to a file that nobody finds any more does not last.
        guard self.file == Self.fileNumber(self.path) else {
            throw .unavailable("\(self.path) was moved or removed; start the router again")
        }
        let (revision, isNew) = try await self.write { database in
            try Self.hold(conditions, in: database)
            let revision = try Counter(of: database).revision + 1
            var ordinal = 0
            for write in writes where try Self.perform(write, at: revision, ordinal, in: database) {
                ordinal += 1
            }
            guard ordinal > 0 else { return (revision - 1, false) }
            try database.cachedStatement(
                sql: "UPDATE counter SET revision = ?"
            ).execute(arguments: [Int64(revision)])
            return (revision, true)
        }
        if isNew { self.wakeAll() }
        return revision
    }

    private static func fileNumber(_ path: String) -> Int? {
        // Whatever the reason: there is no file that could be the one that is open.
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return attributes?[.systemFileNumber] as? Int
    }

    private static func check(
        _ writes: [StoreWrite], _ conditions: [StoreCondition]
    ) throws(StoreError) {
        guard (1...Limits.storeWritesMax).contains(writes.count),
            conditions.count <= Limits.storeWritesMax
        else {
            throw .refused(
                "\(writes.count) writes and \(conditions.count) conditions; expected 1 to "
                    + "\(Limits.storeWritesMax) and no more than that")
        }
        guard Set(writes.map(\.key)).count == writes.count else {
            throw .refused("a row is written twice in one commit")
        }
        for case .put(let key, let value) in writes where value.count > Limits.storeValueBytesMax {
            throw .refused(
                "\(key) has \(value.count) bytes; expected at most \(Limits.storeValueBytesMax)")
        }
    }

    private static func hold(_ conditions: [StoreCondition], in database: Database) throws {
        for condition in conditions {
            let changed = try Self.row(condition.key, in: database)?.changed
            let holds =
                switch condition {
                case .absent: changed == nil
                case .present: changed != nil
                case .unchanged(_, let since): changed == since
                }
            guard holds else { throw StoreError.conflict(condition.key, changed: changed) }
        }
    }

    /// False where there was nothing to do.
    private static func perform(
        _ write: StoreWrite, at revision: UInt64, _ ordinal: Int, in database: Database
    ) throws -> Bool {
        var kept: Data?
        switch write {
        case .put(let key, let value):
            kept = Data(value)
            try database.cachedStatement(
                sql: """
                    INSERT INTO row (key, value, created, changed) VALUES (?1, ?2, ?3, ?3)
                    ON CONFLICT (key) DO UPDATE SET value = ?2, changed = ?3
                    """
            ).execute(arguments: [key.description, kept, Int64(revision)])
        case .delete(let key):
            try database.cachedStatement(
                sql: "DELETE FROM row WHERE key = ?"
            ).execute(arguments: [key.description])
            guard database.changesCount > 0 else { return false }
        }
        try database.cachedStatement(
            sql: "INSERT INTO change (revision, ordinal, key, value) VALUES (?, ?, ?, ?)"
        ).execute(arguments: [Int64(revision), ordinal, write.key.description, kept])
        return true
    }

    /// As ``Store`` says.
    package func compact(through revision: UInt64) async throws(StoreError) {
        try await self.write { database in
            let counter = try Counter(of: database)
            let last = min(revision, counter.revision)
            guard last > counter.compacted else { return }
            try database.cachedStatement(
                sql: "DELETE FROM change WHERE revision <= ?"
            ).execute(arguments: [Int64(last)])
            try database.cachedStatement(
                sql: "UPDATE counter SET compacted = ?"
            ).execute(arguments: [Int64(last)])
        }
    }

    // MARK: Following

    /// As ``Store`` says.
    package func commits(
        after revision: UInt64, limit: Int
    ) async throws(StoreError) -> [StoreCommit] {
        let (wakes, wake) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let waiter = self.lastWaiter.withLock { last in
            last += 1
            return last
        }
        self.waiting.withLock { $0[waiter] = wake }
        defer { self.waiting.withLock { $0[waiter] = nil } }
        var next = wakes.makeAsyncIterator()
        while !Task.isCancelled {
            let found = try await self.read { try Self.commits(after: revision, limit, in: $0) }
            guard found.isEmpty else { return found }
            let look = Task {
                do { try await Task.sleep(for: Self.lookInterval) } catch { return }
                wake.yield()
            }
            _ = await next.next()
            look.cancel()
        }
        throw .cancelled
    }

    private static func commits(
        after revision: UInt64, _ limit: Int, in database: Database
    ) throws -> [StoreCommit] {
        let counter = try Counter(of: database)
        guard revision >= counter.compacted else {
            throw StoreError.compacted(oldest: counter.compacted)
        }
        guard revision < counter.revision else { return [] }
        let (last, isOver) = revision.addingReportingOverflow(UInt64(clamping: max(limit, 1)))
        let rows = try Row.fetchCursor(
            try database.cachedStatement(
                sql: """
                    SELECT revision, key, value FROM change
                    WHERE revision > ? AND revision <= ? ORDER BY revision, ordinal
                    """),
            arguments: [Int64(revision), isOver ? Int64.max : Int64(clamping: last)])
        var commits: [StoreCommit] = []
        while let row = try rows.next() {
            let revision = UInt64(clamping: row["revision"] as Int64)
            let change = StoreChange(
                key: try RowKey(row["key"]), value: (row["value"] as Data?).map { Array($0) })
            if commits.last?.revision == revision {
                commits[commits.count - 1].changes.append(change)
            } else {
                commits.append(StoreCommit(revision: revision, changes: [change]))
            }
        }
        return commits
    }

    private func wakeAll() {
        for wake in self.waiting.withLock({ Array($0.values) }) { wake.yield() }
    }

    // MARK: GRDB

    /// What counts.
    private struct Counter {
        let revision: UInt64
        let compacted: UInt64

        init(of database: Database) throws {
            let row = try Row.fetchOne(
                try database.cachedStatement(
                    sql: "SELECT revision, compacted FROM counter"))
            guard let row else { throw StoreError.corrupted("there is no revision") }
            self.revision = UInt64(clamping: row["revision"] as Int64)
            self.compacted = UInt64(clamping: row["compacted"] as Int64)
        }
    }

    private static func row(_ key: RowKey, in database: Database) throws -> StoredRow? {
        try Row.fetchOne(
            try database.cachedStatement(
                sql: "SELECT key, value, created, changed FROM row WHERE key = ?"),
            arguments: [key.description]
        ).map(Self.stored)
    }

    private static func stored(_ row: Row) throws -> StoredRow {
        StoredRow(
            key: try RowKey(row["key"]), value: Array(row["value"] as Data),
            created: UInt64(clamping: row["created"] as Int64),
            changed: UInt64(row["changed"] as Int64))
    }

    /// What is behind every key that begins with `prefix`; no key has this character.
    private static func end(of prefix: String) -> String { prefix + "\u{10FFFF}" }

    private func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await self.pool.read(body)
        } catch {
            throw Self.failure(error)
        }
    }

    private func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await self.pool.write(body)
        } catch {
            throw Self.failure(error)
        }
    }

    private static func failure(_ error: any Error) -> StoreError {
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
