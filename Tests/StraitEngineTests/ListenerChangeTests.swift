// Listeners that go while connections that came by them are open.

import StraitCore
import StraitEngine
import StraitRouting
import StraitSnapshot
import Testing

@Suite("A listener that goes", .serialized, .timeLimit(.minutes(3))) struct ListenerChangeTests {
    /// A snapshot without listeners, tenants and services.
    private func empty(_ setup: RawSetup, revision: UInt64) throws -> Snapshot {
        Snapshot(
            revision: revision, router: "r-1", region: "test", listeners: [],
            routes: try RouteTable(RouteRules(tenants: [], services: [])), services: [],
            tenants: [], timeouts: Timeouts(), limits: EngineLimits(), access: AccessPlan())
    }

    private let hello = clientHello(serverName: "echo.acme.example.com")

    /// A downstream of whose hello the router has the first five bytes.
    private func begun(_ setup: RawSetup, _ upstream: Upstream) throws -> Wire {
        let downstream = try Wire(connectedTo: setup.address)
        try downstream.send(Array(self.hello[..<5]))
        // They are known to have been read once a later one is served.
        let later = try Wire(connectedTo: setup.address)
        try later.send(self.hello)
        _ = try upstream.accept()
        return downstream
    }

    @Test("leaves its connections as they are, and is forgotten after the last of them")
    func relaying() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try setup.rig.apply(self.empty(setup, revision: 2), sockets: [])
        #expect(try setup.rig.metrics().listeners == 1)
        try downstream.send("still here")
        #expect(try far.receive(exactly: 10) == Array("still here".utf8))
        downstream.endWriting()
        far.endWriting()
        _ = try setup.rig.nextRecord()
        try setup.rig.apply(self.empty(setup, revision: 3), sockets: [])
        #expect(try setup.rig.metrics().listeners == 0)
    }

    // Its place in the route table is told in numbers of the old snapshot, which would be another
    // tenant's in the new one, or nobody's.
    @Test("leads nobody on by the numbers of the snapshot that it belonged to")
    func peeking() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], listenerProtocols: PeekTests.all)
        defer { setup.end() }
        let downstream = try self.begun(setup, upstream)
        try setup.rig.apply(self.empty(setup, revision: 2), sockets: [])
        try downstream.send(Array(self.hello[5...]))
        #expect(try downstream.receive(exactly: 7).suffix(2) == [2, 112])
        let record = try setup.rig.report { report -> String? in
            guard case .accessRecords(let bytes) = report else { return nil }
            let text = String(decoding: bytes, as: UTF8.self)
            return text.contains(#""strait.reason":"listener_gone""#) ? text : nil
        }
        #expect(record.contains(#""strait.side":"local""#))
    }

    @Test("hands those who are not routed to the listener that has its name now")
    func renamed() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], listenerProtocols: PeekTests.all)
        defer { setup.end() }
        let downstream = try self.begun(setup, upstream)
        let old = setup.snapshot
        var plan = old.listeners[0]
        plan.id = 1
        let next = Snapshot(
            revision: 2, router: old.router, region: old.region, listeners: [plan],
            routes: old.routes, services: old.services, tenants: old.tenants,
            timeouts: old.timeouts, limits: old.limits, access: old.access)
        try setup.rig.apply(next, sockets: [ListenerSocket(id: 1, descriptor: setup.listener)])
        try downstream.send(Array(self.hello[5...]))
        #expect(try upstream.accept().receive(exactly: self.hello.count) == self.hello)
    }
}
