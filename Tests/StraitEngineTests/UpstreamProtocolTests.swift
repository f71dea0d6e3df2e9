// What TLS with the upstream must have agreed on before the downstream's bytes go there.

import StraitCore
import StraitSnapshot
import StraitTLS
import Testing

@Suite("An upstream with TLS", .timeLimit(.minutes(2)))
struct UpstreamProtocolTests {
    /// A router that ends TLS, with h2, and speaks TLS with `upstream`.
    private func router(before upstream: Upstream) throws -> RawSetup {
        let setup = try RawSetup(
            upstreams: [upstream.address], serviceProtocol: .web, mode: .terminate,
            listenerProtocols: .tls, applicationProtocols: [.http2, .http11])
        let tls = UpstreamPlan.TLS(
            policy: ContentDigest(only: 1), serverName: "echo.acme.example.com",
            serverNameIsAddress: false,
            verifies: false, authoritiesPEM: nil)
        try setup.use([UpstreamPlan(metricsSlot: 0, address: upstream.address, tls: tls)])
        return setup
    }

    @Test("that knows nothing of ALPN gets no HTTP/2")
    func noHTTP2() throws {
        let upstream = try Upstream()
        let setup = try self.router(before: upstream)
        defer { setup.end() }
        var downstream = try TLSWire(
            over: try Wire(connectedTo: setup.address),
            applicationProtocols: [ApplicationProtocol.http2.bytes])
        try downstream.send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8))
        var far = try TLSWire(accepted: try upstream.accept(), applicationProtocols: [])
        #expect(try downstream.receive().ending == .closeNotify)
        #expect(try far.receive().bytes.isEmpty)
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"upstream_tls_failed""#), "\(record)")
        #expect(record.contains("it did not choose h2"), "\(record)")
    }

    @Test(
        "that speaks what the downstream speaks gets its bytes",
        arguments: [
            (ApplicationProtocol.http2, [ApplicationProtocol.http2]), (.http11, [.http11]),
            (.http11, []),
        ])
    func mirrored(offered: ApplicationProtocol, known: [ApplicationProtocol]) throws {
        let upstream = try Upstream()
        let setup = try self.router(before: upstream)
        defer { setup.end() }
        var downstream = try TLSWire(
            over: try Wire(connectedTo: setup.address), applicationProtocols: [offered.bytes])
        try downstream.send(Array("hello".utf8))
        var far = try TLSWire(
            accepted: try upstream.accept(), applicationProtocols: known.map(\.bytes))
        #expect(try far.receive(exactly: 5) == Array("hello".utf8))
    }
}
