// Requests for encryption inside TLS: declined once each, and nothing may follow them unanswered.

import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import StraitWire
import Testing

@Suite("A request for encryption inside TLS", .serialized, .timeLimit(.minutes(3)))
struct PreludeTests {
    private static let tls = PostgresPrelude.sslRequest
    private static let gssapi = PostgresPrelude.gssencRequest
    private static let startup: [UInt8] =
        [0, 0, 0, 16, 0, 3, 0, 0] + Array("user".utf8) + [0, 0x78, 0, 0]

    private func setup(_ upstream: Upstream) throws -> RawSetup {
        try RawSetup(
            upstreams: [upstream.address], serviceProtocol: .postgres, mode: .terminate,
            listenerProtocols: PeekTests.all, isShared: true)
    }

    @Test(
        "is declined, and the startup after it goes on inside TLS",
        arguments: [
            [], [Self.tls], [Self.gssapi], [Self.gssapi, Self.tls], [Self.tls, Self.gssapi],
        ])
    func declines(_ requests: [[UInt8]]) throws {
        let upstream = try Upstream()
        let setup = try self.setup(upstream)
        var downstream = try TLSWire(over: try Wire(connectedTo: setup.address))
        for request in requests {
            try downstream.send(request)
            #expect(try downstream.receive(exactly: 1) == [UInt8(ascii: "N")])
        }
        try downstream.send(Self.startup)
        let far = try upstream.accept()
        #expect(try far.receive(exactly: Self.startup.count) == Self.startup)
    }

    @Test(
        "is refused where it comes again, with bytes behind it, or after one before TLS",
        arguments: [
            (false, [Self.tls, Self.tls]), (false, [Self.gssapi, Self.gssapi]),
            (false, [Self.tls + Self.startup]), (true, [Self.tls]),
        ])
    func refuses(_ asksBefore: Bool, _ packets: [[UInt8]]) throws {
        let upstream = try Upstream()
        let setup = try self.setup(upstream)
        let wire = try Wire(connectedTo: setup.address)
        if asksBefore {
            try wire.send(Self.tls)
            #expect(try wire.receive(exactly: 1) == [UInt8(ascii: "S")])
        }
        var downstream = try TLSWire(over: wire)
        for packet in packets.dropLast() {
            try downstream.send(packet)
            #expect(try downstream.receive(exactly: 1) == [UInt8(ascii: "N")])
        }
        try downstream.send(packets.last ?? [])
        #expect(try downstream.receive(exactly: 1).first == UInt8(ascii: "E"))
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"prelude_malformed""#))
    }
}
