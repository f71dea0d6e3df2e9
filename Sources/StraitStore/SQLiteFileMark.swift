// Whether the file of a database was written over by somebody who does not ask SQLite (cp). Its
// format: sqlite.org/fileformat2.html §1.3.

internal import Foundation
internal import GRDB
internal import Synchronization

/// What a database file is known by.
///
/// SQLite notices nothing of a file that is written over: it goes on with the pages that it knows,
/// and writes them into what is there. So the first bytes are looked at before each use.
final class SQLiteFileMark: Sendable {
    private struct State: Sendable {
        /// The identities that the file may have.
        var known: Set<UInt32>
        /// The highest count of changes that was seen; it never falls.
        var changes: UInt32
        var isForeign = false
    }

    /// The first bytes of a file.
    private struct Header {
        /// Offset 68: the application's id, which is random here, and one database's.
        let identity: UInt32
        /// Offset 24: the file change counter.
        let changes: UInt32

        init?(_ bytes: Data?) {
            guard let bytes, bytes.count == Self.bytesCount else { return nil }
            func number(_ offset: Int) -> UInt32 {
                bytes.dropFirst(offset).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
            }
            self.identity = number(68)
            self.changes = number(24)
        }

        static let bytesCount = 100
    }

    /// Files that were opened for their first bytes; never closed.
    ///
    /// Closing any descriptor of a file lets go all locks of the process on it, SQLite's too
    /// (fcntl(2)). A process opens two, the registry and its copy.
    private static let files = Mutex<[StorePlace: FileHandle]>([:])

    /// Databases that were written over: closing one would write to it.
    private static let foreign = Mutex<[DatabasePool]>([])

    private let path: String
    private let place: StorePlace?
    private let pool: DatabasePool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - path: The file.
    ///   - place: Which one that is; nil where it is gone already.
    ///   - pool: Has it open.
    init(path: String, _ place: StorePlace?, _ pool: DatabasePool) {
        self.path = path
        self.pool = pool
        self.place = place
        // Without an identity, as where the disk is full, only what falls back is noticed.
        let identity = (try? Self.identity(in: pool)) ?? 0
        let header = Self.header(self.place, path)
        self.state = Mutex(
            State(
                known: [identity, header?.identity ?? identity], changes: header?.changes ?? 0))
    }

    /// The one that the database has, or gets now.
    private static func identity(in pool: DatabasePool) throws -> UInt32 {
        let sql = "PRAGMA application_id"
        func stored(_ database: Database) throws -> Int32? {
            try Int32.fetchOne(database, sql: sql).flatMap { $0 == 0 ? nil : $0 }
        }
        if let known = try pool.read(stored) { return UInt32(bitPattern: known) }
        let new = try pool.write { database in
            if let known = try stored(database) { return known }  // another process was faster
            let new = Int32.random(in: 1 ... .max)
            try database.execute(sql: "\(sql) = \(new)")
            return new
        }
        // Else it is in the log alone, until that is written back.
        try pool.writeWithoutTransaction { _ = try $0.checkpoint(.passive) }
        return UInt32(bitPattern: new)
    }

    // MARK: Looking

    /// - Throws: ``StoreError/unavailable(_:)`` where something else was written over it.
    func checkContent() throws(StoreError) {
        guard let place = self.place else { return }
        let isForeign = try self.state.withLock { state throws(StoreError) -> Bool in
            // Read here: one that another thread has read before would seem to fall back.
            guard let header = Self.header(place, self.path) else {
                throw .unavailable("the first bytes of \(self.path) cannot be read")
            }
            if state.known.contains(header.identity), header.changes >= state.changes {
                state.changes = header.changes
            } else if !state.isForeign {
                state.isForeign = true
                Self.foreign.withLock { $0.append(self.pool) }
            }
            return state.isForeign
        }
        guard !isForeign else {
            throw .unavailable(
                """
                \(self.path) was written over while it was in use; nothing is written to it any \
                more: stop the router, remove \(self.path)-wal and \(self.path)-shm, put the file \
                there that you want, and start the router
                """)
        }
    }

    private static func header(_ place: StorePlace?, _ path: String) -> Header? {
        guard let place else { return nil }
        return self.files.withLock { files in
            if files[place] == nil { files[place] = FileHandle(forReadingAtPath: path) }
            guard let file = files[place] else { return nil }
            do {
                try file.seek(toOffset: 0)
                return Header(try file.read(upToCount: Header.bytesCount))
            } catch {
                return nil  // what cannot be read is not what it was
            }
        }
    }
}
