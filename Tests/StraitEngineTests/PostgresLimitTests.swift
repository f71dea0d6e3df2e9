// A tenant over its limit: Postgres is told so inside TLS, but not at any price.

import StraitCore
import StraitEngine
import StraitTLS
import StraitWire
import Testing

@Suite("A Postgres tenant at its limit", .serialized, .timeLimit(.minutes(3)))
struct PostgresLimitTests {
    @Test("refuses in words that are understood, and by alert when there are too many to tell")
    func refusals() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], serviceProtocol: .postgres, mode: .terminate,
            listenerProtocols: PeekTests.all, connectionsMax: 1)
        defer { setup.end() }
        let held = try TLSWire(over: try Wire(connectedTo: setup.address))
        do {
            var refused = try TLSWire(over: try Wire(connectedTo: setup.address))
            let answer = try refused.receive().bytes
            #expect(String(decoding: answer, as: UTF8.self).contains("53300"))
        }
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"connection_limit""#))
        // All ask before the first answer is read, so that they come within a second or two
        // however slow this side is. A ClientHello without a key is enough to be told apart by.
        let hello = clientHello(serverName: "echo.acme.example.com")
        let wires = try (0..<100).map { _ in
            let wire = try Wire(connectedTo: setup.address)
            try wire.send(hello)
            return wire
        }
        let unheard = try wires.count {
            try $0.receive(exactly: 7).suffix(2) == [2, TLSAlert.internalError.rawValue]
        }
        #expect(unheard > 0, "by alert, unheard")
        #expect(
            100 - unheard >= Limits.refusalHandshakesPerSecondMax - 1,
            "the first one may have been of the same second")
        withExtendedLifetime(held.wire) {}
    }
}
