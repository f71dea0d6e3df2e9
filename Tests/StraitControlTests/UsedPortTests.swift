// Ports that other processes of the host use, as far as the book of leases asks for them.

import Foundation
import StraitConfig
import StraitControl
import StraitStore
import Synchronization
import Testing

@Suite("Ports that the host uses", .timeLimit(.minutes(3))) struct UsedPortTests {
    /// What the host uses, and what was asked of it.
    private final class Host: Sendable {
        private struct State {
            var used: Set<UInt16> = []
            var asked: [UInt16] = []
            var book: PortBook?
        }

        private let state = Mutex(State())

        var asked: [UInt16] { self.state.withLock(\.asked) }

        func use(_ ports: some Sequence<UInt16>) { self.state.withLock { $0.used = Set(ports) } }

        func ask(for book: PortBook?) { self.state.withLock { $0.book = book } }

        func uses(_ port: UInt16) -> Bool {
            // Somebody else asks the book meanwhile: it must not be held.
            _ = self.state.withLock(\.book)?.counts
            return self.state.withLock { state in
                state.asked.append(port)
                return state.used.contains(port)
            }
        }
    }

    @Test("are asked for while nobody waits for the book, and once; a fixed one each time")
    func asked() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-used-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let reading = ConfigurationReader(checksFiles: false).read(
            text: """
                region: eu
                admin: { unix: admin.sock }
                listeners: [{ name: public, address: "127.0.0.1:0" }]
                registry: { path: registry.db }
                ports: { ranges: [11100-11199] }
                """, file: "strait.yaml")
        let process = try #require(reading.configuration, "\(reading.problems)")
        let host = Host()
        host.use(11100...11149)
        let settings = try #require(process.ports)
        let made = PortBook(settings, region: "eu", isUsedByHost: { host.uses($0) })
        let book = try #require(made)
        host.ask(for: book)
        defer { host.ask(for: nil) }
        let registry = Registry(
            store: try SQLiteStore(path: folder.appendingPathComponent("registry.db").path),
            ports: book)
        func put(_ name: String, _ ports: String = "") async throws -> [UInt16] {
            let text = #"{"name":"\#(name)","services":[],"ports":[\#(ports)]}"#
            _ = try await registry.put(
                try TenantDocument(json: Array(text.utf8)), named: name, if: .none, by: "test",
                process: process, check: { _, _ in [] })
            return book.list(after: 0, limit: 9, tenant: name, now: 0).ports.map(\.port)
        }
        #expect(try await put("acme") == Array(11150...11154))
        #expect(host.asked.sorted() == Array(11100...11154), "each once")
        #expect(try await put("beta") == Array(11155...11159))
        #expect(host.asked.count == 60, "what it uses is known")
        let fixed = #"{"kind":"ssh","port":11120}"#
        await #expect(throws: RegistryRefusal.self) { try await put("gamma", fixed) }
        host.use([])
        #expect(try await put("gamma", fixed) == [11120, 11160, 11161, 11162, 11163])
        try FileManager.default.removeItem(at: folder)
    }
}
