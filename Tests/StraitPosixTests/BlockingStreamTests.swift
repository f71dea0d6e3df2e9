// Streams that wait for their peer, joined streams, and outputs of lines.

import Glibc
import StraitCore
import StraitPosix
import Testing

/// Both ends of a pipe, closed with the value.
private struct BytePipe: ~Copyable {
    var reading: OwnedDescriptor
    var writing: OwnedDescriptor

    init() {
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        self.reading = OwnedDescriptor(owning: ends[0])
        self.writing = OwnedDescriptor(owning: ends[1])
    }
}

@Suite("BlockingStream", .timeLimit(.minutes(3))) struct BlockingStreamTests {
    @Test("sends all and receives what has come, until the end", arguments: [loopback4, loopback6])
    func exchange(listening: SocketAddress) throws {
        let listener = OwnedDescriptor(owning: try listen(on: listening))
        let bound = try #require(Sockets.localAddress(listener.number))
        let stream = try BlockingStream(connectingTo: bound, timeoutMilliseconds: 10_000)
        let far = OwnedDescriptor(owning: try accepted(listener.number).0)
        let question = Array(repeating: UInt8(5), count: 3_000_000)
        let reader = try Thread.spawn(name: "far end") { [number = far.number] in
            var buffer = TransferBuffer(count: 65_536)
            var count = 0
            while count < 3_000_000 {
                // Whatever fails here, the answer is missing below.
                guard case .bytes(let more)? = try? receiveWaiting(number, &buffer) else {
                    return
                }
                count += more
            }
            _ = sent(number, [1, 2, 3, 4])
            Sockets.shutdownWrite(number)
        }
        try stream.send(question)
        reader.join()
        #expect(try stream.receive(bytesMax: 3) == [1, 2, 3])
        #expect(try stream.receive(bytesMax: 3) == [4])
        #expect(try stream.receive(bytesMax: 3) == [])
    }

    @Test("a peer that says nothing is waited for no longer than asked")
    func timeout() throws {
        let listener = OwnedDescriptor(owning: try listen(on: loopback4))
        let bound = try #require(Sockets.localAddress(listener.number))
        let stream = try BlockingStream(connectingTo: bound, timeoutMilliseconds: 1)
        #expect(throws: PosixError(call: "poll", number: ETIMEDOUT)) {
            try stream.receive(bytesMax: 10)
        }
        #expect(throws: PosixError(call: "poll", number: ETIMEDOUT)) {
            while true { try stream.send(Array(repeating: 0, count: 1_000_000)) }
        }
    }

    @Test("nobody listens: the error names connect, and no descriptor is left")
    func refused() throws {
        let port = try {
            let listener = OwnedDescriptor(owning: try listen(on: loopback4))
            return try #require(Sockets.localAddress(listener.number)).port
        }()
        #expect(throws: PosixError(call: "connect", number: ECONNREFUSED)) {
            let stream = try BlockingStream(
                connectingTo: .ip(IPAddress(v4: 127, 0, 0, 1), port: port),
                timeoutMilliseconds: 10_000)
            _ = stream.descriptor
        }
    }

    @Test("a reset peer is an error")
    func reset() throws {
        let listener = OwnedDescriptor(owning: try listen(on: loopback4))
        let bound = try #require(Sockets.localAddress(listener.number))
        let stream = try BlockingStream(connectingTo: bound, timeoutMilliseconds: 10_000)
        let (far, _) = try accepted(listener.number)
        Sockets.setAbortiveClose(far)
        Sockets.close(far)
        #expect(throws: PosixError(call: "read", number: ECONNRESET)) {
            try stream.receive(bytesMax: 10)
        }
    }
}

@Suite("joinStreams", .timeLimit(.minutes(3))) struct JoinStreamsTests {
    /// Joins the numbers of an input, an output and a stream, which must end well.
    private func joining(_ numbers: (Int32, Int32, Int32)) throws -> StraitPosix.Thread {
        try Thread.spawn(name: "joining") {
            do {
                #expect(
                    try joinStreams(input: numbers.0, output: numbers.1, stream: numbers.2))
            } catch {
                Issue.record("\(error)")
            }
        }
    }

    @Test("bytes go both ways, and the input's end leaves the answer its way")
    func halfClose() throws {
        var input = BytePipe()
        var output = BytePipe()
        let stream = try SocketPair()
        let numbers = (input.reading.number, output.writing.release(), stream.near.number)
        let joining = try self.joining(numbers)
        _ = write(input.writing.number, [1, 2, 3] as [UInt8], 3)
        var buffer = TransferBuffer(count: 16)
        #expect(try receiveWaiting(stream.far.number, &buffer) == .bytes(3))
        input.writing.close()
        #expect(try receiveWaiting(stream.far.number, &buffer) == .end)
        #expect(sent(stream.far.number, [9, 8]) == .bytes(2))
        Sockets.shutdownWrite(stream.far.number)
        #expect(readAll(output.reading.number) == [9, 8])
        joining.join()
    }

    @Test("a stream that is reset ends both directions, while the input says nothing")
    func reset() throws {
        let input = BytePipe()
        var output = BytePipe()
        var stream = try SocketPair()
        let numbers = (input.reading.number, output.writing.release(), stream.near.number)
        let joining = try self.joining(numbers)
        _ = sent(stream.far.number, [7])
        var first: UInt8 = 0
        #expect(read(output.reading.number, &first, 1) == 1)
        Sockets.setAbortiveClose(stream.far.number)
        stream.far.close()
        #expect(readAll(output.reading.number) == [])
        joining.join()
        #expect(isOpen(input.writing.number))
    }

    @Test("a stream that ends before its first byte leaves the output open, to say why")
    func silence() throws {
        let input = BytePipe()
        let output = BytePipe()
        let stream = try SocketPair()
        Sockets.shutdownWrite(stream.far.number)
        let hasBytes = try joinStreams(
            input: input.reading.number, output: output.writing.number, stream: stream.near.number)
        #expect(!hasBytes)
        #expect(isOpen(output.writing.number))
        #expect(isOpen(input.writing.number))
    }
}

@Suite("LineOutput") struct LineOutputTests {
    @Test("lines are appended, and go to the new file once it was opened anew")
    func reopen() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/lines.log"
        var output = try LineOutput(.file(path: path))
        try output.write(Array("one\n".utf8))
        let other = try LineOutput(.file(path: path))
        try other.write(Array("two\n".utf8))
        rename(path, "\(folder.path)/rotated.log")
        try output.write(Array("three\n".utf8))
        try output.reopen()
        try output.write(Array("four\n".utf8))
        #expect(try contents("\(folder.path)/rotated.log") == "one\ntwo\nthree\n")
        #expect(try contents(path) == "four\n")
    }

    @Test("where the file cannot be opened anew, the old one stays")
    func reopenFails() throws {
        let folder = try TemporaryFolder()
        var output = try LineOutput(.file(path: "\(folder.path)/lines.log"))
        unlink("\(folder.path)/lines.log")
        mkdir("\(folder.path)/lines.log", 0o700)
        defer { rmdir("\(folder.path)/lines.log") }
        #expect(throws: PosixError(call: "open", number: EISDIR)) { try output.reopen() }
        try output.write(Array("kept\n".utf8))
    }

    @Test("a standard stream outlives its output")
    func standard() throws {
        do {
            var output = try LineOutput(.standardError)
            try output.write([])
            try output.reopen()
        }
        #expect(isOpen(STDERR_FILENO))
    }

    private func contents(_ path: String) throws -> String {
        let file = OwnedDescriptor(owning: open(path, O_RDONLY | O_CLOEXEC))
        try #require(file.isOpen == true)
        return String(decoding: readAll(file.number), as: UTF8.self)
    }
}
