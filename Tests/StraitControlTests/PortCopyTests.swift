// Ports of tenants' own while the registry is away, and when it is back.

import Foundation
import StraitControl
import StraitStore
import Testing

@Suite("Leased ports, from the copy of the last good state", .serialized, .timeLimit(.minutes(3)))
struct PortCopyTests {
    @Test("answer the same tenants while the registry is away, and go on when it is back")
    func away() async throws {
        let greeters = try ["one", "two", "three"].map { try Greeter($0) }
        defer { for greeter in greeters { greeter.end() } }
        let first = try await PortRig(PortRig.ownAddress(21))
        try await first.put("gone")
        try await first.put("acme", mysql: greeters[0].port)
        let made = try await first.put("beta", mysql: greeters[1].port)
        // By changes, and after a start by all rows at once.
        try await waitForCopy(of: made.revision, in: first.folder)
        let gone = try await first.control.removeTenant("gone", if: .none, by: "test")
        try await waitForCopy(of: gone.revision, in: first.folder)
        let acme = try await first.ports("acme")
        let beta = try await first.ports("beta")
        let before = try await first.control.ports(after: 0, limit: 1000, of: nil)
        try await first.stop()
        try first.moveRegistry(away: true)
        let second = try await PortRig(first.address, in: first.folder)
        #expect(try await second.control.ports(after: 0, limit: 1000, of: nil) == before)
        #expect(try second.hear(acme["mysql"]) == "one")
        #expect(try second.hear(beta["mysql"]) == "two")
        try second.moveRegistry(away: false)
        // Takes up what was leased, and gives back, by rows that only the registry knows to date.
        #expect(try await second.put("gamma", mysql: greeters[2].port).isLive)
        let gamma = try await second.ports("gamma")
        #expect(try second.hear(gamma["mysql"]) == "three")
        #expect(Set(gamma.values).isDisjoint(with: Array(acme.values) + Array(beta.values)))
        #expect(try await second.control.removeTenant("acme", if: .none, by: "test").isLive)
        #expect(try second.hear(acme["mysql"]) == nil)
        let after = try await second.control.ports(after: 0, limit: 1000, of: nil)
        try await second.stop()
        let third = try await PortRig(first.address, in: first.folder)
        #expect(try await third.control.ports(after: 0, limit: 1000, of: nil) == after)
        try await third.end()
    }

    @Test("that has none of them: they are had when the registry is back, without a change")
    func without() async throws {
        let greeter = try Greeter("one")
        defer { greeter.end() }
        let first = try await PortRig(PortRig.ownAddress(22))
        let made = try await first.put("acme", mysql: greeter.port)
        let port = try #require(try await first.ports("acme")["mysql"])
        try await waitForCopy(of: made.revision, in: first.folder)
        try await first.stop()
        let copy = try SQLiteStore(
            path: first.folder.appendingPathComponent("registry.db.snapshot").path)
        let rows = try await copy.page(prefix: "port/", after: nil, limit: 60).rows
        if !rows.isEmpty { _ = try await copy.commit(rows.map { .delete($0.key) }, if: []) }
        try first.moveRegistry(away: true)
        let second = try await PortRig(first.address, in: first.folder)
        #expect(try await second.ports("acme").isEmpty)
        try second.moveRegistry(away: false)
        while try await second.ports("acme").isEmpty {
            try Task.checkCancellation()
            await Task.yield()
        }
        while try second.hear(port) != "one" {
            try Task.checkCancellation()
            await Task.yield()
        }
        let revision = try await second.control.registry?.store.revision()
        #expect(revision == made.revision, "nothing was leased anew")
        try await second.end()
    }
}
