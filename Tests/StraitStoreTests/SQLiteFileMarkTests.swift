// A registry's file that somebody writes over while it is in use.

import Foundation
import GRDB
import StraitCore
import StraitStore
import Testing

@Suite("SQLiteStore, written over", .timeLimit(.minutes(3))) struct SQLiteFileMarkTests {
    /// A database that nobody has open, with a row.
    private func closed(_ path: String, _ text: String) async throws {
        let store = try SQLiteStore(path: path)
        try await store.put("tenant/acme", text)
    }

    /// As cp(1) does: into the same file.
    private func write(_ bytes: Data, over path: String) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: bytes)
        try file.close()
    }

    private func checkpoint(_ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
        try queue.close()
    }

    private func isRefused(_ body: () async throws -> Void) async -> Bool {
        do {
            try await body()
            return false
        } catch StoreError.unavailable(let why) {
            return why.contains("written over")
        } catch {
            return false
        }
    }

    @Test("another database is neither read nor written, and one that is put back is not either")
    func foreign() async throws {
        let folder = try temporaryFolder()
        let (path, other) = (folder + "/state.sqlite", folder + "/other.sqlite")
        try await self.closed(other, "theirs")
        let theirs = try Data(contentsOf: URL(fileURLWithPath: other))
        do {
            let store = try SQLiteStore(path: path)
            try await store.put("tenant/acme", "ours")
            try self.write(theirs, over: path)
            #expect(await self.isRefused { try await store.put("tenant/acme", "more") })
            #expect(await self.isRefused { _ = try await store.text("tenant/acme") })
            #expect(await self.isRefused { _ = try await store.commits(after: 0, limit: 1) })
            #expect(await self.isRefused { try await store.compact(through: 1) })
        }
        // Nor when the store is let go.
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == theirs)
    }

    @Test("an older copy of the same database is noticed by its count of changes")
    func older() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let store = try SQLiteStore(path: path)
        try await store.put("tenant/acme", "old")
        try self.checkpoint(path)
        let old = try Data(contentsOf: URL(fileURLWithPath: path))
        for number in 0..<20 {
            try await store.put("tenant/t\(number)", String(repeating: "x", count: 100_000))
        }
        try self.checkpoint(path)
        #expect(try await store.text("tenant/acme") == "old")
        try self.write(old, over: path)
        #expect(await self.isRefused { try await store.put("tenant/acme", "more") })
    }

    @Test("two stores of one file, and one that is opened again, are no strangers")
    func ownFiles() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let (first, second) = (try SQLiteStore(path: path), try SQLiteStore(path: path))
        for number in 0..<20 {
            try await first.put("a\(number)", String(repeating: "x", count: 100_000))
            try await second.put("b\(number)", String(repeating: "x", count: 100_000))
        }
        try self.checkpoint(path)
        try await first.put("a", "1")
        let third = try SQLiteStore(path: path)
        #expect(try await third.text("a") == "1")
        #expect(try await second.put("b", "1") == 42)
    }

    @Test("followers of a store whose changes were taken out by hand are told to load again")
    func gaps() async throws {
        let path = try temporaryFolder() + "/state.sqlite"
        let store = try SQLiteStore(path: path)
        for number in 1...2500 { try await store.put("a", "\(number)") }
        let first = try await store.commits(after: 0, limit: 1000)
        let next = try await store.commits(after: 1000, limit: 1000)
        let last = try await store.commits(after: 2000, limit: 1000)
        #expect((first + next + last).map(\.revision) == Array(1...2500))
        let queue = try DatabaseQueue(path: path)
        try await queue.write {
            try $0.execute(sql: "DELETE FROM change WHERE revision BETWEEN 500 AND 2400")
        }
        #expect(try await store.commits(after: 0, limit: 1000).count == 499)
        for after in [UInt64(499), 1200, 1500] {
            await #expect(throws: StoreError.compacted(oldest: 0)) {
                _ = try await store.commits(after: after, limit: 1000)
            }
        }
        #expect(try await store.commits(after: 2400, limit: 1000).count == 100)
        try queue.close()
    }
}
