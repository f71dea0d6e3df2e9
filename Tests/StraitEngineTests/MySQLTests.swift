// MySQL whose TLS ends at the router, over sockets: the upstream is the test's own and says what a
// real server was heard saying.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import StraitTLS
import StraitWire
import Testing

/// What both sides say.
private enum Words {
    static let greeting = packet(
        [10] + Array("8.0.35".utf8) + [0] + [UInt8](repeating: 7, count: 13)
            + [0xFF, 0xFF, 8, 2, 0, 0xFF, 0xDF, 21] + [UInt8](repeating: 0, count: 10)
            + [UInt8](repeating: 9, count: 13) + Array("mysql_native_password".utf8) + [0], 0)
    /// Where CLIENT_SSL lies in it.
    static let greetingTLS = 4 + 1 + 7 + 13 + 1
    static let ok: [UInt8] = [0, 0, 0, 2, 0, 0, 0]

    static func packet(_ payload: [UInt8], _ sequence: UInt8) -> [UInt8] {
        MySQLPacketHeader(payloadBytes: payload.count, sequence: sequence).encoded + payload
    }

    static func response(_ sequence: UInt8, tls: Bool) -> [UInt8] {
        let flags: [UInt8] = [0, tls ? 0x8A : 0x82, 8, 0]
        return self.packet(
            flags + [UInt8](repeating: 0, count: 28) + Array("me".utf8) + [0, 3, 1, 2, 3]
                + Array("mysql_native_password".utf8) + [0], sequence)
    }

    static let request = packet(Array(response(2, tls: true)[4..<36]), 1)

    /// Code, SQLSTATE (where there is one) and text of an ERR packet.
    static func error(_ packet: [UInt8]) -> (sequence: UInt8, code: Int, text: String)? {
        guard packet.count > 7, packet[4] == 0xFF else { return nil }
        let code = Int(packet[5]) | Int(packet[6]) << 8
        return (packet[3], code, String(decoding: packet[7...], as: UTF8.self))
    }
}

/// Packets inside TLS.
private struct Inside: ~Copyable {
    private var tls: TLSWire
    private var held: [UInt8] = []

    init(over wire: Wire) throws { self.tls = try TLSWire(over: wire) }

    /// Asks for TLS, answers the greeting, and takes that answer from where the router sends it.
    static func answering(over wire: Wire, to far: Wire) throws -> Inside {
        try wire.send(Words.request)
        var inside = try Inside(over: wire)
        try inside.send(Words.response(2, tls: true))
        _ = try far.packet()
        return inside
    }

    mutating func send(_ bytes: [UInt8]) throws { try self.tls.send(bytes) }

    mutating func receive(exactly count: Int) throws -> [UInt8] {
        while self.held.count < count {
            let (more, ending) = try self.tls.receive()
            if let ending { throw RigError(description: "\(ending) after \(self.held)") }
            self.held += more
        }
        let bytes = Array(self.held.prefix(count))
        self.held.removeFirst(count)
        return bytes
    }

    /// A whole packet.
    mutating func packet() throws -> [UInt8] {
        let header = try self.receive(exactly: 4)
        let count = MySQLPacketHeader(header.span)?.payloadBytes ?? 0
        return header + (try self.receive(exactly: count))
    }

    /// How it ended; nothing may come before.
    mutating func ending() throws -> TLSReadOutcome? { try self.tls.receive().ending }
}

extension Wire {
    /// A whole packet.
    fileprivate func packet() throws -> [UInt8] {
        let header = try self.receive(exactly: 4)
        let count = MySQLPacketHeader(header.span)?.payloadBytes ?? 0
        return header + (try self.receive(exactly: count))
    }
}

@Suite("MySQL whose TLS ends here", .serialized, .timeLimit(.minutes(3)))
struct MySQLEngineTests {
    private func setup(
        _ upstreams: [SocketAddress], mode: ServiceMode = .terminate, connectionsMax: Int = 0,
        isShared: Bool = false, timeouts: Timeouts = Timeouts(), ipv6: Bool = false,
        upstreamProxyHeader: ProxyHeaderVersion = .none
    ) throws -> RawSetup {
        try RawSetup(
            upstreams: upstreams, ipv6: ipv6, serviceProtocol: .mysql, mode: mode,
            timeouts: timeouts, listenerProtocols: isShared ? PeekTests.all : .raw,
            upstreamProxyHeader: upstreamProxyHeader, connectionsMax: connectionsMax,
            isShared: isShared)
    }

    /// A downstream that has the greeting, and its upstream.
    private func greeted(_ setup: RawSetup, _ upstream: Upstream) throws -> (Wire, Wire) {
        let wire = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try far.send(Words.greeting)
        #expect(try wire.packet() == Words.greeting)
        return (wire, far)
    }

    @Test(
        "goes from greeting to relay, each leg with its own count, and nothing is lost behind OK",
        arguments: [false, true])
    func native(ipv6: Bool) throws {
        let upstream = try Upstream(ipv6: ipv6)
        let setup = try self.setup([upstream.address], ipv6: ipv6, upstreamProxyHeader: .v1)
        defer { setup.end() }
        let wire = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        let header = try far.receive(exactly: 6)
        #expect(header == Array("PROXY ".utf8))
        while try far.receive(exactly: 1) != [10] {}
        var silent = Words.greeting
        silent[Words.greetingTLS] &= ~8
        try far.send(silent)
        #expect(try wire.packet() == Words.greeting)
        try wire.send(Words.request)
        var downstream = try Inside(over: wire)
        // A command behind the response, before OK: kept for after it.
        try downstream.send(Words.response(2, tls: true) + Words.packet([3, 0x78], 0))
        #expect(try far.packet() == Words.response(1, tls: false))
        let ask = [0xFE] + Array("mysql_native_password".utf8) + [0, 5]
        try far.send(Words.packet([1, 3], 2) + Words.packet(Words.ok, 3) + [9, 9, 9])
        #expect(try downstream.packet() == Words.packet([1, 3], 3))
        #expect(try downstream.packet() == Words.packet(Words.ok, 4))
        #expect(try downstream.receive(exactly: 3) == [9, 9, 9])
        #expect(try far.packet() == Words.packet([3, 0x78], 0))
        try far.send(Words.packet(ask, 77))
        #expect(try downstream.packet() == Words.packet(ask, 77), "untouched")
        let much = pattern(3_000_000)
        let sender = try Later { try far.send(much) }
        #expect(try downstream.receive(exactly: much.count) == much)
        try sender.value()
        far.endWriting()
        #expect(try downstream.ending() == .closeNotify)
        try wire.send([])
        wire.endWriting()
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""network.protocol.name":"mysql""#), "\(record)")
        #expect(record.contains(#""server.address":"echo.acme.example.com""#), "\(record)")
        #expect(record.contains(#""tls.protocol.version":"1.3""#), "\(record)")
    }

    @Test("asks again where the upstream switches plugins, any number of times")
    func rounds() throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address])
        defer { setup.end() }
        let (wire, far) = try self.greeted(setup, upstream)
        var downstream = try Inside.answering(over: wire, to: far)
        for round in 0..<200 {
            let (up, down) = (UInt8(truncatingIfNeeded: 2 + 2 * round), UInt8(1))
            let question = [1, 9] + [UInt8](repeating: UInt8(round), count: round * 300)
            try far.send(Words.packet(question, up))
            #expect(try downstream.packet() == Words.packet(question, up &+ down))
            try downstream.send(Words.packet(question, up &+ 2))
            #expect(try far.packet() == Words.packet(question, up &+ 1))
        }
        let next = UInt8(truncatingIfNeeded: 402)
        try far.send(Words.packet(Words.ok, next))
        #expect(try downstream.packet() == Words.packet(Words.ok, next &+ 1))
    }

    @Test("cuts an upstream off that asks without end, and turns to the others")
    func endless() throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address])
        defer { setup.end() }
        let (wire, far) = try self.greeted(setup, upstream)
        var downstream = try Inside.answering(over: wire, to: far)
        var all: [UInt8] = []
        for number in 0...Limits.mysqlAuthenticationPacketsMax {
            all += Words.packet([], UInt8(truncatingIfNeeded: 2 + number))
        }
        try far.send(all)
        for _ in 0..<Limits.mysqlAuthenticationPacketsMax {
            #expect(try downstream.packet().count == 4)
        }
        #expect(Words.error(try downstream.packet())?.code == 1158)
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.side":"upstream""#), "\(record)")
        #expect(record.contains(#""strait.reason":"prelude_malformed""#), "\(record)")
    }

    @Test("an upstream that greets and fails in TLS is ejected as one that does not answer")
    func brokenTLS() throws {
        let (bad, good) = (try Upstream(), try Upstream())
        let setup = try self.setup([bad.address])
        defer { setup.end() }
        let tls = UpstreamPlan.TLS(
            policy: ContentDigest(only: 1), serverName: "a.test", serverNameIsAddress: false,
            verifies: false,
            authoritiesPEM: nil)
        try setup.use(
            [
                UpstreamPlan(metricsSlot: 0, address: bad.address, tls: tls),
                UpstreamPlan(metricsSlot: 1, address: good.address, tls: tls, isBackup: true),
            ], health: quickHealth { $0.ejection = 60_000_000_000 })
        for _ in 0..<quickHealth().ejectAfter {
            let (wire, far) = try self.greeted(setup, bad)
            var downstream = try Inside.answering(over: wire, to: far)
            try far.send("this is no TLS, whatever it is")
            #expect(Words.error(try downstream.packet())?.code == 1429)
        }
        let turn = try setup.turn(to: .ejected, of: bad.address)
        #expect(turn.why.contains("wrong version number"), "\(turn.why)")
        let wire = try Wire(connectedTo: setup.address)
        try good.accept().send(Words.greeting)
        #expect(try wire.packet() == Words.greeting)
    }

    @Test("inside TLS that came first, the greeting has no TLS to offer")
    func wrapped() throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address], isShared: true)
        defer { setup.end() }
        var downstream = try Inside(over: try Wire(connectedTo: setup.address))
        let far = try upstream.accept()
        try far.send(Words.greeting)
        var silent = Words.greeting
        silent[Words.greetingTLS] &= ~8
        #expect(try downstream.packet() == silent)
        try downstream.send(Words.response(1, tls: false) + [1, 2, 3])
        #expect(try far.packet() == Words.response(1, tls: false))
        #expect(try far.receive(exactly: 3) == [1, 2, 3])
        try far.send(Words.packet(Words.ok, 2))
        #expect(try downstream.packet() == Words.packet(Words.ok, 2))
    }

    @Test("a downstream without TLS is told that it must, and nothing of it goes on")
    func plaintext() throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address])
        defer { setup.end() }
        let (wire, far) = try self.greeted(setup, upstream)
        try wire.send(Words.response(1, tls: false))
        let error = try #require(Words.error(try wire.packet()))
        #expect(error.sequence == 2)
        #expect(error.code == 3159)
        #expect(error.text.hasPrefix("#HY000Connections using insecure transport are prohibited"))
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"plaintext_refused""#), "\(record)")
        #expect(record.contains(#""strait.phase":"prelude""#), "\(record)")
        let id = try #require(error.text.split(separator: " ").last?.dropLast())
        #expect(record.contains(#""strait.connection.id":"\#(id)""#), "\(error.text) \(record)")
        #expect(try far.receiveAll().isEmpty)
    }

    @Test(
        "what follows the request for TLS in plain text is for TLS alone",
        arguments: [Words.response(2, tls: true), Array("GET / HTTP/1.1\r\n\r\n".utf8), [0, 0, 0]])
    func injected(bytes: [UInt8]) throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address])
        defer { setup.end() }
        let (wire, far) = try self.greeted(setup, upstream)
        try wire.send(Words.request + bytes)
        wire.endWriting()
        #expect(try wire.receiveAll().isEmpty)
        #expect(try far.receiveAll().isEmpty)
        _ = try setup.rig.nextRecord()
    }

    @Test("an upstream that is down is told instead of a greeting, whatever the mode")
    func down() throws {
        for mode in [ServiceMode.terminate, .passthrough] {
            let setup = try self.setup([.ip(IPAddress(v4: 127, 0, 0, 1), port: 1)], mode: mode)
            defer { setup.end() }
            let error = try #require(
                Words.error(try Wire(connectedTo: setup.address).receiveAll()))
            #expect(error.sequence == 0)
            #expect(error.code == 1429)
            #expect(error.text.hasPrefix("Unable to connect"), "no SQLSTATE before the greeting")
            #expect(try setup.rig.nextRecord().contains(#""strait.reason":"connect_failed""#))
        }
    }

    @Test("an upstream that says nothing, or no greeting, gives way to the next, or to an error")
    func noGreeting() throws {
        var timeouts = Timeouts()
        timeouts.connect = 300_000_000
        let (silent, right) = (try Upstream(), try Upstream())
        for said in ["", "SSH-2.0-OpenSSH_9.2\r\n"] {
            let setup = try self.setup([silent.address, right.address], timeouts: timeouts)
            defer { setup.end() }
            let wire = try Wire(connectedTo: setup.address)
            let held = try silent.accept()
            try held.send(said)
            let far = try right.accept()
            try far.send(Words.greeting)
            #expect(try wire.packet() == Words.greeting)
            withExtendedLifetime(held) {}
        }
        let other = try self.setup([silent.address], timeouts: timeouts)
        defer { other.end() }
        let error = try #require(Words.error(try Wire(connectedTo: other.address).receiveAll()))
        #expect(error.code == 1429)
        #expect(try other.rig.nextRecord().contains(#""strait.reason":"connect_timeout""#))
    }

    @Test("an upstream's own refusal is passed on as it is")
    func rejected() throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address])
        defer { setup.end() }
        let wire = try Wire(connectedTo: setup.address)
        let words = Words.packet([0xFF, 0x10, 4] + Array("Too many connections".utf8), 0)
        try upstream.accept().send(words)
        #expect(try wire.receiveAll() == words)
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"upstream_refused""#), "\(record)")
        #expect(record.contains("it said: 1040 Too many connections"), "\(record)")
    }

    @Test("a tenant at its limit is told so, in plain text or inside TLS")
    func limit() throws {
        let upstream = try Upstream()
        for isShared in [false, true] {
            let setup = try self.setup(
                [upstream.address], connectionsMax: 1, isShared: isShared)
            defer { setup.end() }
            let held = try Wire(connectedTo: setup.address)
            if isShared { try held.send(clientHello(serverName: "echo.acme.example.com")) }
            _ = isShared ? nil : try upstream.accept()
            if isShared { _ = try held.receive(exactly: 1) }
            let wire = try Wire(connectedTo: setup.address)
            let answer: [UInt8]
            if isShared {
                var inside = try Inside(over: wire)
                answer = try inside.packet()
            } else {
                answer = try wire.packet()
            }
            let error = try #require(Words.error(answer))
            #expect(error.sequence == 0)
            #expect(error.code == 1040)
            withExtendedLifetime(held) {}
        }
    }

    @Test("whoever is silent after the greeting is told, when the time for all of it is over")
    func timeout() throws {
        var timeouts = Timeouts()
        timeouts.handshake = 300_000_000
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address], timeouts: timeouts)
        defer { setup.end() }
        let (wire, far) = try self.greeted(setup, upstream)
        let error = try #require(Words.error(try wire.packet()))
        #expect(error.code == 1159)
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"handshake_timeout""#))
        #expect(try far.receiveAll().isEmpty)
    }

    @Test("an upstream that goes before it has answered is told inside TLS")
    func upstreamGoes() throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address])
        defer { setup.end() }
        let (wire, far) = try self.greeted(setup, upstream)
        var downstream = try Inside.answering(over: wire, to: far)
        far.endWriting()
        let error = try #require(Words.error(try downstream.packet()))
        #expect(error.sequence == 3)
        #expect(error.code == 1158)
        #expect(error.text.hasPrefix("#08S01"))
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.side":"upstream""#), "\(record)")
        #expect(record.contains(#""strait.reason":"closed_early""#), "\(record)")
    }

    @Test("a downstream that breaks off takes its upstream with it")
    func downstreamGoes() throws {
        let upstream = try Upstream()
        let setup = try self.setup([upstream.address])
        defer { setup.end() }
        let far: Wire
        do {
            let wire = try Wire(connectedTo: setup.address)
            far = try upstream.accept()
            try far.send(Words.greeting)
            _ = try wire.packet()
            wire.resetAtEnd()
        }
        #expect(try far.receiveAll().isEmpty)
        #expect(try setup.rig.nextRecord().contains(#""strait.side":"downstream""#))
    }
}
