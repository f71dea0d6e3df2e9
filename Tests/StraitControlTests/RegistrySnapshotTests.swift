// What the copy of the last good state takes from a registry that goes on meanwhile.

import Foundation
import StraitConfig
import StraitControl
import StraitCore
import StraitStore
import Testing

@Suite("The copy of the last good state", .timeLimit(.minutes(3)))
struct RegistrySnapshotTests {
    private let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("strait-copy-\(UUID().uuidString)")
    private let store: LeavingStore
    private let snapshot: RegistrySnapshot

    init() throws {
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        self.store = LeavingStore(
            try SQLiteStore(path: self.folder.appendingPathComponent("registry.db").path))
        self.snapshot = try RegistrySnapshot(
            path: self.folder.appendingPathComponent("copy.db").path, ports: nil)
    }

    private func write(_ tenant: String, _ text: String?) async throws -> UInt64 {
        let key = try RowKey("tenant/\(tenant)/document")
        return try await self.store.commit(
            [text.map { .put(key, Array($0.utf8)) } ?? .delete(key)], if: [])
    }

    private func copy(of tenant: String) async throws -> String? {
        try await self.snapshot.store.row(try RowKey("tenant/\(tenant)/document"))
            .map { String(decoding: $0.value, as: UTF8.self) }
    }

    private func follow(
        through revision: UInt64, refused: Set<String> = [], at second: UInt64 = 1
    ) async throws {
        try await self.snapshot.follow(
            Registry(store: self.store), through: revision, refused: refused,
            now: Timestamp(nanoseconds: second * 1_000_000_000))
    }

    @Test("has nothing that is not live yet, by changes and by all rows", arguments: [false, true])
    func behind(isWhole: Bool) async throws {
        _ = try await self.write("acme", "good")
        try await self.follow(through: try await self.write("beta", "good"))
        _ = try await self.write("acme", "better")
        let live = try await self.write("beta", "better")
        _ = try await self.write("acme", "bad")
        _ = try await self.write("gone", "bad")
        let last = try await self.write("gone", nil)
        if isWhole { try await self.store.compact(through: live) }
        try await self.follow(through: live)
        #expect(try await self.copy(of: "acme") == "good")
        #expect(try await self.copy(of: "beta") == "better")
        #expect(try await self.snapshot.mark()?.revision == live)
        // Then it is refused, and mended.
        try await self.follow(through: last, refused: ["acme"])
        #expect(try await self.copy(of: "acme") == "good")
        try await self.follow(through: try await self.write("acme", "mended"))
        #expect(try await self.copy(of: "acme") == "mended")
        #expect(try await self.copy(of: "gone") == nil)
        try FileManager.default.removeItem(at: self.folder)
    }

    @Test("is still to be started from where it could not be made anew to its end")
    func interrupted() async throws {
        let older = try await self.write("t0", "good")
        try await self.follow(through: older)
        var last = older
        for number in 0..<300 { last = try await self.write("t\(number)", "better") }
        let removed = try await self.write("t7", nil)
        try await self.store.compact(through: removed)
        self.store.leave(afterPages: 1)
        await #expect(throws: StoreError.self) { try await self.follow(through: removed) }
        #expect(try await self.snapshot.mark()?.revision == older && last > older)
        #expect(try await self.copy(of: "t0") == "better")
        self.store.comeBack()
        try await self.follow(through: removed)
        #expect(try await self.snapshot.mark()?.revision == removed)
        #expect(try await self.copy(of: "t299") == "better")
        #expect(try await self.copy(of: "t7") == nil)
        try FileManager.default.removeItem(at: self.folder)
    }

    @Test("goes with a registry that is older than it, and drops what that has not")
    func older() async throws {
        for text in ["1", "2", "3"] { _ = try await self.write("acme", text) }
        try await self.follow(through: try await self.write("late", "good"))
        let other = try SQLiteStore(path: self.folder.appendingPathComponent("other.db").path)
        let revision = try await other.commit(
            [.put(try RowKey("tenant/acme/document"), Array("0".utf8))], if: [])
        try await self.snapshot.follow(
            Registry(store: other), through: revision, refused: [],
            now: Timestamp(nanoseconds: 1))
        #expect(try await self.copy(of: "acme") == "0")
        #expect(try await self.copy(of: "late") == nil)
        #expect(try await self.snapshot.mark()?.revision == revision)
        try FileManager.default.removeItem(at: self.folder)
    }

    @Test("says when it was up to date, to a minute, while nothing changes")
    func quiet() async throws {
        let revision = try await self.write("acme", "good")
        for (second, marked): (UInt64, UInt64) in [(100, 100), (159, 100), (160, 160), (161, 160)] {
            try await self.follow(through: revision, at: second)
            #expect(try await self.snapshot.mark()?.time.seconds == marked)
        }
        try FileManager.default.removeItem(at: self.folder)
    }
}
