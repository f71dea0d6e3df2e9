// Messages between processes, with descriptors; and the processes.

import Foundation
import Glibc
import StraitPosix
import Testing

@Suite("MessageSocket", .timeLimit(.minutes(3))) struct MessageSocketTests {
    @Test("messages stay whole, in their order, up to the largest")
    func whole() throws {
        let (near, far) = try MessageSocket.pair()
        let large = [UInt8](repeating: 7, count: MessageSocket.bytesMax)
        for bytes in [[1], [2, 3], large] {
            try near.send(bytes)
            let message = try #require(try far.receive())
            #expect(message.bytes == bytes && message.descriptors.isEmpty)
        }
    }

    @Test("a descriptor that goes along is open at the other end, and closed on exec")
    func descriptors() throws {
        let (near, far) = try MessageSocket.pair()
        let listener = try listen(on: loopback4)
        defer { Sockets.close(listener) }
        try near.send([1], descriptors: [listener, listener])
        let received = try #require(try far.receive()).descriptors
        #expect(received.count == 2)
        for number in received {
            #expect(number != listener && Sockets.isListening(number))
            #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
            #expect(Sockets.localAddress(number) == Sockets.localAddress(listener))
            Sockets.close(number)
        }
        #expect(Sockets.isListening(listener))
    }

    @Test("as many descriptors as there may be go along; one more is refused")
    func most() throws {
        let (near, far) = try MessageSocket.pair()
        let many = Array(repeating: near.number, count: MessageSocket.descriptorsMax)
        try near.send([1], descriptors: many)
        let received = try #require(try far.receive()).descriptors
        #expect(received.count == many.count)
        for number in received { Sockets.close(number) }
        #expect(throws: PosixError.self) { try near.send([1], descriptors: many + [near.number]) }
    }

    @Test("an empty message and one that is too long are refused")
    func bounds() throws {
        let (near, far) = try MessageSocket.pair()
        #expect(throws: PosixError.self) { try near.send([]) }
        let long = [UInt8](repeating: 0, count: MessageSocket.bytesMax + 1)
        #expect(throws: PosixError.self) { try near.send(long) }
        withExtendedLifetime(far) {}
    }

    @Test("the other end's end is told to who receives and to who sends")
    func end() throws {
        let (near, far) = try MessageSocket.pair()
        far.shutdown()
        #expect(try near.receive() == nil)
        #expect(throws: PosixError.self) { try near.send([1]) }
    }

    @Test("a descriptor of another kind is no listening socket")
    func notListening() throws {
        let pair = try SocketPair()
        #expect(!Sockets.isListening(pair.near.number))
        #expect(!Sockets.isListening(-1))
    }
}

@Suite("SiblingProcess", .timeLimit(.minutes(3))) struct SiblingProcessTests {
    /// Runs a shell script with one end of a pair at descriptor 3.
    private func run(
        _ script: String, _ environment: [String] = []
    ) throws -> (
        SiblingProcess, MessageSocket
    ) {
        let (ours, theirs) = try MessageSocket.pair()
        let process = try withExtendedLifetime(theirs) {
            try SiblingProcess.spawn(
                program: "/bin/bash", arguments: ["-c", script], environment: environment,
                inherited: theirs.number)
        }
        return (process, ours)
    }

    private func text(_ socket: MessageSocket) throws -> String? {
        try socket.receive().map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test("it finds what it inherits at descriptor 3, and no other descriptor of ours")
    func inherits() throws {
        let leaked = try listen(on: loopback4)
        defer { Sockets.close(leaked) }
        _ = fcntl(leaked, F_SETFD, 0)  // as a library may have left it
        let (_, ours) = try self.run(
            "echo -n \"$MARK\" >&3; for d in /proc/$$/fd/*; do n=${d##*/}; "
                + "[ $n -gt 3 ] && [ $n -ne 255 ] && [ -e $d ] && echo -n more >&3; done",
            ["MARK=here", "PATH=/bin"])
        #expect(try self.text(ours) == "here")
        #expect(try self.text(ours) == nil)
    }

    @Test("its parent is ours, and signals that we ignore reach it")
    func sibling() throws {
        let (process, ours) = try self.run(
            "trap 'echo -n piped >&3' PIPE; echo -n $PPID >&3; kill -PIPE $$; :")
        #expect(try self.text(ours) == "\(getppid())")
        #expect(try self.text(ours) == "piped")
        #expect(process.identifier != getpid())
    }

    @Test("it is ended, whatever it does about it")
    func ends() throws {
        let (process, ours) = try self.run("trap '' TERM; echo -n up >&3; read -r <&3")
        #expect(try self.text(ours) == "up")
        process.end()
        #expect(try self.text(ours) == nil)
    }

    @Test("a program that is not there, or is none, is told", arguments: ["/no/such", "/etc"])
    func missing(path: String) throws {
        let (_, theirs) = try MessageSocket.pair()
        #expect(throws: PosixError.self) {
            try SiblingProcess.spawn(
                program: path, arguments: [], environment: [], inherited: theirs.number)
        }
    }
}
