// TCP's urgent data goes through as bytes of the stream, in their place (RFC 6093 §4).

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import Testing

@Suite("Urgent data through a relay", .serialized, .timeLimit(.minutes(3)))
struct UrgentDataTests {
    /// Sends `chunk` bytes plainly and one urgently, in turns, and then ends.
    private func send(_ bytes: [UInt8], chunk: Int, by wire: Wire) throws {
        var start = 0
        while start < bytes.count {
            let end = min(start + chunk, bytes.count)
            try wire.send(Array(bytes[start..<end]))
            start = end
            guard start < bytes.count else { break }
            guard Glibc.send(wire.descriptor, [bytes[start]], 1, Int32(MSG_OOB | MSG_NOSIGNAL)) == 1
            else { throw PosixError(call: "send", number: errno) }
            start += 1
        }
        wire.endWriting()
    }

    @Test(
        "loses nothing, reorders nothing and does not stall, copied or spliced",
        arguments: [(10, 1), (5000, 7), (8_000_000, 100_000), (8_000_000, 999_999)])
    func inOrder(count: Int, chunk: Int) throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        let bytes = pattern(count)
        let up = try Later { try far.receiveAll() }
        let sentUp = try Later { try self.send(bytes, chunk: chunk, by: downstream) }
        let down = try Later { try downstream.receiveAll() }
        try self.send(bytes, chunk: chunk, by: far)
        try sentUp.value()
        #expect(try up.value() == bytes)
        #expect(try down.value() == bytes)
    }

    @Test("is not what a following byte has to wait for")
    func noStall() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(upstreams: [upstream.address])
        defer { setup.end() }
        let downstream = try Wire(connectedTo: setup.address)
        let far = try upstream.accept()
        for round in 0..<200 {
            try downstream.send("before")
            #expect(Glibc.send(downstream.descriptor, [UInt8(33)], 1, Int32(MSG_OOB)) == 1)
            try downstream.send("after")
            let got = try far.receive(exactly: 12)
            #expect(got == Array("before!after".utf8), "round \(round)")
        }
    }

    @Test("arrives whole where the first bytes are read before they are routed")
    func whilePeeking() throws {
        let upstream = try Upstream()
        let setup = try RawSetup(
            upstreams: [upstream.address], listenerProtocols: PeekTests.all)
        defer { setup.end() }
        let hello = clientHello(serverName: "echo.acme.example.com")
        let downstream = try Wire(connectedTo: setup.address)
        let sent = try Later { try self.send(hello, chunk: 5, by: downstream) }
        let far = try upstream.accept()
        #expect(try far.receiveAll() == hello)
        try sent.value()
    }
}
