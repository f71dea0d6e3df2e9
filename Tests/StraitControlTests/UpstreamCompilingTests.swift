// The addresses of services in snapshots: what names lead to, and what is kept over revisions.

import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitSnapshot
import Testing

@Suite("Upstreams of a snapshot") struct UpstreamCompilingTests {
    private static let text = """
        listeners: [{ name: public, address: "127.0.0.1:0" }]
        source_addresses: [127.0.0.8]
        tenants:
          - name: acme
            domains: [acme.test]
            services:
              - name: db
                protocol: postgres
                connect_attempts: 2
                health: { check: postgres, interval: 3s, eject_after: 7, slow_start: 0s }
                upstreams:
                  - { address: "tcp://10.0.0.1:5432", weight: 3 }
                  - { address: "tcp://db.internal:5432", weight: 2 }
                  - { address: "tcp://db.internal:6432", backup: true }

        """

    private func compile(
        _ compiler: inout SnapshotCompiler, _ addresses: [HostName: [IPAddress]],
        revision: UInt64 = 1, text: String = Self.text
    ) throws -> CompiledConfiguration {
        let reading = ConfigurationReader().read(text: text, file: "strait.yaml")
        #expect(reading.problems.isEmpty, "\(reading.problems.map(\.text))")
        return try compiler.compile(
            try #require(reading.configuration), revision: revision, epoch: 0,
            now: Timestamp(nanoseconds: 0), addresses: addresses)
    }

    private func addresses(_ texts: String...) throws -> [HostName: [IPAddress]] {
        [try #require(HostName("db.internal")): texts.compactMap { IPAddress($0) }]
    }

    @Test("a name becomes its addresses, each with the key's weight; one address stands once")
    func names() throws {
        var compiler = SnapshotCompiler()
        let known = try self.addresses("10.0.0.1", "10.0.0.2", "2001:db8::1")
        let service = try self.compile(&compiler, known).snapshot.services[0]
        #expect(
            service.upstreams.map { "\($0.address) \($0.weight) \($0.isBackup)" } == [
                "10.0.0.1:5432 3 false", "10.0.0.2:5432 2 false", "[2001:db8::1]:5432 2 false",
                "10.0.0.1:6432 1 true", "10.0.0.2:6432 1 true", "[2001:db8::1]:6432 1 true",
            ])
        #expect(service.upstreams[0].name == nil)
        #expect(service.upstreams[1...].allSatisfy { $0.name?.description == "db.internal" })
        #expect(service.connectAttempts == 2)
        #expect(service.health.check == .postgres)
        #expect(service.health.interval == 3_000_000_000)
        #expect(service.health.ejectAfter == 7)
        #expect(service.health.slowStart == 0)
        #expect(service.health.host.isEmpty, "no such check says a name")
    }

    @Test("a name that leads nowhere leaves the others, and then nothing")
    func nowhere() throws {
        var compiler = SnapshotCompiler()
        let some = try self.compile(&compiler, [:]).snapshot
        #expect(some.services[0].upstreams.map(\.address.port) == [5432])
        #expect(some.sourceAddresses.map(\.description) == ["127.0.0.8"])
    }

    @Test("what is known of an address is kept while it is there, and forgotten with it")
    func standings() throws {
        var compiler = SnapshotCompiler()
        let both = try self.addresses("10.0.0.2", "10.0.0.3")
        let first = try self.compile(&compiler, both).snapshot.services[0].upstreams
        let second = try self.compile(&compiler, try self.addresses("10.0.0.3"), revision: 2)
            .snapshot.services[0].upstreams
        #expect(first[0].standing === second[0].standing)
        #expect(first[2].standing === second[1].standing)
        let third = try self.compile(&compiler, both, revision: 3).snapshot.services[0].upstreams
        #expect(first[1].standing !== third[1].standing)
        #expect(first[2].standing === third[2].standing)
    }

    @Test("beyond 64 addresses the last are left out, with a warning")
    func tooMany() throws {
        var compiler = SnapshotCompiler()
        let name = try #require(HostName("db.internal"))
        let many = (0..<40).map { IPAddress(v4: 0x0A00_0100 + UInt32($0)) }
        let compiled = try self.compile(&compiler, [name: many])
        #expect(compiled.snapshot.services[0].upstreams.count == 64)
        #expect(compiled.warnings.map(\.code) == [.tooManyAddresses])
        #expect(compiled.warnings.first?.found.hasPrefix("81 addresses") == true)
    }
}
