// Listeners whose upstream speaks first, behind a PROXY header and without one.

import StraitCore
import StraitEngine
import StraitSnapshot
import StraitWire
import Testing

@Suite("A listener with server_first", .serialized, .timeLimit(.minutes(3)))
struct ServerFirstTests {
    /// The headers that a load balancer may send.
    enum Header: String, CaseIterable {
        case absent, v1, v2, local

        /// Its bytes.
        var bytes: [UInt8] {
            let source = SocketAddress.ip(IPAddress(v4: 203, 0, 113, 7), port: 5000)
            let destination = SocketAddress.ip(IPAddress(v4: 192, 0, 2, 1), port: 443)
            let header = ProxyHeader(command: .proxy, source: source, destination: destination)
            switch self {
            case .absent: return []
            case .v1: return header.encodedV1()
            case .v2: return header.encodedV2()
            case .local: return ProxyHeader(command: .local).encodedV2()
            }
        }
    }

    private func setup(
        _ upstream: Upstream, requiresHeader: Bool, firstByte: UInt64 = 5_000_000_000,
        hello: UInt64 = 10_000_000_000
    ) throws -> RawSetup {
        let loopback = try #require(CIDRBlock("127.0.0.0/8"))
        var timeouts = Timeouts()
        timeouts.firstByte = firstByte
        timeouts.hello = hello
        return try RawSetup(
            upstreams: [upstream.address], serviceProtocol: .mysql, timeouts: timeouts,
            listenerProtocols: PeekTests.all,
            proxyHeader: requiresHeader ? .required(trusted: [loopback]) : .absent,
            serverFirst: ListenerPlan.ServerFirst(
                serviceProtocol: .mysql, waitNanoseconds: 50_000_000))
    }

    @Test("leads a silent downstream to its upstream after the wait", arguments: Header.allCases)
    func silent(header: Header) throws {
        let upstream = try Upstream()
        let setup = try self.setup(upstream, requiresHeader: header != .absent)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        if header != .absent { try downstream.send(header.bytes) }
        let far = try upstream.accept()
        try far.send("greeting")
        #expect(try downstream.receive(exactly: 8) == Array("greeting".utf8))
        // The header is not the upstream's: what comes first there is the downstream's own.
        try downstream.send("login")
        #expect(try far.receive(exactly: 5) == Array("login".utf8))
        downstream.endWriting()
        far.endWriting()
        let dialled = header == .v1 || header == .v2 ? "203.0.113.7" : "127.0.0.1"
        #expect(try setup.rig.nextRecord().contains(#""client.address":"\#(dialled)""#))
    }

    @Test(
        "reads a downstream that speaks within the wait, and gives it the hello's time",
        arguments: Header.allCases)
    func speaks(header: Header) throws {
        let upstream = try Upstream()
        let setup = try self.setup(
            upstream, requiresHeader: header != .absent, hello: 400_000_000)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let hello = clientHello(serverName: "echo.acme.example.com")
        try downstream.send(header.bytes + hello.dropLast())
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"hello_timeout""#))
        #expect(!upstream.hasCaller)
    }

    @Test("waits for a required PROXY header, and leads nobody on without one")
    func noHeader() throws {
        let upstream = try Upstream()
        let setup = try self.setup(upstream, requiresHeader: true, firstByte: 300_000_000)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        #expect(try downstream.receiveAll().isEmpty)
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"first_byte_timeout""#))
        #expect(!upstream.hasCaller)
    }

    @Test(
        "does not take part of a header, or a request for TLS, for silence",
        arguments: [
            Array(Header.v1.bytes.dropLast()), Array(Header.v2.bytes.dropLast()),
            Header.v1.bytes + PostgresPrelude.sslRequest,
            Header.v2.bytes + PostgresPrelude.gssencRequest,
        ])
    func notSilent(bytes: [UInt8]) throws {
        let upstream = try Upstream()
        let setup = try self.setup(upstream, requiresHeader: true, hello: 400_000_000)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        try downstream.send(bytes)
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"hello_timeout""#))
        #expect(!upstream.hasCaller)
    }
}
