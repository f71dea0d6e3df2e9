// A relay over real sockets: bytes, half-close, breakage and back-pressure, on IPv4 and IPv6.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import Testing

@Suite("A relay", .serialized, .timeLimit(.minutes(2))) struct RelayTests {
    /// More than all buffers on the way take together.
    static let plenty = pattern(64_000_000)

    @Test("small messages go both ways, in order", arguments: [false, true])
    func echo(ipv6: Bool) throws {
        let upstream = try Upstream(ipv6: ipv6)
        let setup = try RawSetup(upstreams: [upstream.address], ipv6: ipv6)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        for round in 0..<100 {
            try downstream.send("ping \(round);")
            #expect(
                try far.receive(exactly: "ping \(round);".utf8.count)
                    == Array("ping \(round);".utf8))
            try far.send("pong \(round);")
            #expect(
                try downstream.receive(exactly: "pong \(round);".utf8.count)
                    == Array("pong \(round);".utf8))
        }
    }

    @Test("bulk goes through whole, copied and spliced", arguments: [1_000, 300_000, 20_000_000])
    func bulk(count: Int) throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        let sent = pattern(count)
        let answer = Array(sent.reversed())
        let up = try Later { try far.receiveAll() }
        let down = try Later { try downstream.receiveAll() }
        let sentUp = try Later {
            try downstream.send(sent)
            downstream.endWriting()
        }
        try far.send(answer)
        far.endWriting()
        try sentUp.value()
        let gotUp = try up.value()
        let gotDown = try down.value()
        #expect(gotUp == sent)
        #expect(gotDown == answer)
    }

    @Test("a FIN from downstream leaves the answer's way open")
    func halfCloseDown() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try downstream.send("question")
        downstream.endWriting()
        #expect(try far.receiveAll() == Array("question".utf8))
        try far.send("answer")
        #expect(try downstream.receive(exactly: 6) == Array("answer".utf8))
        far.endWriting()
        #expect(try downstream.receiveAll().isEmpty)
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"finished""#))
        #expect(record.contains(#""strait.side":"downstream""#))
        #expect(record.contains(#""strait.bytes.downstream.received":8"#))
        #expect(record.contains(#""strait.bytes.downstream.sent":6"#))
    }

    @Test("a FIN from upstream leaves the question's way open")
    func halfCloseUp() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try far.send("banner")
        far.endWriting()
        #expect(try downstream.receiveAll() == Array("banner".utf8))
        try downstream.send("late")
        downstream.endWriting()
        #expect(try far.receiveAll() == Array("late".utf8))
        #expect(try setup.rig.nextRecord().contains(#""strait.side":"upstream""#))
    }

    @Test("a reset from upstream reaches the downstream as a reset, after all that was sent before")
    func resetUp() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        do {
            let far = try upstream.accept()
            try far.send("last words")
            #expect(try downstream.receive(exactly: 10) == Array("last words".utf8))
            far.resetAtEnd()
        }
        #expect(throws: PosixError.self) { try downstream.receive() }
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"reset""#))
        #expect(record.contains(#""strait.side":"upstream""#))
    }

    @Test("bytes with a reset right behind them never pass for the whole", arguments: [30])
    func resetBehindBytes(rounds: Int) throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        for _ in 0..<rounds {
            let downstream = try Wire(connectedTo: setup.address)
            do {
                let far = try upstream.accept()
                far.resetAtEnd()
                try far.send("relayed")
                #expect(try downstream.receive(exactly: 7) == Array("relayed".utf8))
                try far.send(String(repeating: "x", count: 200_000))
            }
            #expect(throws: PosixError.self) {
                while !(try downstream.receive().isEmpty) {}
            }
            #expect(try setup.rig.nextRecord().contains(#""strait.reason":"reset""#))
        }
    }

    @Test("a reset from downstream reaches the upstream as a reset")
    func resetDown() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let far: Wire
        do {
            let downstream = try Wire(connectedTo: setup.address)
            far = try upstream.accept()
            try downstream.send("x")
            #expect(try far.receive(exactly: 1) == [0x78])
            downstream.resetAtEnd()
        }
        #expect(throws: PosixError.self) { try far.receive() }
        #expect(try setup.rig.nextRecord().contains(#""strait.side":"downstream""#))
    }

    @Test("a reader that stops holds its sender back, and nothing is lost when it goes on")
    func backPressure() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        let sent = Self.plenty
        let accepted = sendUntilHeldBack(far, sent)
        #expect(accepted < sent.count)
        let total = accepted
        let rest = try Later {
            try far.send(Array(sent[total...]))
            far.endWriting()
        }
        let got = try downstream.receiveAll()
        try rest.value()
        #expect(got == sent)
    }

    @Test(
        "a reset ends the connection although the other side has stopped reading",
        arguments: [false, true])
    func resetBehindBackPressure(fromUpstream: Bool) throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let other: Wire
        do {
            let wires = try (Wire(connectedTo: setup.address), upstream.accept())
            let sender = fromUpstream ? wires.1 : wires.0
            other = fromUpstream ? wires.0 : wires.1
            _ = sendUntilHeldBack(sender, Self.plenty)
            sender.resetAtEnd()
        }
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"reset""#))
        #expect(record.contains(#""strait.side":"\#(fromUpstream ? "upstream" : "downstream")""#))
        #expect(throws: PosixError.self) { try other.receiveAll() }
    }

    @Test(
        "what a side had sent before it broke reaches the other, and then a reset does",
        arguments: [false, true], [false, true])
    func brokenBehindBackPressure(fromUpstream: Bool, hasFailedWrite: Bool) throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let sent = Self.plenty
        var delivered = 0
        let other: Wire
        do {
            let wires = try (Wire(connectedTo: setup.address), upstream.accept())
            let sender = fromUpstream ? wires.1 : wires.0
            other = fromUpstream ? wires.0 : wires.1
            let accepted = sendUntilHeldBack(sender, sent)
            delivered = accepted - Sockets.unacknowledgedBytes(sender.descriptor)
            sender.resetAtEnd()
        }
        // What is written to the broken side fails, and says nothing of what it had sent.
        if hasFailedWrite { try? other.send("too late") }  // whether it is taken does not matter
        var got: [UInt8] = []
        #expect(throws: PosixError.self) {
            while true {
                let more = try other.receive()
                guard !more.isEmpty else { return }
                got += more
            }
        }
        #expect(got.count >= delivered)
        #expect(got[...] == sent[..<got.count])
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"reset""#))
    }

    @Test("an upstream that does not answer is passed over for the next address")
    func nextAddress() throws {
        let upstream = try Upstream()
        let gone = try Upstream()
        let unreachable = gone.address
        _ = shutdown(gone.descriptor, Int32(SHUT_RDWR))
        let setup = try RawSetup(upstreams: [unreachable, upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try far.send("hello")
        #expect(try downstream.receive(exactly: 5) == Array("hello".utf8))
        #expect(
            try setup.rig.metrics().connectErrors == [.init(slot: 0, reason: .connectFailed): 1])
    }

    @Test("without an upstream the downstream is closed, and the record says why")
    func noUpstream() throws {
        let gone = try Upstream()
        let unreachable = gone.address
        _ = shutdown(gone.descriptor, Int32(SHUT_RDWR))
        let setup = try RawSetup(upstreams: [unreachable])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        // Whether by FIN or by RST: it ends without an answer.
        #expect((try? downstream.receiveAll()) ?? [] == [])
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"connect_failed""#))
        #expect(record.contains("Connection refused"))
    }

    @Test("an upstream that is the listener itself is not dialled again and again")
    func loop() throws {
        let setup = try RawSetup(
            upstreams: [], listenerProtocols: [.tls], isShared: true, leadsHome: true)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        try downstream.send(clientHello(serverName: "echo.acme.example.com"))
        let record = try setup.rig.nextRecord()
        #expect(record.contains("the upstream is this router itself"), "\(record)")
        // The kernel has made one connection before it is known where it leads.
        #expect(try setup.rig.metrics().accepted[0] ?? 0 <= 2)
    }

    @Test("many that are made at once all come through, each with its own bytes")
    func crowd() throws {
        let count = 300
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let fars = try Later { try (0..<count).map { _ in try upstream.accept() } }
        let wires = try (0..<count).map { _ in try Wire(connectedTo: setup.address) }
        for (number, wire) in wires.enumerated() { try wire.send([UInt8(number & 255)]) }
        for (number, wire) in wires.enumerated() { try wire.send([UInt8(number >> 8)]) }
        var seen: Set<[UInt8]> = []
        for far in try fars.value() {
            let bytes = try far.receive(exactly: 2)
            seen.insert(bytes)
            try far.send(bytes.reversed())
        }
        #expect(seen.count == count)
        for (number, wire) in wires.enumerated() {
            let answer = try wire.receive(exactly: 2)
            #expect(answer == [UInt8(number >> 8), UInt8(number & 255)])
        }
    }

    @Test("everything is given back: descriptors and slots are as before", arguments: [200])
    func nothingLeaks(rounds: Int) throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        func round(_ number: Int) throws {
            let downstream = try Wire(connectedTo: setup.address)
            let far = try upstream.accept()
            try downstream.send("x")
            _ = try far.receive(exactly: 1)
            if number % 3 == 0 { downstream.resetAtEnd() }
        }
        try round(1)
        _ = try setup.rig.nextRecord()
        let before = openDescriptors()
        for number in 0..<rounds { try round(number) }
        var records = 0
        while records < rounds {
            records += try setup.rig.nextRecord().split(separator: "\n").count
        }
        // Other tests of this process open some meanwhile; each round had three.
        #expect(openDescriptors() < before + rounds / 2)
        let metrics = try setup.rig.metrics()
        #expect(metrics.open.values.reduce(0, +) == 0)
        #expect(metrics.accepted == [0: UInt64(rounds) + 1])
    }

    @Test(
        "a tenant's limit refuses the connection beyond it, and lets the next in when one has gone")
    func tenantLimit() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], connectionsMax: 1)
        defer { setup.end() }
        var first: Wire? = try Wire(connectedTo: setup.address)
        var far: Wire? = try upstream.accept()
        let second = try Wire(connectedTo: setup.address)
        // Whether by FIN or by RST: it ends without an answer.
        #expect((try? second.receiveAll()) ?? [] == [])
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"connection_limit""#))
        try first?.send("x")
        first = nil
        far = nil
        _ = (first, far)
        _ = try setup.rig.nextRecord()
        let third = try Wire(connectedTo: setup.address)
        let again = try upstream.accept()
        try again.send("y")
        #expect(try third.receive(exactly: 1) == [0x79])
    }

    @Test("a PROXY header tells the upstream who dialled", arguments: [false, true])
    func proxyHeader(ipv6: Bool) throws {
        let upstream = try Upstream(ipv6: ipv6)
        let setup = try RawSetup(
            upstreams: [upstream.address], ipv6: ipv6, upstreamProxyHeader: .v1)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let local = try #require(Sockets.localAddress(downstream.descriptor))
        let far = try upstream.accept()
        let ip = ipv6 ? "::1" : "127.0.0.1"
        let expected =
            "PROXY TCP\(ipv6 ? 6 : 4) \(ip) \(ip) \(local.port) \(setup.address.port)\r\n"
        #expect(
            try String(decoding: far.receive(exactly: expected.utf8.count), as: UTF8.self)
                == expected)
    }
}

/// Sends until nothing is taken for a second; how many bytes were.
func sendUntilHeldBack(_ wire: Wire, _ bytes: [UInt8]) -> Int {
    var limit = timeval(tv_sec: 1, tv_usec: 0)
    let length = socklen_t(MemoryLayout<timeval>.size)
    _ = setsockopt(wire.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, length)
    var accepted = 0
    while accepted < bytes.count {
        let count = bytes[accepted...].withUnsafeBytes {
            Glibc.send(wire.descriptor, $0.baseAddress, min($0.count, 65_536), Int32(MSG_NOSIGNAL))
        }
        if count < 0 { break }  // held back
        accepted += count
    }
    return accepted
}

/// How many descriptors this process has open.
func openDescriptors() -> Int {
    (0..<Int32(4096)).count { fcntl($0, F_GETFD) >= 0 }
}
