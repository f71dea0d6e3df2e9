// The desired state that lasts: rows under one revision that counts every change. What a store
// promises, whichever database keeps it; `StoreContract` of the tests holds each of them to it.
//
// The promises are those that both SQLite and etcd can keep. A commit is whole or absent, also
// after the process or the machine dies; one that was acknowledged is there afterwards. Revisions
// rise by one a commit. A commit may depend on what rows are at that moment (compare-and-swap).
// Changes can be followed from any revision, in order and without a gap, until it is compacted.

internal import StraitCore
internal import StraitPosix
internal import Synchronization

/// A row as it is at a revision.
package struct StoredRow: Hashable, Sendable {
    /// Its name.
    package var key: RowKey
    /// What it says; a document, to the store only bytes.
    package var value: [UInt8]
    /// The revision at which it came.
    package var created: UInt64
    /// The revision that wrote it last.
    package var changed: UInt64

    /// See the properties.
    package init(key: RowKey, value: [UInt8], created: UInt64, changed: UInt64) {
        self.key = key
        self.value = value
        self.created = created
        self.changed = changed
    }
}

/// One write of a commit.
package enum StoreWrite: Hashable, Sendable {
    /// The row says this from now on, whether it was there or not.
    case put(RowKey, [UInt8])
    /// The row is gone; where it was not there, nothing happens.
    case delete(RowKey)

    /// The row that it is about.
    package var key: RowKey {
        switch self {
        case .put(let key, _), .delete(let key): key
        }
    }
}

/// What must be true of a row for a commit to happen.
package enum StoreCondition: Hashable, Sendable {
    /// There is no such row.
    case absent(RowKey)
    /// There is one, whatever it says.
    case present(RowKey)
    /// It was written last at that revision.
    case unchanged(RowKey, since: UInt64)

    /// The row that it is about.
    package var key: RowKey {
        switch self {
        case .absent(let key), .present(let key), .unchanged(let key, _): key
        }
    }
}

/// What one commit did to a row.
package struct StoreChange: Hashable, Sendable {
    /// The row.
    package var key: RowKey
    /// What it says since; nil: it is gone.
    package var value: [UInt8]?

    /// See the properties.
    package init(key: RowKey, value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}

/// All that changed at one revision.
package struct StoreCommit: Hashable, Sendable {
    /// The revision that it made.
    package var revision: UInt64
    /// In the order of its writes; a row at most once.
    package var changes: [StoreChange]

    /// See the properties.
    package init(revision: UInt64, changes: [StoreChange]) {
        self.revision = revision
        self.changes = changes
    }
}

/// Some rows, in the order of their keys' bytes.
package struct StorePage: Hashable, Sendable {
    /// The rows.
    package var rows: [StoredRow]
    /// The revision at which they were read.
    package var revision: UInt64
    /// Whether there are more behind the last one.
    package var hasMore: Bool

    /// See the properties.
    package init(rows: [StoredRow], revision: UInt64, hasMore: Bool) {
        self.rows = rows
        self.revision = revision
        self.hasMore = hasMore
    }
}

/// Why a store did not do what it was asked for.
package enum StoreError: Error, Hashable, Sendable {
    /// A condition does not hold for the row; what it is at, nil where it is not there.
    case conflict(RowKey, changed: UInt64?)
    /// What was asked for breaks a bound or names a row twice; for people.
    case refused(String)
    /// Changes after that revision are not kept any more; all are after `oldest`.
    case compacted(oldest: UInt64)
    /// There is no room (disk, quota).
    case full(String)
    /// Somebody else holds it and does not let go.
    case locked(String)
    /// What is there is not what was written.
    case corrupted(String)
    /// It cannot be reached, read or written; why.
    case unavailable(String)
    /// The task that asked was cancelled.
    case cancelled
}

/// A file, whatever its name.
package struct StorePlace: Hashable, Sendable {
    /// The file system that it is on.
    package var device: Int
    /// Its inode.
    package var number: Int

    /// See the properties.
    package init(device: Int, number: Int) {
        self.device = device
        self.number = number
    }

    /// The file at `path`; nil where there is none that could be found.
    init?(path: String) {
        guard let (device, number) = fileNumber(at: path) else { return nil }
        self.init(device: device, number: number)
    }
}

/// Rows under one revision.
package protocol Store: Sendable {
    /// Where the rows lie, as others find it: another one, another store. Nil where there is none
    /// any more, as where its file was moved.
    var place: StorePlace? { get }

    /// The newest revision; 0 where nothing was ever written.
    func revision() async throws(StoreError) -> UInt64

    /// One row; nil where there is none.
    func row(_ key: RowKey) async throws(StoreError) -> StoredRow?

    /// Rows whose keys begin with `prefix`, behind `key`, at most `limit` of them
    /// (1 to ``Limits/storePageRowsMax``).
    ///
    /// Pages of one listing may be of different revisions.
    func page(
        prefix: String, after key: RowKey?, limit: Int
    ) async throws(StoreError) -> StorePage

    /// Every row whose key begins with one of `prefixes`, all of one revision; in the order of the
    /// prefixes, behind each in the order of keys.
    func rows(prefixes: [String]) async throws(StoreError) -> [StoredRow]

    /// Every row whose key begins with `prefix`, in order, all of one revision.
    ///
    /// - Parameters:
    ///   - prefix: Empty for every row.
    ///   - take: Told each row; called one after the other.
    /// - Returns: The revision.
    /// - Throws: ``StoreError``, perhaps after some rows were told.
    func load(
        prefix: String, _ take: @escaping @Sendable (StoredRow) -> Void
    ) async throws(StoreError) -> UInt64

    /// Writes all, where every condition holds; else nothing.
    ///
    /// - Parameters:
    ///   - writes: 1 to ``Limits/storeWritesMax``, a row at most once.
    ///   - conditions: At most ``Limits/storeWritesMax``; all are of the state before.
    /// - Returns: The revision that it made; the one before where there was nothing to do.
    /// - Throws: ``StoreError/conflict(_:changed:)`` with the first condition that does not hold.
    func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) -> UInt64

    /// Waits until something was committed after `revision`, and returns the next commits, in
    /// order and without a gap; at most `limit`.
    ///
    /// - Throws: ``StoreError/compacted(oldest:)`` where they are not all kept, or the store has
    ///   not come to `revision` yet, as an older one was put in its place: load again.
    func commits(
        after revision: UInt64, limit: Int
    ) async throws(StoreError) -> [StoreCommit]

    /// Forgets the commits up to `revision`; rows stay.
    func compact(through revision: UInt64) async throws(StoreError)
}

extension Store {
    /// What `body` makes of each row whose key begins with `prefix`, in the order of their keys;
    /// all of one revision.
    ///
    /// - Parameters:
    ///   - prefix: Of the keys.
    ///   - body: Nil: nothing. On another thread.
    /// - Returns: The values, and the revision.
    /// - Throws: ``StoreError`` where the store cannot be read.
    package func collect<Value: Sendable>(
        prefix: String, _ body: @escaping @Sendable (StoredRow) -> Value?
    ) async throws(StoreError) -> (values: [Value], revision: UInt64) {
        let found = Mutex<[Value]>([])
        let revision = try await self.load(prefix: prefix) { row in
            guard let value = body(row) else { return }
            found.withLock { $0.append(value) }
        }
        return (found.withLock { $0 }, revision)
    }

    /// Commits writes in as many commits as they take, one after the other.
    ///
    /// - Parameters:
    ///   - writes: In their order; perhaps none.
    ///   - conditions: Of each of the commits.
    /// - Throws: ``StoreError`` of the first that fails; those before it stay.
    package func commitInSteps(
        _ writes: [StoreWrite], if conditions: [StoreCondition] = []
    ) async throws(StoreError) {
        var rest = writes[...]
        while !rest.isEmpty {
            _ = try await self.commit(
                Array(rest.prefix(Limits.storeWritesMax)), if: conditions)
            rest = rest.dropFirst(Limits.storeWritesMax)
        }
    }
}

extension StorePage {
    /// What stands behind `prefix` in the last row's key, where there are more rows behind it:
    /// whether that row can be read or not.
    package func next(behind prefix: String) -> String? {
        guard self.hasMore, let last = self.rows.last else { return nil }
        return String(last.key.description.dropFirst(prefix.count))
    }
}
