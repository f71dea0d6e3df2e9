// Limits of a tenant and of each source, over real sockets: who is refused and how, and who waits.

import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import StraitWire
import Testing

@Suite("A tenant's limits", .serialized, .timeLimit(.minutes(2))) struct TenantLimitTests {
    /// One at once, and the next after a second.
    private static let one = RateLimit(perSecond: 1, burst: 1)
    /// As much as a test waits for.
    private static let fast = RateLimit(perSecond: 20_000_000, burst: 400_000)

    /// A limit, whose it is, and what a refusal says.
    struct Refusal: Sendable {
        var reason: String
        var isOfSource = false
        var signs = false
        var set: @Sendable (inout LimitSet) -> Void
    }

    private static let refusals: [Refusal] = [
        Refusal(reason: "connection_limit") { $0.connections = 1 },
        Refusal(reason: "rate_limit") { $0.newConnections = Self.one },
        Refusal(reason: "handshake_limit", signs: true) { $0.handshakes = Self.one },
        Refusal(reason: "source_connection_limit", isOfSource: true) { $0.connections = 1 },
        Refusal(reason: "source_rate_limit", isOfSource: true) { $0.newConnections = Self.one },
        Refusal(reason: "source_handshake_limit", isOfSource: true, signs: true) {
            $0.handshakes = Self.one
        },
    ]

    @Test("each refuses by its own name, and before any cryptography by an alert", arguments: 0..<6)
    func refused(number: Int) throws {
        let refusal = Self.refusals[number]
        var limits = LimitSet()
        refusal.set(&limits)
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], mode: refusal.signs ? .terminate : .passthrough,
            listenerProtocols: PeekTests.all,
            tenantLimits: refusal.isOfSource ? LimitSet() : limits,
            sourceLimits: refusal.isOfSource ? limits : LimitSet())
        defer { setup.end() }
        let hello = clientHello(serverName: "echo.acme.example.com")
        let first = try Wire(connectedTo: setup.address)
        try first.send(hello)
        // Until it has been admitted: its hello is passed on, or answered.
        if refusal.signs {
            _ = try first.receive(exactly: 1)
        } else {
            _ = try upstream.accept().receive(exactly: hello.count)
        }
        // A rate of one lets one of them in where a second has passed meanwhile.
        let others = try (0..<3).map { _ in
            let other = try Wire(connectedTo: setup.address)
            try other.send(hello)
            return other
        }
        var record = try setup.rig.nextRecord()
        // The first one's handshake goes no further than our part of it.
        if refusal.signs, !record.contains("limit") { record = try setup.rig.nextRecord() }
        #expect(record.contains(#""strait.reason":"\#(refusal.reason)""#))
        #expect(record.contains(#""strait.check":"limit""#))
        #expect(record.contains(#""strait.tenant":"acme""#))
        guard refusal.reason.hasSuffix("connection_limit") else { return }
        for other in others {
            #expect(
                try other.receive(exactly: 7).suffix(2) == [2, TLSAlert.internalError.rawValue])
        }
    }

    @Test("bytes that are limited arrive whole, each way by itself", arguments: [false, true])
    func bulk(isOfSource: Bool) throws {
        var limits = LimitSet()
        limits.bytesIn = Self.fast
        limits.bytesOut = Self.fast
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], tenantLimits: isOfSource ? LimitSet() : limits,
            sourceLimits: isOfSource ? limits : LimitSet())
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        let sent = pattern(3_000_000)
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
        #expect(try up.value() == sent)
        #expect(try down.value() == answer)
        #expect(try setup.rig.nextRecord().contains(#""strait.limits.delay_us":"#))
        let delays = try setup.rig.metrics().limitDelays
        for isUp in [false, true] {
            let key = WorkerMetrics.DelayKey(slot: 1, isUp: isUp, isOfSource: isOfSource)
            #expect(delays[key] ?? 0 > 0)
        }
        #expect(delays.count == 2)
    }

    @Test("a direction that is held leaves the other one alone")
    func directions() throws {
        var limits = LimitSet()
        limits.bytesIn = RateLimit(perSecond: 1, burst: 10)
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], tenantLimits: limits)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try downstream.send(pattern(1_000_000))
        #expect(try far.receive(exactly: 10) == Array(pattern(1_000_000).prefix(10)))
        let answer = pattern(5_000_000)
        let down = try Later { try downstream.receive(exactly: answer.count) }
        try far.send(answer)
        #expect(try down.value() == answer)
    }

    @Test("whoever is held and breaks off is seen, from either side", arguments: [false, true])
    func breaks(fromDownstream: Bool) throws {
        var limits = LimitSet()
        limits.bytesIn = RateLimit(perSecond: 1, burst: 10)
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], tenantLimits: limits)
        defer { setup.end() }
        var downstream: Wire? = try Wire(connectedTo: setup.address)
        var far: Wire? = try upstream.accept()
        try downstream?.send(pattern(100_000))
        _ = try far?.receive(exactly: 10)
        if fromDownstream {
            downstream?.resetAtEnd()
            downstream = nil
        } else {
            far?.resetAtEnd()
            far = nil
        }
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"reset""#))
        #expect(record.contains(#""strait.side":"\#(fromDownstream ? "downstream" : "upstream")""#))
        withExtendedLifetime((downstream, far)) {}
    }

    @Test("an upstream's FIN passes while the other direction is held")
    func finWhileHeld() throws {
        var limits = LimitSet()
        limits.bytesIn = RateLimit(perSecond: 1, burst: 10)
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], tenantLimits: limits)
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try downstream.send(pattern(100_000))
        _ = try far.receive(exactly: 10)
        try far.send("bye")
        far.endWriting()
        #expect(try downstream.receiveAll() == Array("bye".utf8))
    }

    @Test("many that one limit holds all come through, and those that end meanwhile are forgotten")
    func many() throws {
        var limits = LimitSet()
        limits.bytesIn = RateLimit(perSecond: 4_000_000, burst: 80_000)
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], tenantLimits: limits)
        defer { setup.end() }
        let pairs = try (0..<40).map { _ in
            (try Wire(connectedTo: setup.address), try upstream.accept())
        }
        for (downstream, _) in pairs { try downstream.send(pattern(50_000)) }
        for (number, (downstream, far)) in pairs.enumerated() {
            if number % 4 == 0 {
                downstream.endWriting()
                continue
            }
            #expect(try far.receive(exactly: 50_000) == pattern(50_000))
        }
        for (number, (_, far)) in pairs.enumerated() where number % 4 == 0 {
            #expect(try far.receiveAll() == pattern(50_000))
        }
    }

    @Test("the place of a source is free again when its connection has ended")
    func sourceIsGivenBack() throws {
        var limits = LimitSet()
        limits.connections = 1
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address], sourceLimits: limits)
        defer { setup.end() }
        for _ in 0..<3 {
            var downstream: Wire? = try Wire(connectedTo: setup.address)
            let far = try upstream.accept()
            try far.send("y")
            #expect(try downstream?.receive(exactly: 1) == [0x79])
            downstream?.resetAtEnd()
            downstream = nil
            #expect(try !setup.rig.nextRecord().contains("limit"))
        }
    }
}
