// Datagrams to a service manager, and what descriptors are that came from one.

import Glibc
import StraitCore
import StraitPosix
import Testing

/// A datagram socket as a service manager has one.
private struct NoticeReceiver: ~Copyable {
    let socket: OwnedDescriptor

    /// Bound to a name as NOTIFY_SOCKET has it.
    init(_ name: String) throws {
        self.socket = OwnedDescriptor(
            owning: Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0))
        var form = sockaddr_un()
        form.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8)
        withUnsafeMutableBytes(of: &form.sun_path) { room in
            room.copyBytes(from: bytes)
            if name.hasPrefix("@") { room[0] = 0 }
        }
        let length = socklen_t(
            MemoryLayout<sa_family_t>.size + bytes.count + (name.hasPrefix("@") ? 0 : 1))
        let number = self.socket.number
        let status = withUnsafePointer(to: form) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(number, $0, length) }
        }
        guard status == 0 else { throw PosixError(call: "bind", number: errno) }
    }

    /// The next datagram, waited for.
    func next() throws -> [UInt8] {
        try waitUntilReadable(self.socket.number)
        var room = [UInt8](repeating: 0, count: 1024)
        let count = recv(self.socket.number, &room, room.count, 0)
        return Array(room.prefix(max(count, 0)))
    }
}

@Suite("NoticeSocket", .timeLimit(.minutes(3))) struct NoticeSocketTests {
    @Test("a datagram arrives whole at a path")
    func path() throws {
        let folder = try TemporaryFolder()
        let receiver = try NoticeReceiver("\(folder.path)/a.sock")
        try NoticeSocket.send(Array("READY=1".utf8), to: "\(folder.path)/a.sock")
        #expect(try receiver.next() == Array("READY=1".utf8))
    }

    @Test("a datagram arrives at an abstract name, also at the longest one")
    func abstract() throws {
        let short = "@strait-test-\(getpid())"
        for name in [short, short.padding(to: 108)] {
            let receiver = try NoticeReceiver(name)
            try NoticeSocket.send([1, 2, 3], to: name)
            #expect(try receiver.next() == [1, 2, 3])
        }
    }

    @Test(
        "what cannot be a name is none",
        arguments: ["", "@", "/", "a/b", "vsock:2:1", "/a\0b", "unix:/a", "@a\0"])
    func noName(text: String) {
        #expect(!NoticeSocket.isName(text))
        #expect(throws: PosixError.self) { try NoticeSocket.send([1], to: text) }
    }

    @Test("a name is as long as the kernel has room for")
    func length() {
        #expect(NoticeSocket.isName("/".padding(to: 107)))
        #expect(!NoticeSocket.isName("/".padding(to: 108)))
        #expect(NoticeSocket.isName("@".padding(to: 108)))
        #expect(!NoticeSocket.isName("@".padding(to: 109)))
    }

    @Test("nobody there is an error, and no descriptor is left behind")
    func nobody() throws {
        let folder = try TemporaryFolder()
        #expect(throws: PosixError.self) {
            try NoticeSocket.send([1], to: "\(folder.path)/a.sock")
        }
    }
}

extension String {
    fileprivate func padding(to count: Int) -> String {
        self + String(repeating: "x", count: count - self.utf8.count)
    }
}

@Suite("PassedDescriptor") struct PassedDescriptorTests {
    @Test("a listening TCP socket is told with its address", arguments: [loopback4, loopback6])
    func listener(address: SocketAddress) throws {
        let socket = OwnedDescriptor(owning: try listen(on: address))
        let bound = try #require(Sockets.localAddress(socket.number))
        #expect(PassedDescriptor(socket.number) == .listener(bound, leavesIPv4Out: false))
    }

    @Test("a wildcard that takes no IPv4 is told", arguments: [true, false])
    func onlyIPv6(isOnly: Bool) throws {
        let socket = OwnedDescriptor(
            owning: Glibc.socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0))
        var value: Int32 = isOnly ? 1 : 0
        setsockopt(socket.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &value, 4)
        try #require(Glibc.listen(socket.number, 1) == 0)  // binds it to [::] and a free port
        guard case .listener(let address, let leavesIPv4Out) = PassedDescriptor(socket.number)
        else {
            Issue.record("it listens")
            return
        }
        #expect(address.port != 0 && leavesIPv4Out == isOnly)
    }

    @Test("anything else is told for what it is")
    func others() throws {
        let folder = try TemporaryFolder()
        let unix = OwnedDescriptor(owning: try listen(on: .unix(path: "\(folder.path)/a.sock")))
        #expect(PassedDescriptor(unix.number) == .other("a UNIX socket"))
        let datagram = OwnedDescriptor(
            owning: Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        #expect(PassedDescriptor(datagram.number) == .other("a datagram socket"))
        let idle = OwnedDescriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        #expect(PassedDescriptor(idle.number) == .other("a TCP socket that does not listen"))
        let pair = try SocketPair()
        #expect(PassedDescriptor(pair.near.number) == .other("a TCP socket that does not listen"))
        let file = OwnedDescriptor(owning: open("/dev/null", O_RDONLY))
        #expect(PassedDescriptor(file.number) == .other("no socket"))
        #expect(PassedDescriptor(1 << 20) == .other("not open"))
    }

    @Test("closed on exec is set, and what is not open cannot be")
    func closeOnExec() throws {
        let file = OwnedDescriptor(owning: open("/dev/null", O_RDONLY))
        #expect(fcntl(file.number, F_GETFD) & FD_CLOEXEC == 0)
        try PassedDescriptor.closeOnExec(file.number)
        #expect(fcntl(file.number, F_GETFD) & FD_CLOEXEC != 0)
        #expect(throws: PosixError.self) { try PassedDescriptor.closeOnExec(1 << 20) }
    }
}
