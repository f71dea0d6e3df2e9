// Postgres cancel requests: whose query they reach, and what a guesser gets.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import Testing

@Suite("A cancel request", .serialized, .timeLimit(.minutes(2))) struct CancelTests {
    private static let sslRequest: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]
    private static let startup: [UInt8] =
        [0, 0, 0, 16, 0, 3, 0, 0] + Array("user".utf8) + [0, 0x78, 0, 0]
    private static let processID: [UInt8] = [0, 0, 0, 7]

    private func setup(_ upstream: Upstream, workers: Int = 1) throws -> RawSetup {
        let loopback = try #require(CIDRBlock("127.0.0.0/8"))
        return try RawSetup(
            upstreams: [upstream.address], workers: workers, serviceProtocol: .postgres,
            mode: .terminate, listenerProtocols: PeekTests.all,
            proxyHeader: .required(trusted: [loopback]), isShared: true)
    }

    private func wire(_ setup: RawSetup, from source: String) throws -> Wire {
        let wire = try Wire(connectedTo: setup.address)
        try wire.send("PROXY TCP4 \(source) 192.0.2.1 5000 443\r\n")
        return wire
    }

    /// Opens a connection whose upstream gives out `key`, and hands on the key that the downstream
    /// saw.
    ///
    /// The connection lives while `body` runs.
    private func withQuery(
        _ setup: RawSetup, _ upstream: Upstream, from source: String, key: [UInt8],
        _ body: ([UInt8]) throws -> Void
    ) throws {
        let wire = try self.wire(setup, from: source)
        try wire.send(Self.sslRequest)
        #expect(try wire.receive(exactly: 1) == [UInt8(ascii: "S")])
        var downstream = try TLSWire(over: wire)
        try downstream.send(Self.startup)
        let far = try upstream.accept()
        _ = try far.receive(exactly: Self.startup.count)
        let length = UInt32(8 + key.count)
        let header: [UInt8] = [
            UInt8(ascii: "K"), 0, 0, UInt8(length >> 8), UInt8(truncatingIfNeeded: length),
        ]
        try far.send(header + Self.processID + key)
        let seen = try downstream.receive(exactly: 9 + key.count)
        #expect(seen[..<9] == (header + Self.processID)[...])
        try body(Array(seen[9...]))
        withExtendedLifetime(far) {}
    }

    private func cancelRequest(_ key: [UInt8]) -> [UInt8] {
        let length = UInt32(12 + key.count)
        return [0, 0, UInt8(length >> 8), UInt8(truncatingIfNeeded: length)]
            + [0x04, 0xD2, 0x16, 0x2E] + Self.processID + key
    }

    /// Guesses from one source until a guess is refused unheard.
    private func guess(_ setup: RawSetup, from source: String) throws {
        // All guess before the first record is read, so that they come within a second or two
        // however slow this side is.
        let wires = try (0..<100).map { number in
            let wire = try self.wire(setup, from: source)
            try wire.send(self.cancelRequest([9, 9, 9, UInt8(number)]))
            return wire
        }
        var records: [Substring] = []
        while records.count < wires.count {
            records += try setup.rig.nextRecord().split(separator: "\n")
        }
        let unknown = records.count { $0.contains(#""strait.reason":"cancel_unknown""#) }
        let unheard = records.count { $0.contains(#""strait.reason":"cancel_limit""#) }
        #expect(unknown + unheard == wires.count)
        #expect(unknown >= Limits.cancelMissesPerSourceMax)
        #expect(unheard > 0, "a guesser is never refused")
    }

    @Test(
        "reaches the query that its key names, whichever worker takes it",
        arguments: [1, 2], [4, 32, 256])
    func reaches(workers: Int, keyBytes: Int) throws {
        let upstream = try Upstream()
        let setup = try self.setup(upstream, workers: workers)
        defer { setup.end() }
        let theirs = [UInt8](repeating: 0x5A, count: keyBytes)
        try self.withQuery(setup, upstream, from: "203.0.113.7", key: theirs) { ours in
            #expect(ours != theirs)
            for _ in 0..<10 {
                let canceller = try self.wire(setup, from: "198.51.100.9")
                try canceller.send(self.cancelRequest(ours))
                let far = try upstream.accept()
                #expect(
                    try far.receive(exactly: 12 + keyBytes) == self.cancelRequest(theirs))
                far.endWriting()
                #expect(try canceller.receiveAll().isEmpty)
            }
        }
    }

    @Test("from a guesser is refused after a few, and everybody else's still reaches its query")
    func guesser() throws {
        let upstream = try Upstream()
        let setup = try self.setup(upstream)
        defer { setup.end() }
        let theirs: [UInt8] = [1, 2, 3, 4]
        try self.withQuery(setup, upstream, from: "203.0.113.7", key: theirs) { ours in
            try self.guess(setup, from: "198.51.100.66")
            let canceller = try self.wire(setup, from: "203.0.113.7")
            try canceller.send(self.cancelRequest(ours))
            #expect(
                try upstream.accept().receive(exactly: 16) == self.cancelRequest(theirs))
        }
    }
}
