// What a tenant's own counters say of its connections, over real sockets.

import StraitCore
import StraitEngine
import StraitRouting
import StraitSnapshot
import Testing

@Suite("A tenant's totals", .serialized, .timeLimit(.minutes(3))) struct TenantTotalsTests {
    @Test("have a connection's bytes while it is open, each byte once, and the rest at its end")
    func bytes() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let usage = setup.snapshot.services[0].tenant.usage
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try downstream.send(pattern(1000))
        _ = try far.receive(exactly: 1000)
        try far.send(pattern(300))
        _ = try downstream.receive(exactly: 300)
        let open = TenantReading(open: 1, connections: 1, bytesIn: 1000, bytesOut: 300)
        for _ in 0..<3 {
            _ = try setup.rig.metrics()
            #expect(usage.reading == open)
        }
        try downstream.send(pattern(24))
        _ = try far.receive(exactly: 24)
        downstream.endWriting()
        far.endWriting()
        _ = try setup.rig.nextRecord()
        _ = try setup.rig.metrics()  // the record is written before all is given back
        #expect(
            usage.reading == TenantReading(open: 0, connections: 1, bytesIn: 1024, bytesOut: 300))
    }

    @Test("count who is refused, once")
    func refusals() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], connectionsMax: 1)
        defer { setup.end() }
        let usage = setup.snapshot.services[0].tenant.usage
        let first = try Wire(connectedTo: setup.address)
        _ = try upstream.accept()
        for _ in 0..<2 {
            let other = try Wire(connectedTo: setup.address)
            #expect(try setup.rig.nextRecord().contains("connection_limit"))
            other.endWriting()
        }
        _ = try setup.rig.metrics()
        #expect(usage.reading.refusals == 2)
        #expect(usage.reading.connections == 3)
        first.endWriting()
    }
}
