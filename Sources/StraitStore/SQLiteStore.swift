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
    /// After how many commits the log is brought into the file.
    private static let commitsPerCheckpoint = 50
    /// Pages of the log from which a commit brings them into the file itself.
    private static let logPagesMax = 4000

    private let path: String
    /// The file that is open: another one may lie at the path later.
    private let file: StorePlace?
    /// What lies beside it: its log, and the index of that.
    private let beside: [StorePlace]
    /// By what it is known that nothing else was written over it.
    let mark: SQLiteFileMark
    /// Commits, and reads everything at once.
    let pool: DatabasePool
    /// Reads a few rows.
    let reader: DatabaseQueue
    /// Brings the log into the file, beside the commits: on their way it takes one in a hundred of
    /// them 15 ms.
    private let checkpoints: DatabaseQueue
    private let commitsSinceCheckpoint = Mutex(0)
    private let waiting = Mutex<[UInt64: AsyncStream<Void>.Continuation]>([:])
    private let lastWaiter = Mutex<UInt64>(0)

    /// Beside which file a log lies, and for how many that have it open.
    private struct Log {
        var file: StorePlace?
        var users: Int
    }

    /// What lies beside the files that are open.
    private static let logs = Mutex<[StorePlace: Log]>([:])

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
            try Self.checkLog(of: path)
            var configuration = GRDB.Configuration()
            configuration.busyMode = .timeout(lockSeconds)
            configuration.label = "store"
            configuration.prepareDatabase { database in
                // Of a new file. A row of more than a quarter of a page goes on in a page of its
                // own; a certificate has some 1.4 KB.
                try database.execute(sql: "PRAGMA page_size = 8192")
                // A commit that was acknowledged outlives the machine.
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.execute(sql: "PRAGMA wal_autocheckpoint = \(Self.logPagesMax)")
                if let pagesMax {
                    try database.execute(sql: "PRAGMA max_page_count = \(pagesMax)")
                }
            }
            self.path = path
            self.pool = try DatabasePool(path: path, configuration: configuration)
            let file = StorePlace(path: path)
            self.file = file
            let migrations = Self.migrations
            try migrations.migrate(self.pool)
            guard try self.pool.read({ try !migrations.hasBeenSuperseded($0) }) else {
                throw StoreError.unavailable("\(path) was written by a newer program")
            }
            self.checkpoints = try DatabaseQueue(path: path, configuration: configuration)
            configuration.readonly = true
            self.reader = try DatabaseQueue(path: path, configuration: configuration)
            // Nothing fails from here on: who is counted is taken out again at its end.
            self.beside = ["-wal", "-shm"].compactMap { StorePlace(path: path + $0) }
            let beside = self.beside
            Self.logs.withLock { logs in
                for place in beside {
                    logs[place] = Log(file: file, users: (logs[place]?.users ?? 0) + 1)
                }
            }
            self.mark = SQLiteFileMark(path: path, file, self.pool)
        } catch {
            throw Self.failure(error)
        }
    }

    deinit {
        let beside = self.beside
        Self.logs.withLock { logs in
            for place in beside {
                logs[place]?.users -= 1
                if logs[place]?.users == 0 { logs[place] = nil }
            }
        }
    }

    /// SQLite would take the log of the file that lay there before for the log of this one
    /// (sqlite.org/howtocorrupt.html §1.4).
    private static func checkLog(of path: String) throws(StoreError) {
        let file = StorePlace(path: path)
        for ending in ["-wal", "-shm"] {
            guard let place = StorePlace(path: path + ending),
                let log = Self.logs.withLock({ $0[place] }), log.file != file
            else { continue }
            throw .unavailable(
                "\(path) is another file now, and \(path)\(ending) is of the one before: move "
                    + "that away, too, with whichever of -wal and -shm is there")
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

    /// As ``Store`` says: the file, while it is the one that lies at the path.
    package var place: StorePlace? {
        self.file.flatMap { $0 == StorePlace(path: self.path) ? $0 : nil }
    }

    /// - Throws: ``StoreError/unavailable(_:)`` where nobody finds the file any more: what is
    ///   written to it does not last, and what others write is not read.
    private func checkPlace() throws(StoreError) {
        guard self.place != nil else {
            throw .unavailable("\(self.path) was moved or removed; put it back")
        }
        for ending in ["-wal", "-shm"] {
            guard let place = StorePlace(path: self.path + ending), self.beside.contains(place)
            else {
                throw .unavailable(
                    """
                    \(self.path)\(ending) was moved or removed, and with it what is not in \
                    \(self.path) yet; nothing is written any more: put it back, or restart the \
                    router, which has then what \(self.path) has
                    """)
            }
        }
    }

    /// As ``Store`` says.
    package func revision() async throws(StoreError) -> UInt64 {
        try self.checkPlace()
        return try await self.read { try Counter(of: $0).revision }
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
            let rows = found.prefix(limit).compactMap(Self.stored)
            return StorePage(
                rows: rows, revision: try Counter(of: database).revision,
                hasMore: found.count > limit)
        }
    }

    /// As ``Store`` says.
    package func rows(prefixes: [String]) async throws(StoreError) -> [StoredRow] {
        try await self.readAll { database in
            let statement = try database.cachedStatement(
                sql: """
                    SELECT key, value, created, changed FROM row
                    WHERE key >= ? AND key < ? ORDER BY key
                    """)
            var rows: [StoredRow] = []
            for prefix in prefixes {
                let found = try Row.fetchCursor(
                    statement, arguments: [prefix, Self.end(of: prefix)])
                while let row = try found.next() {
                    if let stored = Self.stored(row) { rows.append(stored) }
                }
            }
            return rows
        }
    }

    /// As ``Store`` says.
    package func load(
        prefix: String, _ take: @escaping @Sendable (StoredRow) -> Void
    ) async throws(StoreError) -> UInt64 {
        try await self.readAll { database in
            let rows = try Row.fetchCursor(
                try database.cachedStatement(
                    sql: """
                        SELECT key, value, created, changed FROM row
                        WHERE key >= ? AND key < ? ORDER BY key
                        """), arguments: [prefix, Self.end(of: prefix)])
            while let row = try rows.next() {
                if let stored = Self.stored(row) { take(stored) }
            }
            return try Counter(of: database).revision
        }
    }

    // MARK: Writing

    /// As ``Store`` says.
    package func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) -> UInt64 {
        try StoreBounds.check(writes, conditions)
        try self.checkPlace()
        let (revision, isNew) = try await self.write { database in
            try Self.hold(conditions, in: database)
            let revision = try Counter(of: database).revision + 1
            guard revision <= Int64.max else { throw StoreError.corrupted("no revision is left") }
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
        if isNew {
            self.wakeAll()
            self.checkpointSoon()
        }
        return revision
    }

    private func checkpointSoon() {
        let isDue = self.commitsSinceCheckpoint.withLock { count in
            count = (count + 1) % Self.commitsPerCheckpoint
            return count == 0
        }
        guard isDue else { return }
        self.checkpoints.asyncWriteWithoutTransaction { [mark] database in
            do {
                try mark.checkContent()
                _ = try database.checkpoint(.passive)
            } catch {
                // What cannot be brought over now is by the next one, or by a commit.
            }
        }
    }

    private static func hold(_ conditions: [StoreCondition], in database: Database) throws {
        for condition in conditions {
            let changed = try Self.row(condition.key, in: database)?.changed
            guard condition.holds(changed: changed) else {
                throw StoreError.conflict(condition.key, changed: changed)
            }
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
            try self.checkPlace()
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
        after older: UInt64, _ limit: Int, in database: Database
    ) throws -> [StoreCommit] {
        let counter = try Counter(of: database)
        // A revision that is still to come was another file's: this one is older, put back.
        guard older >= counter.compacted, older <= counter.revision else {
            throw StoreError.compacted(oldest: counter.compacted)
        }
        guard older < counter.revision else { return [] }
        let (last, isOver) = older.addingReportingOverflow(UInt64(clamping: max(limit, 1)))
        let rows = try Row.fetchCursor(
            try database.cachedStatement(
                sql: """
                    SELECT revision, key, value FROM change
                    WHERE revision > ? AND revision <= ? ORDER BY revision, ordinal
                    """),
            arguments: [Int64(older), isOver ? Int64.max : Int64(clamping: last)])
        var commits: [StoreCommit] = []
        while let row = try rows.next() {
            let revision = UInt64(clamping: Int64.fromDatabaseValue(row["revision"]) ?? 0)
            if commits.last?.revision != revision {
                // Not all are kept: somebody took some out by hand.
                guard revision == (commits.last?.revision ?? older) + 1 else {
                    throw StoreError.compacted(oldest: counter.compacted)
                }
                commits.append(StoreCommit(revision: revision, changes: []))
            }
            guard let key = Self.key(row) else { continue }
            let value = Data.fromDatabaseValue(row["value"]).map { Array($0) }
            commits[commits.count - 1].changes.append(StoreChange(key: key, value: value))
        }
        guard !commits.isEmpty else { throw StoreError.compacted(oldest: counter.compacted) }
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
            guard let row, let revision = Int64.fromDatabaseValue(row["revision"]),
                let compacted = Int64.fromDatabaseValue(row["compacted"])
            else { throw StoreError.corrupted("there is no revision") }
            self.revision = UInt64(clamping: revision)
            self.compacted = UInt64(clamping: compacted)
        }
    }

    private static func row(_ key: RowKey, in database: Database) throws -> StoredRow? {
        try Row.fetchOne(
            try database.cachedStatement(
                sql: "SELECT key, value, created, changed FROM row WHERE key = ?"),
            arguments: [key.description]
        ).flatMap(Self.stored)
    }

    /// Nil for what no store has written.
    ///
    /// Somebody did by hand. It is left out, so that it stops nobody else's rows; a column of
    /// another type would trap.
    private static func stored(_ row: Row) -> StoredRow? {
        guard let key = Self.key(row), let value = Data.fromDatabaseValue(row["value"]),
            let created = Int64.fromDatabaseValue(row["created"]),
            let changed = Int64.fromDatabaseValue(row["changed"])
        else { return nil }
        return StoredRow(
            key: key, value: Array(value), created: UInt64(clamping: created),
            changed: UInt64(clamping: changed))
    }

    private static func key(_ row: Row) -> RowKey? {
        // Why it is none is nobody's concern: it is left out.
        String.fromDatabaseValue(row["key"]).flatMap { try? RowKey($0) }
    }

    /// What is behind every key that begins with `prefix`; no key has this character.
    private static func end(of prefix: String) -> String { prefix + "\u{10FFFF}" }
}
