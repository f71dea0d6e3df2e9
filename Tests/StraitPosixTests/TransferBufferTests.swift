// Bytes in and out of sockets, and every way that a connection ends.

import Glibc
import StraitCore
import StraitPosix
import Testing

@Suite("TransferBuffer and the ends of a connection", .timeLimit(.minutes(3)))
struct TransferBufferTests {
    private static let families = [loopback4, loopback6]

    @Test("bytes go over as they are, in both directions", arguments: Self.families)
    func echo(address: SocketAddress) throws {
        let pair = try SocketPair(over: address)
        var buffer = TransferBuffer(count: 4096)
        let bytes = (0..<1000).map { UInt8($0 & 255) }
        for (from, to) in [
            (pair.near.number, pair.far.number), (pair.far.number, pair.near.number),
        ] {
            #expect(buffer.receive(to) == .wouldBlock)
            #expect(sent(from, bytes) == .bytes(1000))
            #expect(try receiveWaiting(to, &buffer) == .bytes(1000))
            #expect(buffer.copy(0..<1000) == bytes)
            #expect(buffer.send(to, 10..<20, more: false) == .bytes(10))
            #expect(try receiveWaiting(from, &buffer) == .bytes(10))
            #expect(buffer.copy(0..<10) == Array(bytes[10..<20]))
        }
    }

    @Test("bytes that more follow go with them")
    func more() throws {
        let pair = try SocketPair()
        var buffer = TransferBuffer(count: 64)
        #expect(sent(pair.near.number, [1, 2], more: true) == .bytes(2))
        #expect(sent(pair.near.number, [3]) == .bytes(1))
        #expect(try receiveWaiting(pair.far.number, &buffer) == .bytes(3))
        #expect(buffer.copy(0..<3) == [1, 2, 3])
    }

    @Test("receiving goes on behind what is there, and stays inside the buffer")
    func offset() throws {
        let pair = try SocketPair()
        var buffer = TransferBuffer(count: 8)
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        _ = sent(pair.near.number, bytes)
        try waitUntilReadable(pair.far.number)
        #expect(buffer.receive(pair.far.number, offset: 5) == .bytes(3))
        #expect(buffer.copy(0..<8) == [0, 0, 0, 0, 0, 1, 2, 3])
        #expect(buffer.receive(pair.far.number, offset: 0) == .bytes(5))
        #expect(buffer.copy(0..<8) == [4, 5, 6, 7, 8, 1, 2, 3])
    }

    @Test("single bytes and spans see and change the same memory")
    func memory() {
        var buffer = TransferBuffer(count: 4)
        #expect(buffer.count == 4)
        buffer[3] = 9
        #expect(buffer[3] == 9)
        var bytes = buffer.mutableSpan
        bytes[0] = 7
        #expect(buffer.copy(0..<4) == [7, 0, 0, 9])
        let span = buffer.span(2..<4)
        #expect(span.count == 2)
        let last = span[1]
        #expect(last == 9)
    }

    @Test("a full receiver blocks, and nothing is lost")
    func full() throws {
        let pair = try SocketPair()
        var buffer = TransferBuffer(count: 65_536)
        for index in 0..<buffer.count { buffer[index] = UInt8(truncatingIfNeeded: index) }
        var sent = 0
        var outcome = TransferOutcome.bytes(0)
        while case .bytes(let count) = outcome {
            sent += count
            outcome = buffer.send(pair.near.number, 0..<65_536, more: false)
        }
        #expect(outcome == .wouldBlock)
        #expect(Sockets.unacknowledgedBytes(pair.near.number) > 0)
        Sockets.shutdownWrite(pair.near.number)
        var received = 0
        while true {
            outcome = try receiveWaiting(pair.far.number, &buffer)
            guard case .bytes(let count) = outcome else {
                #expect(outcome == .end)
                break
            }
            received += count
        }
        #expect(received == sent)
    }

    @Test(
        "a FIN is an end, said again as often as it is asked, and the other way still goes",
        arguments: Self.families)
    func halfClose(address: SocketAddress) throws {
        let pair = try SocketPair(over: address)
        var buffer = TransferBuffer(count: 16)
        _ = sent(pair.near.number, [1])
        Sockets.shutdownWrite(pair.near.number)
        #expect(try receiveWaiting(pair.far.number, &buffer) == .bytes(1))
        #expect(try receiveWaiting(pair.far.number, &buffer) == .end)
        #expect(buffer.receive(pair.far.number) == .end)
        #expect(sent(pair.far.number, [2, 3]) == .bytes(2))
        #expect(try receiveWaiting(pair.near.number, &buffer) == .bytes(2))
        #expect(sent(pair.near.number, [4]) == .broken(EPIPE))
    }

    @Test("an abortive close is a reset, not an end", arguments: Self.families)
    func reset(address: SocketAddress) throws {
        var pair = try SocketPair(over: address)
        var buffer = TransferBuffer(count: 16)
        Sockets.setAbortiveClose(pair.near.number)
        pair.near.close()
        #expect(try receiveWaiting(pair.far.number, &buffer) == .broken(ECONNRESET))
        #expect(sent(pair.far.number, [1]) == .broken(EPIPE))
    }

    @Test("an ordinary close with bytes unread is a reset too, and one without is an end")
    func close() throws {
        var buffer = TransferBuffer(count: 16)
        var pair = try SocketPair()
        pair.near.close()
        #expect(try receiveWaiting(pair.far.number, &buffer) == .end)
        var other = try SocketPair()
        _ = sent(other.far.number, [1])
        try waitUntilReadable(other.near.number)
        other.near.close()
        #expect(try receiveWaiting(other.far.number, &buffer) == .broken(ECONNRESET))
    }

    @Test("nothing to send is nothing sent")
    func empty() throws {
        let pair = try SocketPair()
        let buffer = TransferBuffer(count: 16)
        #expect(sent(pair.near.number, []) == .wouldBlock)
        #expect(buffer.send(pair.near.number, 3..<3, more: false) == .wouldBlock)
    }

    @Test("what is not open is broken")
    func notOpen() {
        var buffer = TransferBuffer(count: 16)
        #expect(buffer.receive(-1) == .broken(EBADF))
        #expect(buffer.send(-1, 0..<1, more: false) == .broken(EBADF))
        #expect(sent(-1, [1]) == .broken(EBADF))
    }

    @Test("reaching beyond the buffer stops the process")
    func beyond() async {
        await #expect(processExitsWith: .failure) { _ = TransferBuffer(count: 4)[4] }
        await #expect(processExitsWith: .failure) { _ = TransferBuffer(count: 4)[-1] }
        await #expect(processExitsWith: .failure) { _ = TransferBuffer(count: 4).copy(0..<5) }
        await #expect(processExitsWith: .failure) { _ = TransferBuffer(count: 4).span(2..<5).count }
        await #expect(processExitsWith: .failure) {
            _ = TransferBuffer(count: 4).send(1, -1..<2, more: false)
        }
        await #expect(processExitsWith: .failure) {
            var buffer = TransferBuffer(count: 4)
            _ = buffer.receive(0, offset: 4)
        }
        await #expect(processExitsWith: .failure) {
            var buffer = TransferBuffer(count: 4)
            buffer[4] = 1
        }
    }
}
