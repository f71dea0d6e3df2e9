// What a downstream gets that is refused, or says nothing, before it is routed.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import Testing

@Suite("A shared listener", .serialized, .timeLimit(.minutes(2))) struct PeekTests {
    static let all: ListenerProtocols = [.tls, .ssh, .http, .postgres]

    /// Sends bytes to a listener without a service of its own and tells what came back and what was
    /// recorded.
    private func refusal(
        of bytes: [UInt8], timeouts: Timeouts = Timeouts(), endsWriting: Bool = false
    ) throws -> (answer: [UInt8], record: String) {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], timeouts: timeouts, listenerProtocols: Self.all)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        try downstream.send(bytes)
        if endsWriting { downstream.endWriting() }
        // A reset is an end too, and says as little as a FIN.
        let answer = (try? downstream.receiveAll()) ?? []
        let record = try setup.rig.nextRecord()
        #expect(!upstream.hasCaller)
        return (answer, record)
    }

    @Test("an unknown name gets alert 112, and no route")
    func unknownName() throws {
        let (answer, record) = try self.refusal(
            of: clientHello(serverName: "echo.evil.example.com"))
        #expect(answer.first == 0x15)
        #expect(answer.suffix(2) == [2, 112])
        #expect(record.contains(#""strait.reason":"name_unknown""#))
        #expect(record.contains(#""server.address":"echo.evil.example.com""#))
    }

    @Test(
        "a name that cannot be read fails closed",
        arguments: [
            "127.0.0.1", "a b", "x\u{0}echo.acme.example.com", "echo.acme.example.com:443",
            "-x.com",
        ])
    func unreadableName(name: String) throws {
        let (answer, record) = try self.refusal(of: clientHello(serverName: name))
        #expect(answer.suffix(2) == [2, 112])
        #expect(record.contains(#""strait.reason":"name_malformed""#))
    }

    @Test(
        "garbage is closed without an answer", arguments: [[UInt8]([1]), Array("EHLO x\r\n".utf8)])
    func garbage(bytes: [UInt8]) throws {
        let (answer, record) = try self.refusal(of: bytes, endsWriting: true)
        #expect(answer.isEmpty)
        #expect(record.contains(#""strait.check":"protocol""#))
    }

    @Test("a plain HTTP request gets a page that says so, with the connection's id")
    func plainHTTP() throws {
        let (answer, record) = try self.refusal(of: Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        let text = String(decoding: answer, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 400 "))
        let id = try #require(text.firstRange(of: "c-")).lowerBound
        #expect(record.contains(text[id...].prefix(ConnectionID.textBytes)))
        #expect(record.contains(#""strait.reason":"plaintext_refused""#))
    }

    @Test("a plain Postgres startup is told that TLS is required")
    func plainPostgres() throws {
        let startup: [UInt8] = [0, 0, 0, 15, 0, 3, 0, 0] + Array("user".utf8) + [0, 0x78, 0]
        let (answer, _) = try self.refusal(of: startup)
        #expect(answer.first == UInt8(ascii: "E"))
        #expect(String(decoding: answer, as: UTF8.self).contains("28000"))
    }

    @Test("bytes behind an SSLRequest are not taken into TLS")
    func pipelined() throws {
        let request: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]
        let (answer, record) = try self.refusal(
            of: request + clientHello(serverName: "echo.acme.example.com"))
        #expect(answer.isEmpty)
        #expect(record.contains(#""strait.reason":"prelude_malformed""#))
    }

    @Test("a silent downstream is closed when the first byte's time is up")
    func silence() throws {
        var timeouts = Timeouts()
        timeouts.firstByte = 100_000_000
        let (answer, record) = try self.refusal(of: [], timeouts: timeouts)
        #expect(answer.isEmpty)
        #expect(record.contains(#""strait.reason":"first_byte_timeout""#))
    }

    @Test("a hello that does not end is closed when the hello's time is up")
    func slowHello() throws {
        var timeouts = Timeouts()
        timeouts.hello = 150_000_000
        let hello = clientHello(serverName: "echo.acme.example.com")
        let (answer, record) = try self.refusal(of: Array(hello.dropLast()), timeouts: timeouts)
        #expect(answer.isEmpty)
        #expect(record.contains(#""strait.reason":"hello_timeout""#))
    }

    @Test(
        "a hello cut into single bytes reaches its upstream whole and once",
        arguments: [false, true])
    func passthrough(ipv6: Bool) throws {
        let upstream = try Upstream(ipv6: ipv6)
        let setup = try RawSetup(
            upstreams: [upstream.address], ipv6: ipv6, listenerProtocols: Self.all)
        defer { setup.end() }
        let hello = clientHello(serverName: "Echo.ACME.example.com.")
        let downstream = try Wire(connectedTo: setup.address)
        for byte in hello { try downstream.send([byte]) }
        let far = try upstream.accept()
        #expect(try far.receive(exactly: hello.count) == hello)
        try downstream.send("more")
        #expect(try far.receive(exactly: 4) == Array("more".utf8))
        downstream.endWriting()
        #expect(try far.receiveAll().isEmpty)
    }

    @Test("what was peeked counts as received, whether it went with the connect or after it")
    func countsPeeked() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], listenerProtocols: Self.all)
        defer { setup.end() }
        let hello = clientHello(serverName: "echo.acme.example.com")
        let downstream = try Wire(connectedTo: setup.address)
        try downstream.send(hello)
        let far = try upstream.accept()
        #expect(try far.receive(exactly: hello.count) == hello)
        downstream.endWriting()
        far.endWriting()
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.bytes.downstream.received":\#(hello.count),"#))
        #expect(record.contains(#""strait.bytes.upstream.sent":\#(hello.count),"#))
    }

    @Test("a refused downstream that stays takes no place of its tenant's")
    func refusedTakesNoPlace() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], listenerProtocols: Self.all, connectionsMax: 1)
        defer { setup.end() }
        let hello = clientHello(serverName: "echo.acme.example.com")
        let first = try Wire(connectedTo: setup.address)
        try first.send(hello)
        let far = try upstream.accept()
        let refused = try Wire(connectedTo: setup.address)
        try refused.send(hello)
        #expect(try refused.receive(exactly: 7).suffix(2) == [2, 80])
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"connection_limit""#))
        first.endWriting()
        far.endWriting()
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"finished""#))
        let next = try Wire(connectedTo: setup.address)
        try next.send(hello)
        #expect(try upstream.accept().receive(exactly: hello.count) == hello)
    }

    @Test("the oldest of too many that are not routed gives way")
    func eviction() throws {
        var limits = EngineLimits()
        limits.unroutedConnections = 2
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], limits: limits, listenerProtocols: Self.all)
        defer { setup.end() }
        var waiting: [Wire] = []
        for _ in 0..<3 { waiting.append(try Wire(connectedTo: setup.address)) }
        // Whether by FIN or by RST: it ends without an answer.
        #expect((try? waiting[0].receiveAll()) ?? [] == [])
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"evicted""#))
        #expect(try setup.rig.metrics().unrouted == 2)
    }

    @Test("a required PROXY header names the downstream, and one from elsewhere is refused")
    func proxyHeader() throws {
        let upstream = try Upstream()
        let loopback = try #require(CIDRBlock("127.0.0.0/8"))
        let setup = try RawSetup(
            upstreams: [upstream.address], listenerProtocols: .raw,
            proxyHeader: .required(trusted: [loopback]))
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        try downstream.send("PROXY TCP4 203.0.113.7 192.0.2.1 5000 443\r\nhello")
        let far = try upstream.accept()
        #expect(try far.receive(exactly: 5) == Array("hello".utf8))
        downstream.endWriting()
        _ = try far.receiveAll()
        far.endWriting()
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""client.address":"203.0.113.7""#))
        #expect(record.contains(#""network.peer.address":"127.0.0.1""#))
    }

    @Test("without the required PROXY header, or from an untrusted address, nothing passes")
    func proxyHeaderRefused() throws {
        let elsewhere = try #require(CIDRBlock("10.0.0.0/8"))
        for (bytes, reason) in [
            ("PROXY TCP4 203.0.113.7 192.0.2.1 5000 443\r\n", "proxy_source_untrusted"),
            ("GET / HTTP/1.1\r\n\r\n", "proxy_header_missing"),
            ("PROXY TCP4 203.0.113.256 192.0.2.1 5000 443\r\n", "proxy_header_malformed"),
        ] {
            let upstream = try Upstream()
            let setup = try RawSetup(
                upstreams: [upstream.address], listenerProtocols: .raw,
                proxyHeader: .required(trusted: [elsewhere]))
            defer { setup.end() }
            let downstream = try Wire(connectedTo: setup.address)
            try downstream.send(bytes)
            // Whether by FIN or by RST: it ends without an answer.
            #expect((try? downstream.receiveAll()) ?? [] == [])
            #expect(try setup.rig.nextRecord().contains(reason))
            #expect(!upstream.hasCaller)
        }
    }

    @Test("what came without TLS does not pass where a certificate is required")
    func certificateRequired() throws {
        for protocols in [ListenerProtocols.raw, Self.all] {
            let upstream = try Upstream()
            let setup = try RawSetup(
                upstreams: [upstream.address], serviceProtocol: .ssh, mode: .terminate,
                clientCertificate: .required, listenerProtocols: protocols)
            defer { setup.end() }
            let downstream = try Wire(connectedTo: setup.address)
            try downstream.send("SSH-2.0-any\r\n")
            // Whether by FIN or by RST: it ends without an answer.
            #expect((try? downstream.receiveAll()) ?? [] == [])
            let record = try setup.rig.nextRecord()
            #expect(record.contains(#""strait.reason":"client_certificate_missing""#))
            #expect(!upstream.hasCaller)
        }
    }

    @Test(
        "a raw listener hands a ClientHello on unread, however it is cut", arguments: [false, true])
    func rawHello(inOnePiece: Bool) throws {
        let upstream = try Upstream()
        let loopback = try #require(CIDRBlock("127.0.0.0/8"))
        let setup = try RawSetup(
            upstreams: [upstream.address], mode: .terminate, listenerProtocols: .raw,
            proxyHeader: .required(trusted: [loopback]))
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let header = Array("PROXY TCP4 203.0.113.7 192.0.2.1 5000 443\r\n".utf8)
        let hello = clientHello(serverName: "echo.acme.example.com")
        try downstream.send(inOnePiece ? header + hello : header)
        if !inOnePiece { try downstream.send(hello) }
        let far = try upstream.accept()
        #expect(try far.receive(exactly: hello.count) == hello)
    }

    @Test("a plain cancel on the tenant's own port reaches every address of its one service")
    func cancel() throws {
        let first = try Upstream()
        let second = try Upstream()
        let setup = try RawSetup(
            upstreams: [first.address, second.address], serviceProtocol: .postgres,
            listenerProtocols: Self.all)
        defer { setup.end() }
        let request: [UInt8] = [0, 0, 0, 16, 0x04, 0xD2, 0x16, 0x2E, 0, 0, 0, 7, 9, 8, 7, 6]
        let downstream = try Wire(connectedTo: setup.address)
        try downstream.send(request)
        let one = try first.accept()
        let two = try second.accept()
        #expect(try one.receive(exactly: 16) == request)
        #expect(try two.receive(exactly: 16) == request)
        one.endWriting()
        two.endWriting()
        #expect(try downstream.receiveAll().isEmpty)
    }
}

/// A TLS 1.2 and 1.3 ClientHello with this name, in one record.
func clientHello(serverName: String) -> [UInt8] {
    func block(_ lengthBytes: Int, _ body: [UInt8]) -> [UInt8] {
        (0..<lengthBytes).reversed().map { UInt8(truncatingIfNeeded: body.count >> ($0 * 8)) }
            + body
    }
    let name: [UInt8] = [0] + block(2, Array(serverName.utf8))
    let extensions: [UInt8] = [0, 0] + block(2, block(2, name)) + [0, 43] + block(2, [2, 3, 4])
    let body: [UInt8] =
        [3, 3] + [UInt8](repeating: 7, count: 32) + [0] + block(2, [0x13, 0x01]) + block(1, [0])
        + block(2, extensions)
    return [0x16, 3, 1] + block(2, [1] + block(3, body))
}
