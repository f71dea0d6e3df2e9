// Relays that the router itself ends: a part must not pass for the whole.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import StraitTLS
import Testing

@Suite("A relay that the router cuts off", .serialized, .timeLimit(.minutes(2)))
struct CutOffTests {
    /// What ends a relay from outside of it.
    enum Cause: String, CaseIterable, CustomTestStringConvertible {
        case idleTimeout = "idle_timeout"
        case halfClosedTimeout = "half_closed_timeout"
        case drained = "drained"
        case closedByOperator = "closed_by_operator"

        var testDescription: String { self.rawValue }
    }

    private func timeouts(_ cause: Cause) -> Timeouts {
        var timeouts = Timeouts()
        if cause == .idleTimeout { timeouts.idle = 200_000_000 }
        if cause == .halfClosedTimeout { timeouts.halfClosed = 200_000_000 }
        return timeouts
    }

    private func bring(_ cause: Cause, to setup: RawSetup, _ downstream: Wire) throws {
        switch cause {
        case .idleTimeout: break
        case .halfClosedTimeout: downstream.endWriting()
        case .drained: setup.rig.engine.broadcast(.drain(deadline: monotonicNow()))
        case .closedByOperator:
            setup.rig.engine.send(.listConnections(token: 1, limit: 1), to: 0)
            let id = try setup.rig.report { report -> ConnectionID? in
                guard case .connections(1, let list) = report else { return nil }
                return list.first?.id
            }
            setup.rig.engine.send(.closeConnection(token: 2, id: id), to: 0)
        }
    }

    // A FIN would be taken for the end of the message, where nothing else marks it.
    @Test("ends by reset on both sides", arguments: Cause.allCases, [false, true])
    func plain(cause: Cause, ipv6: Bool) throws {
        let upstream = try Upstream(ipv6: ipv6)
        let setup = try RawSetup(
            upstreams: [upstream.address], ipv6: ipv6, timeouts: self.timeouts(cause))
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        try far.send("half a")
        #expect(try downstream.receive(exactly: 6) == Array("half a".utf8))
        try self.bring(cause, to: setup, downstream)
        #expect(throws: PosixError.self) { try downstream.receiveAll() }
        // Its own direction has ended in order, where it has; the answer's has not.
        if cause == .halfClosedTimeout { #expect(try far.receiveAll().isEmpty) }
        #expect(throws: PosixError.self) {
            if cause == .halfClosedTimeout { try far.sendUntilRefused() }
            _ = try far.receiveAll()
        }
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"\#(cause.rawValue)""#))
    }

    @Test("says no goodbye in TLS, and ends by reset", arguments: [Cause.idleTimeout, .drained])
    func overTLS(cause: Cause) throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], mode: .terminate, timeouts: self.timeouts(cause),
            listenerProtocols: PeekTests.all)
        defer { setup.end() }
        let wire = try Wire(connectedTo: setup.address)
        var downstream = try TLSWire(over: wire)
        let far = try upstream.accept()
        try far.send("half a")
        #expect(try downstream.receive(exactly: 6) == Array("half a".utf8))
        try self.bring(cause, to: setup, wire)
        var failure: TLSFailure?
        do { _ = try downstream.receive() } catch let error as TLSFailure { failure = error }
        #expect(failure == .reset)
        #expect(throws: PosixError.self) { try far.receiveAll() }
    }

    @Test("gives a downstream in TLS what the upstream had sent before it broke")
    func brokenOverTLS() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], mode: .terminate, listenerProtocols: PeekTests.all)
        defer { setup.end() }
        var downstream = try TLSWire(over: try Wire(connectedTo: setup.address))
        var delivered = 0
        do {
            let far = try upstream.accept()
            let accepted = sendUntilHeldBack(far, RelayTests.plenty)
            delivered = accepted - Sockets.unacknowledgedBytes(far.descriptor)
            far.resetAtEnd()
        }
        var got: [UInt8] = []
        do {
            while true {
                let (bytes, ending) = try downstream.receive()
                #expect(ending == nil)
                guard ending == nil else { break }
                got += bytes
            }
        } catch let error as TLSFailure {
            #expect(error == .reset)
        }
        #expect(got.count >= delivered)
        #expect(got[...] == RelayTests.plenty[..<got.count])
    }

    @Test("by damaged TLS is blamed on the side that sent it, and is no failed handshake")
    func damagedTLS() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], mode: .terminate, listenerProtocols: PeekTests.all)
        defer { setup.end() }
        var downstream = try TLSWire(over: try Wire(connectedTo: setup.address))
        let far = try upstream.accept()
        try downstream.send(Array("whole".utf8))
        #expect(try far.receive(exactly: 5) == Array("whole".utf8))
        try downstream.wire.send([0x17, 3, 3, 0, 20] + [UInt8](repeating: 7, count: 20))
        #expect(throws: PosixError.self) { try far.receiveAll() }
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"tls_error""#))
        #expect(record.contains(#""strait.side":"downstream""#))
        // bad_record_mac, RFC 8446 §5.2.
        let key = WorkerMetrics.AlertKey(slot: 1, side: .local, alert: 20)
        #expect(try setup.rig.metrics().alerts == [key: 1])
    }

    @Test("and one whose sides have both ended is no such relay")
    func graceful() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        downstream.endWriting()
        #expect(try far.receiveAll().isEmpty)
        far.endWriting()
        #expect(try downstream.receiveAll().isEmpty)
        #expect(try setup.rig.nextRecord().contains(#""strait.reason":"finished""#))
    }
}

extension Wire {
    /// Sends until the other end has refused it, but no more than 1000 times.
    fileprivate func sendUntilRefused() throws {
        for _ in 0..<1000 {
            try self.send("x")
            var event = pollfd(fd: self.descriptor, events: 0, revents: 0)
            _ = poll(&event, 1, 10)
        }
        throw RigError(description: "nothing is refused")
    }
}
