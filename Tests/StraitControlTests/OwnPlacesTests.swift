// Upstreams that would lead back to the router.

import StraitConfig
import StraitControl
import StraitCore
import StraitPosix
import StraitRouting
import StraitSnapshot
import Testing

@Suite("Upstreams by name that lead to the router itself") struct OwnPlacesTests {
    @Test("are left out where a registry's tenant names them, at ports that the router has")
    func names() throws {
        let text = """
            listeners:
              - { name: public, address: "[::]:443", protocols: [tls] }
              - { name: other, address: "203.0.113.7:8443", protocols: [tls] }
            ports: { ranges: ["11000-11009"] }
            registry: { path: registry.db }
            webapi: { public_addresses: [198.51.100.1] }

            """
        let reading = ConfigurationReader(checksFiles: false).read(text: text, file: "strait.yaml")
        let process = try #require(reading.configuration, "\(reading.problems)")
        var compiler = SnapshotCompiler()
        let own = try #require(IPAddress("192.0.2.7"))
        compiler.interfaceAddresses = { [own] }
        let now = Timestamp(nanoseconds: 1_800_000_000_000_000_000)
        let live = try compiler.compile(process, revision: 1, epoch: 0, now: now)
        let name = try #require(HostName("db.internal"))
        let addresses = ["192.0.2.7", "203.0.113.7", "198.51.100.1", "192.0.2.8"]
            .compactMap { IPAddress($0) }
        for (port, count) in [(443, 1), (8443, 1), (11_005, 1), (8080, 3), (11_010, 3)] {
            let json = """
                {"name":"acme","domains":["acme.example.com"],"services":[{"name":"www",\
                "protocol":"web","mode":"passthrough","upstreams":[{"address":\
                "tcp://db.internal:\(port)"}]}]}
                """
            let document = try TenantDocument(json: Array(json.utf8))
            let tenant = try #require(
                document.tenant(named: "acme", certificates: [], process: process).tenant)
            let compiled = try compiler.compile(
                TenantChange(tenants: [tenant]), of: live, revision: 2, epoch: 0, now: now,
                addresses: [name: addresses])
            let upstreams = compiled.snapshot.services.elements[0].upstreams
            #expect(upstreams.count == count, "port \(port)")
        }
    }

    @Test("the machine's addresses are those of its interfaces")
    func interfaces() {
        #expect(Sockets.interfaceAddresses().contains(IPAddress(v4: 127, 0, 0, 1)))
    }
}
