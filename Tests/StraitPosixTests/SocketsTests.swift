// Sockets over loopback: addresses, options, refusals.

import Glibc
import StraitCore
import StraitPosix
import Testing

@Suite("Sockets, over loopback", .timeLimit(.minutes(3))) struct SocketsTests {
    @Test("each end sees the other's address", arguments: [loopback4, loopback6])
    func addresses(listening: SocketAddress) throws {
        let listener = OwnedDescriptor(owning: try listen(on: listening))
        let bound = try #require(Sockets.localAddress(listener.number))
        #expect(bound.address == listening.address)
        #expect(bound.port != 0)
        let (number, _) = try Sockets.connect(to: bound)
        let near = OwnedDescriptor(owning: number)
        let (farNumber, peer) = try accepted(listener.number)
        let far = OwnedDescriptor(owning: farNumber)
        #expect(peer == Sockets.localAddress(near.number))
        #expect(Sockets.localAddress(far.number) == bound)
        #expect(Sockets.pendingError(near.number) == nil)
    }

    @Test("a listener on :: takes IPv4 too, and knows its addresses as IPv4")
    func dualStack() throws {
        let any = SocketAddress.ip(IPAddress(high: 0, low: 0), port: 0)
        let listener = OwnedDescriptor(owning: try listen(on: any))
        let bound = try #require(Sockets.localAddress(listener.number))
        for loopback in [IPAddress(v4: 127, 0, 0, 1), IPAddress(high: 0, low: 1)] {
            let dialled = SocketAddress.ip(loopback, port: bound.port)
            let near = OwnedDescriptor(owning: try Sockets.connect(to: dialled).descriptor)
            let (farNumber, peer) = try accepted(listener.number)
            let far = OwnedDescriptor(owning: farNumber)
            #expect(peer?.address == loopback)
            #expect(peer == Sockets.localAddress(near.number))
            #expect(Sockets.localAddress(far.number) == dialled)
        }
    }

    /// A listener on `address`, which may overlap with those of `besides`.
    private func listener(
        on address: SocketAddress, besides: [Int32]
    ) throws(PosixError) -> OwnedDescriptor {
        OwnedDescriptor(
            owning: try Sockets.listen(
                on: address, options: ListenerOptions(backlog: 8), besides: besides))
    }

    @Test(
        "a listener that is about to go shares its port with its successor, and with nobody else",
        arguments: [
            (IPAddress(high: 0, low: 0), IPAddress(v4: 0)),
            (IPAddress(v4: 0), IPAddress(high: 0, low: 0)),
            (IPAddress(v4: 0), IPAddress(v4: 127, 0, 0, 1)),
        ])
    func successor(old: IPAddress, new: IPAddress) throws {
        let first = try self.listener(on: .ip(old, port: 0), besides: [])
        let port = try #require(Sockets.localAddress(first.number)).port
        let address = SocketAddress.ip(new, port: port)
        #expect(throws: PosixError(call: "bind", number: EADDRINUSE)) {
            _ = try self.listener(on: address, besides: [])
        }
        var second = try self.listener(on: address, besides: [first.number])
        for taken in [old, new] {
            #expect(throws: PosixError(call: "bind", number: EADDRINUSE)) {
                _ = try self.listener(on: .ip(taken, port: port), besides: [])
            }
        }
        // Both listen: whoever comes now finds one of them.
        let dialled = SocketAddress.ip(IPAddress(v4: 127, 0, 0, 1), port: port)
        let near = OwnedDescriptor(owning: try Sockets.connect(to: dialled).descriptor)
        var waiting = [
            pollfd(fd: first.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: second.number, events: Int16(POLLIN), revents: 0),
        ]
        #expect(poll(&waiting, 2, 10_000) == 1)
        withExtendedLifetime(near.number) {}
        second.close()
    }

    @Test("a listener on ::1 leaves the port of IPv4 alone")
    func onlyIPv6() throws {
        let listener = OwnedDescriptor(owning: try listen(on: loopback6))
        #expect(option(listener.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY) == 1)
    }

    @Test("a UNIX socket goes by its path, and its peer has no name")
    func unix() throws {
        let folder = try TemporaryFolder()
        let address = SocketAddress.unix(path: "\(folder.path)/a.sock")
        let listener = OwnedDescriptor(owning: try listen(on: address))
        #expect(Sockets.localAddress(listener.number) == address)
        let (number, start) = try Sockets.connect(to: address)
        let near = OwnedDescriptor(owning: number)
        guard case .connected = start else {
            Issue.record("a UNIX connect is over at once")
            return
        }
        let (farNumber, peer) = try accepted(listener.number)
        let far = OwnedDescriptor(owning: farNumber)
        #expect(peer == .unix(path: ""))
        #expect(Sockets.localAddress(far.number) == address)
        #expect(Sockets.localAddress(near.number) == .unix(path: ""))
    }

    @Test(
        "a path that the kernel would cut off, or take for another kind of name, is refused",
        arguments: [
            "/" + String(repeating: "x", count: 107), "/a\0b", "",
        ])
    func badPath(path: String) throws {
        #expect(throws: PosixError.self) { try listen(on: .unix(path: path)) }
        #expect(throws: PosixError.self) { try Sockets.connect(to: .unix(path: path)).descriptor }
    }

    @Test("the longest path is taken whole")
    func longestPath() throws {
        let folder = try TemporaryFolder()
        let name = String(repeating: "x", count: 107 - folder.path.utf8.count - 1)
        let address = SocketAddress.unix(path: "\(folder.path)/\(name)")
        let listener = OwnedDescriptor(owning: try listen(on: address))
        defer { unlink("\(folder.path)/\(name)") }
        #expect(Sockets.localAddress(listener.number) == address)
        let near = OwnedDescriptor(owning: try Sockets.connect(to: address).descriptor)
        #expect(near.isOpen == true)
    }

    @Test("accepting where nobody waits says so")
    func nobody() throws {
        let listener = OwnedDescriptor(owning: try listen(on: loopback4))
        guard case .nobody = Sockets.accept(listener.number) else {
            Issue.record("accepted nobody")
            return
        }
    }

    @Test("accepting without descriptors left says so, and what waits is not lost")
    func exhausted() async {
        await #expect(processExitsWith: .success) {
            let listener = OwnedDescriptor(owning: try listen(on: loopback4))
            let bound = try #require(Sockets.localAddress(listener.number))
            let near = OwnedDescriptor(owning: try Sockets.connect(to: bound).descriptor)
            try waitUntilReadable(listener.number)
            var limit = rlimit(rlim_cur: 0, rlim_max: 0)
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var none = limit
            none.rlim_cur = 3
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
            guard case .exhausted = Sockets.accept(listener.number) else {
                preconditionFailure("accepted beyond the limit")
            }
            precondition(Sockets.descriptorLimit() == 3)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            guard case .accepted(let number, _) = Sockets.accept(listener.number) else {
                preconditionFailure("what waited is lost")
            }
            let far = OwnedDescriptor(owning: number)
            precondition(far.isOpen && near.isOpen)
        }
    }

    @Test("sockets do not block, and are closed on exec")
    func flags() throws {
        let pair = try SocketPair()
        for number in [pair.near.number, pair.far.number] {
            #expect(fcntl(number, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
            #expect(option(number, Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
        }
    }

    @Test("accepted sockets have the keepalive and time-out of their listener")
    func inherited() throws {
        let listener = OwnedDescriptor(
            owning: try Sockets.listen(
                on: loopback4,
                options: ListenerOptions(
                    backlog: 4, keepaliveIdleMilliseconds: 31_000, userTimeoutMilliseconds: 61_500))
        )
        let bound = try #require(Sockets.localAddress(listener.number))
        let near = OwnedDescriptor(owning: try Sockets.connect(to: bound).descriptor)
        let (number, _) = try accepted(listener.number)
        let far = OwnedDescriptor(owning: number)
        #expect(option(far.number, SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(far.number, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 31)
        #expect(option(far.number, Int32(IPPROTO_TCP), TCP_KEEPINTVL) == 10)
        #expect(option(far.number, Int32(IPPROTO_TCP), TCP_KEEPCNT) == 3)
        #expect(option(far.number, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 61_500)
        #expect(option(near.number, SOL_SOCKET, SO_KEEPALIVE) == 0, "0 leaves the kernel's")
        Sockets.setKeepalive(near.number, idleMilliseconds: 1, userTimeoutMilliseconds: 0)
        #expect(option(near.number, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 1)
        #expect(option(near.number, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 0)
    }

    @Test("nobody listens: the connect is refused, at once or when it is asked")
    func refused() throws {
        // tcpmux: a port that was free a moment ago may be another test's by now.
        let closed = SocketAddress.ip(IPAddress(v4: 127, 0, 0, 1), port: 1)
        do throws(PosixError) {
            let near = OwnedDescriptor(owning: try Sockets.connect(to: closed).descriptor)
            let poller = try Poller(eventsMax: 1)
            try poller.add(near.number, token: 0, writable: true)
            #expect(poller.wait(milliseconds: 10_000) == 1)
            #expect(
                Sockets.pendingError(near.number)
                    == PosixError(call: "connect", number: ECONNREFUSED))
            #expect(Sockets.pendingError(near.number) == nil, "told once")
        } catch {
            #expect(error == PosixError(call: "connect", number: ECONNREFUSED))
        }
    }

    @Test("an address that is taken, and a folder that is not there, are errors that name the call")
    func cannotListen() throws {
        let listener = OwnedDescriptor(owning: try listen(on: loopback4))
        let bound = try #require(Sockets.localAddress(listener.number))
        #expect(throws: PosixError(call: "bind", number: EADDRINUSE)) { try listen(on: bound) }
        #expect(throws: PosixError(call: "bind", number: ENOENT)) {
            try listen(on: .unix(path: "/nonexistent/a.sock"))
        }
        #expect(throws: PosixError(call: "connect", number: ENOENT)) {
            try Sockets.connect(to: .unix(path: "/nonexistent/a.sock")).descriptor
        }
    }

    @Test("what is no socket has no address and no end of a connect")
    func noSocket() throws {
        #expect(Sockets.localAddress(-1) == nil)
        #expect(Sockets.pendingError(-1) == PosixError(call: "getsockopt", number: EBADF))
        #expect(Sockets.unacknowledgedBytes(-1) == 0)
    }
}
