// A tenant over its limit: Postgres is told so inside TLS, but not at any price.

import StraitCore
import StraitEngine
import StraitTLS
import Testing

@Suite("A Postgres tenant at its limit", .serialized, .timeLimit(.minutes(1)))
struct PostgresLimitTests {
    @Test("refuses in words that are understood, and by alert when there are too many to tell")
    func refusals() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], serviceProtocol: .postgres, mode: .terminate,
            listenerProtocols: PeekTests.all, connectionsMax: 1)
        defer { setup.end() }
        let held = try TLSWire(over: try Wire(connectedTo: setup.address))
        var told = 0
        var alert: TLSFailure?
        for _ in 0..<400 where alert == nil {
            do {
                var refused = try TLSWire(over: try Wire(connectedTo: setup.address))
                let answer = try refused.receive().bytes
                #expect(String(decoding: answer, as: UTF8.self).contains("53300"))
                told += 1
            } catch let failure as TLSFailure {
                alert = failure
            }
        }
        #expect(alert == .peerAlert(80))
        #expect(told >= Limits.refusalHandshakesPerSecondMax)
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"connection_limit""#))
        withExtendedLifetime(held.wire) {}
    }
}
