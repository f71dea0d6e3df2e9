// What becomes of a SQLite file: kept, shared, held by others, damaged, too new.

import Foundation
import GRDB
import StraitCore
import StraitStore
import Testing

@Suite("SQLiteStore", .timeLimit(.minutes(3))) struct SQLiteStoreTests {
    @Test("what was committed is there when it is opened again, and nobody else reads it")
    func reopened() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        do {
            let store = try SQLiteStore(path: path)
            try await store.put("tenant/acme", "kept")
        }
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: path + suffix) {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + suffix)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
        let again = try SQLiteStore(path: path)
        #expect(try await again.text("tenant/acme") == "kept")
        #expect(try await again.put("tenant/acme", "more") == 2)
    }

    @Test("a commit of another process is followed, too")
    func shared() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let (here, there) = (try SQLiteStore(path: path), try SQLiteStore(path: path))
        let follower = Task { try await here.commits(after: 0, limit: 10) }
        try await there.put("a", "1")
        #expect(try await follower.value.map(\.revision) == [1])
        #expect(try await here.put("a", "2") == 2)
        #expect(try await there.text("a") == "2")
    }

    @Test("a folder that is not there, a file that is no database, and a newer one are refused")
    func refused() async throws {
        let folder = try temporaryFolder()
        #expect(throws: StoreError.self) { try SQLiteStore(path: folder + "/none/state.sqlite") }
        let text = folder + "/text"
        try String(repeating: "this is no database\n", count: 100)
            .write(toFile: text, atomically: true, encoding: .utf8)
        let refusal = #expect(throws: StoreError.self) { try SQLiteStore(path: text) }
        guard case .corrupted? = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        let newer = folder + "/newer"
        _ = try SQLiteStore(path: newer)
        let queue = try DatabaseQueue(path: newer)
        try await queue.write {
            try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('of tomorrow')")
        }
        try queue.close()
        let tooNew = #expect(throws: StoreError.self) { try SQLiteStore(path: newer) }
        #expect(tooNew == .unavailable("\(newer) was written by a newer program"))
    }

    @Test(
        "nothing is acknowledged once what lies beside the file is gone", arguments: ["wal", "shm"])
    func besideGone(ending: String) async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let store = try SQLiteStore(path: path)
        try await store.put("a", "1")
        let beside = path + "-" + ending
        try FileManager.default.moveItem(atPath: beside, toPath: beside + ".away")
        let refusal = await #expect(throws: StoreError.self) { try await store.put("a", "2") }
        guard case .unavailable(let why)? = refusal, why.contains(beside) else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        try FileManager.default.moveItem(atPath: beside + ".away", toPath: beside)
        #expect(try await store.put("a", "3") == 2)
    }

    @Test("rows that no store has written are left out, and stop nobody else's")
    func byHand() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let store = try SQLiteStore(path: path)
        try await store.put("row/a", "1")
        let queue = try DatabaseQueue(path: path)
        try await queue.write { database in
            for row in [
                "('row/b' || char(10), 'x', 1, 1)", "('row/c', 5, 1, 1)",
                "('row/d', x'00', -1, -1)",
            ] { try database.execute(sql: "INSERT INTO row VALUES \(row)") }
            try database.execute(sql: "UPDATE counter SET revision = 2")
            try database.execute(
                sql: """
                    INSERT INTO change VALUES (2, 0, 'row/b' || char(10), 'x'), (2, 1, 'row/c', 5),
                    (2, 2, 'row/d', x'00')
                    """)
        }
        try queue.close()
        let page = try await store.page(prefix: "row/", after: nil, limit: 10)
        #expect(page.rows.map(\.key.description) == ["row/a", "row/d"])
        #expect(try await store.row(try RowKey("row/c")) == nil)
        let commits = try await store.commits(after: 1, limit: 10)
        #expect(commits.map(\.revision) == [2])
        #expect(commits.flatMap(\.changes).map(\.key.description) == ["row/c", "row/d"])
    }

    @Test("no room is told, what was asked for is absent, and it goes on when there is room")
    func full() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let store = try SQLiteStore(path: path, pagesMax: 40)
        var count = 0
        let value = String(repeating: "v", count: 20_000)
        let failure = await #expect(throws: StoreError.self) {
            for number in 0..<100 {
                try await store.put("row/\(number)", value)
                count = number + 1
            }
        }
        guard case .full? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(count > 0)
        #expect(try await store.revision() == UInt64(count))
        #expect(try await store.text("row/\(count)") == nil)
        #expect(try await store.text("row/\(count - 1)") == value)
        _ = try await store.commit([.delete(RowKey("row/0"))], if: [])
        try await store.compact(through: UInt64(count) + 1)
        #expect(try await store.put("small", "fits") == UInt64(count) + 2)
    }

    @Test("a file that another process holds is told as that")
    func locked() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let store = try SQLiteStore(path: path, lockSeconds: 0.05)
        var configuration = GRDB.Configuration()
        configuration.allowsUnsafeTransactions = true
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try await queue.writeWithoutTransaction { database in
            try database.execute(sql: "BEGIN IMMEDIATE")
        }
        let failure = await #expect(throws: StoreError.self) { try await store.put("a", "1") }
        guard case .locked? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(try await store.revision() == 0, "reading goes on")
        try await queue.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        #expect(try await store.put("a", "1") == 1)
    }
}
