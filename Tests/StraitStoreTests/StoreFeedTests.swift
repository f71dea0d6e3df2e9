// Following what is committed: in order, without a gap, from any revision that is kept.

import Foundation
import StraitCore
import StraitStore
import Testing

@Suite("A store, followed", .timeLimit(.minutes(3))) struct StoreFeedTests {
    @Test(
        "tells every commit once, whole and in order, from any revision",
        arguments: StoreKind.allCases)
    func order(kind: StoreKind) async throws {
        let store = try kind.make()
        let (a, b) = (try RowKey("a"), try RowKey("b"))
        _ = try await store.commit([.put(a, [1]), .put(b, [1])], if: [])
        _ = try await store.commit([.delete(a), .put(b, [2])], if: [])
        _ = try await store.commit([.put(a, [3])], if: [])
        let all = [
            StoreCommit(
                revision: 1,
                changes: [StoreChange(key: a, value: [1]), StoreChange(key: b, value: [1])]),
            StoreCommit(
                revision: 2,
                changes: [StoreChange(key: a, value: nil), StoreChange(key: b, value: [2])]),
            StoreCommit(revision: 3, changes: [StoreChange(key: a, value: [3])]),
        ]
        for revision in 0..<3 {
            #expect(
                try await store.commits(after: UInt64(revision), limit: 10)
                    == Array(all.dropFirst(revision)))
            #expect(
                try await store.commits(after: UInt64(revision), limit: 1) == [all[revision]])
        }
    }

    @Test("waits for the next commit, and tells each follower", arguments: StoreKind.allCases)
    func waiting(kind: StoreKind) async throws {
        let store = try kind.make()
        let followers = (0..<10).map { _ in
            Task {
                var seen: [UInt64] = []
                while seen.count < 100 {
                    let commits = try await store.commits(after: seen.last ?? 0, limit: 7)
                    seen += commits.map(\.revision)
                }
                return seen
            }
        }
        for number in 1...100 { try await store.put("row/\(number % 7)", "\(number)") }
        for follower in followers { #expect(try await follower.value == Array(1...100)) }
    }

    @Test("ends with its task", arguments: StoreKind.allCases)
    func cancelled(kind: StoreKind) async throws {
        let store = try kind.make()
        let follower = Task { try await store.commits(after: 0, limit: 1) }
        follower.cancel()
        await #expect(throws: StoreError.cancelled) { try await follower.value }
    }

    @Test(
        "says so when what is asked for is not kept any more, and goes on from a load",
        arguments: StoreKind.allCases)
    func compacted(kind: StoreKind) async throws {
        let store = try kind.make()
        for number in 1...10 { try await store.put("row/\(number)", "\(number)") }
        try await store.compact(through: 6)
        await #expect(throws: StoreError.compacted(oldest: 6)) {
            try await store.commits(after: 5, limit: 10)
        }
        #expect(try await store.commits(after: 6, limit: 10).map(\.revision) == [7, 8, 9, 10])
        await #expect(throws: StoreError.compacted(oldest: 6), "a backup was put back") {
            try await store.commits(after: 11, limit: 10)
        }
        let seen = Seen()
        let revision = try await store.load(prefix: "") { seen.take($0) }
        #expect(seen.rows.count == 10, "rows stay")
        try await store.put("row/11", "11")
        #expect(try await store.commits(after: revision, limit: 10).map(\.revision) == [11])
        try await store.compact(through: 3)
        #expect(try await store.commits(after: 6, limit: 10).count == 5, "never less is kept")
        try await store.compact(through: 500)
        #expect(try await store.revision() == 11)
        #expect(try await store.put("row/12", "12") == 12)
        #expect(try await store.commits(after: 11, limit: 10).map(\.revision) == [12])
    }
}
