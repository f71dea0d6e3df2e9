// What every store promises, tried on each of them.

import Foundation
import StraitCore
import StraitStore
import Testing

/// The stores that there are.
enum StoreKind: String, CaseIterable, CustomTestStringConvertible {
    case sqlite

    var testDescription: String { self.rawValue }

    /// A new one, empty, in a folder of its own.
    func make() throws -> any Store {
        switch self {
        case .sqlite: try SQLiteStore(path: try temporaryFolder() + "/state.sqlite")
        }
    }
}

/// A folder for one test; the system's own way removes it.
func temporaryFolder() throws -> String {
    var template = Array("/tmp/strait-store-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EACCES) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

extension Store {
    /// Writes one row, as text.
    @discardableResult
    func put(
        _ key: String, _ text: String, if conditions: [StoreCondition] = []
    ) async throws(StoreError) -> UInt64 {
        try await self.commit([.put(try RowKey(key), Array(text.utf8))], if: conditions)
    }

    func text(_ key: String) async throws(StoreError) -> String? {
        try await self.row(try RowKey(key)).map { String(decoding: $0.value, as: UTF8.self) }
    }

    func keys(_ prefix: String) async throws(StoreError) -> [String] {
        try await self.page(prefix: prefix, after: nil, limit: 1000).rows.map(\.key.description)
    }
}

@Suite("A store", .timeLimit(.minutes(3))) struct StoreContract {
    @Test("is empty and at revision 0 at first", arguments: StoreKind.allCases)
    func empty(kind: StoreKind) async throws {
        let store = try kind.make()
        #expect(try await store.revision() == 0)
        #expect(try await store.row(RowKey("a")) == nil)
        #expect(
            try await store.page(prefix: "", after: nil, limit: 10)
                == StorePage(rows: [], revision: 0, hasMore: false))
        #expect(try await store.load(prefix: "") { _ in Issue.record("a row") } == 0)
    }

    @Test("counts commits, and tells when a row came and changed", arguments: StoreKind.allCases)
    func revisions(kind: StoreKind) async throws {
        let store = try kind.make()
        #expect(try await store.put("tenant/acme", "one") == 1)
        #expect(try await store.put("tenant/globex", "two") == 2)
        #expect(try await store.put("tenant/acme", "three") == 3)
        let row = try #require(try await store.row(RowKey("tenant/acme")))
        #expect(row.created == 1 && row.changed == 3 && row.value == Array("three".utf8))
        #expect(try await store.commit([.delete(RowKey("tenant/acme"))], if: []) == 4)
        #expect(try await store.row(RowKey("tenant/acme")) == nil)
        #expect(try await store.commit([.delete(RowKey("tenant/acme"))], if: []) == 4)
        #expect(try await store.put("tenant/acme", "again") == 5)
        #expect(try await store.row(RowKey("tenant/acme"))?.created == 5)
        #expect(try await store.revision() == 5)
    }

    @Test(
        "writes nothing where a condition does not hold, and says which and why",
        arguments: StoreKind.allCases)
    func conditions(kind: StoreKind) async throws {
        let store = try kind.make()
        let (a, b, c) = (try RowKey("a"), try RowKey("b"), try RowKey("c"))
        try await store.put("a", "1")
        try await store.put("a", "2")
        for (condition, found) in [
            (StoreCondition.absent(a), 2 as UInt64?), (.unchanged(a, since: 1), 2),
            (.unchanged(a, since: 3), 2), (.present(b), nil), (.unchanged(b, since: 0), nil),
        ] {
            await #expect(throws: StoreError.conflict(condition.key, changed: found)) {
                try await store.commit(
                    [.put(c, [1]), .delete(a)], if: [.present(a), condition])
            }
        }
        #expect(try await store.revision() == 2)
        #expect(try await store.text("c") == nil)
        let all: [StoreCondition] = [.present(a), .unchanged(a, since: 2), .absent(b), .absent(c)]
        #expect(try await store.commit([.put(b, [1]), .put(c, [2]), .delete(a)], if: all) == 3)
        #expect(try await store.keys("") == ["b", "c"])
    }

    @Test("lists by prefix, page by page, in the order of bytes", arguments: StoreKind.allCases)
    func pages(kind: StoreKind) async throws {
        let store = try kind.make()
        let names = ["n/A", "n/a", "n/a/b", "n/aé", "n/b", "n/~", "n/😀", "m/z", "o", "n", "n0"]
        for name in names.shuffled() { try await store.put(name, name) }
        let expected = try names.filter { $0.hasPrefix("n/") }.map { try RowKey($0) }
            .sorted().map(\.description)
        #expect(try await store.keys("n/") == expected)
        var found: [String] = []
        var last: RowKey?
        while true {
            let page = try await store.page(prefix: "n/", after: last, limit: 2)
            found += page.rows.map(\.key.description)
            #expect(page.rows.count == 2 || !page.hasMore)
            last = page.rows.last?.key
            if !page.hasMore { break }
        }
        #expect(found == expected)
        #expect(try await store.keys("n/a") == ["n/a", "n/a/b", "n/aé"])
        #expect(try await store.keys("").count == names.count)
    }

    @Test("loads every row of one revision while others write", arguments: StoreKind.allCases)
    func consistent(kind: StoreKind) async throws {
        let store = try kind.make()
        let keys = try (0..<50).map { try RowKey("k/\($0)") }
        _ = try await store.commit(keys.map { .put($0, [0]) }, if: [])
        let writer = Task {
            for round in UInt8(1)...100 {
                _ = try await store.commit(keys.map { .put($0, [round]) }, if: [])
            }
        }
        for _ in 0..<50 {
            let seen = Seen()
            let revision = try await store.load(prefix: "k/") { seen.take($0) }
            #expect(seen.rows.count == 50)
            #expect(Set(seen.rows.map(\.value)).count == 1 && seen.rows.first?.changed == revision)
        }
        try await writer.value
    }

    @Test("lets one of many writers win each time", arguments: StoreKind.allCases)
    func compareAndSwap(kind: StoreKind) async throws {
        let store = try kind.make()
        let key = try RowKey("counter")
        try await store.put("counter", "0")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var done = 0
                    while done < 25 {
                        let row = try #require(try await store.row(key))
                        let value = Int(String(decoding: row.value, as: UTF8.self)) ?? 0
                        do throws(StoreError) {
                            try await store.put(
                                "counter", "\(value + 1)",
                                if: [.unchanged(key, since: row.changed)])
                            done += 1
                        } catch {
                            guard case .conflict = error else { throw error }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.text("counter") == "200")
        #expect(try await store.revision() == 201)
    }

    @Test("refuses what breaks its bounds", arguments: StoreKind.allCases)
    func bounds(kind: StoreKind) async throws {
        let store = try kind.make()
        let key = try RowKey("a")
        let most = [UInt8](repeating: 7, count: Limits.storeValueBytesMax)
        let many = try (0...Limits.storeWritesMax).map { StoreWrite.put(try RowKey("\($0)"), [1]) }
        let wrong: [[StoreWrite]] = [
            [], [.put(key, most + [7])], [.put(key, [1]), .delete(key)], many,
        ]
        for writes in wrong {
            await #expect(throws: StoreError.self) { try await store.commit(writes, if: []) }
        }
        #expect(try await store.revision() == 0)
        #expect(try await store.commit([.put(key, most)], if: []) == 1)
        #expect(try await store.row(key)?.value == most)
        #expect(try await store.commit(Array(many.dropLast()), if: []) == 2)
        for limit in [0, Limits.storePageRowsMax + 1] {
            await #expect(throws: StoreError.self) {
                try await store.page(prefix: "", after: nil, limit: limit)
            }
        }
    }

    @Test(
        "a key has bytes, not too many, and none that does harm",
        arguments: ["", "a\u{0}b", "a\nb", "\u{10FFFF}", String(repeating: "k", count: 513)])
    func keys(text: String) {
        #expect(throws: StoreError.self) { try RowKey(text) }
    }
}

/// Rows that were told.
final class Seen: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [StoredRow] = []
    func take(_ row: StoredRow) { self.lock.withLock { self.all.append(row) } }
    var rows: [StoredRow] { self.lock.withLock { self.all } }
}
