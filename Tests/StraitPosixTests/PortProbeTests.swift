// Who has a port of this host, and who only seems to.

import Glibc
import StraitCore
import StraitPosix
import Testing

@Suite("PortProbe", .timeLimit(.minutes(3))) struct PortProbeTests {
    static let any4 = IPAddress(v4: 0)
    static let any6 = IPAddress(high: 0, low: 0)
    static let one4 = IPAddress(v4: 127, 0, 0, 1)
    static let other4 = IPAddress(v4: 127, 0, 0, 2)
    static let one6 = IPAddress(high: 0, low: 1)

    @Test(
        "a listener is in the way of its own address and of those that hold it, by whom it says",
        arguments: [
            (20_000, one4, [one4, any4, any6], [other4, one6]),
            (23_000, any4, [one4, any4, any6, other4], [one6]),
            (26_000, any6, [one4, any4, any6, one6], []),
            (29_000, one6, [one6, any6], [one4, any4]),
        ] as [(UInt16, IPAddress, [IPAddress], [IPAddress])])
    func listeners(
        ports: UInt16, address: IPAddress, inTheWay: [IPAddress], free: [IPAddress]
    ) throws {
        // Not among those that the kernel gives out: a test beside this one may be given the same
        // one on another address.
        let listener = try Self.listener(on: address, within: ports..<ports + 3000)
        let bound = try #require(Sockets.localAddress(listener.number))
        for wanted in inTheWay {
            #expect(
                PortProbe.obstacle(wanted, port: bound.port)
                    == .listener(bound, user: getuid()), "\(wanted)")
            #expect(PortProbe.isTaken(wanted, port: bound.port))
        }
        for wanted in free {
            #expect(PortProbe.obstacle(wanted, port: bound.port) == nil, "\(wanted)")
            #expect(!PortProbe.isTaken(wanted, port: bound.port))
        }
    }

    private static func listener(
        on address: IPAddress, within ports: Range<UInt16>
    ) throws -> OwnedDescriptor {
        for port in ports.shuffled() where !PortProbe.isTaken(Self.any6, port: port) {
            return OwnedDescriptor(owning: try listen(on: .ip(address, port: port)))
        }
        throw PosixError(call: "bind", number: EADDRINUSE)
    }

    @Test("one that would share its port is in the way, too")
    func shared() throws {
        let listener = OwnedDescriptor(owning: try listen(on: .ip(Self.one4, port: 0)))
        var yes: Int32 = 1
        setsockopt(listener.number, SOL_SOCKET, SO_REUSEPORT, &yes, 4)
        let bound = try #require(Sockets.localAddress(listener.number))
        #expect(PortProbe.obstacle(Self.one4, port: bound.port) != nil)
    }

    @Test("our own connections are not in the way, open or in TIME_WAIT")
    func connections() throws {
        var listener = OwnedDescriptor(owning: try listen(on: .ip(Self.one4, port: 0)))
        let bound = try #require(Sockets.localAddress(listener.number))
        var near = OwnedDescriptor(owning: try Sockets.connect(to: bound).descriptor)
        var far = OwnedDescriptor(owning: try accepted(listener.number).0)
        listener.close()
        #expect(PortProbe.obstacle(Self.one4, port: bound.port) == nil)
        far.close()  // first: TIME_WAIT stays on this side
        try waitUntilReadable(near.number)
        near.close()
        #expect(PortProbe.obstacle(Self.one4, port: bound.port) == nil)
        #expect(PortProbe.obstacle(Self.any6, port: bound.port) == nil)
        listener = OwnedDescriptor(owning: try listen(on: bound))
        #expect(listener.isOpen == true, "as the probe said")
    }

    @Test("a connection from a port is in the way, and is told from a listener")
    func outgoing() throws {
        let pair = try SocketPair()
        let local = try #require(Sockets.localAddress(pair.near.number))
        #expect(PortProbe.obstacle(Self.one4, port: local.port) == .socket)
        #expect(PortProbe.obstacle(Self.other4, port: local.port) == nil)
    }

    @Test("an address that is not this host's, and a port that needs a right")
    func unavailable() async {
        let elsewhere = PortProbe.obstacle(IPAddress(v4: 192, 0, 2, 1), port: 11_105)
        guard case .unavailable(let error) = elsewhere else {
            Issue.record("\(String(describing: elsewhere))")
            return
        }
        #expect(error.isAddressNotAvailable)
        await #expect(processExitsWith: .success) {
            if getuid() == 0 { precondition(setuid(65_534) == 0) }
            guard case .unavailable(let error) = PortProbe.obstacle(Self.one4, port: 1) else {
                preconditionFailure("bound port 1")
            }
            precondition(error.isPermissionDenied)
        }
    }

    @Test("the kernel's lines are read; others, and connections, are not")
    func lines() {
        let four =
            "   0: 0100007F:2B61 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000"
            + "        0 1 1"
        #expect(PortProbe.parse(four[...])?.0 == .ip(Self.one4, port: 11_105))
        #expect(PortProbe.parse(four[...])?.user == 1000)
        let six =
            "  1: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A "
            + "00000000:00000000 00:00000000 00000000     0        0 1 1"
        #expect(PortProbe.parse(six[...])?.0 == .ip(Self.one6, port: 443))
        #expect(PortProbe.parse(four.replacing(" 0A ", with: " 01 ")[...]) == nil)
        for count in 0..<four.utf8.count {
            let cut = PortProbe.parse(four.prefix(count))
            #expect(cut == nil || cut?.user == 1000, "\(count)")
        }
        for bad in ["0100007:2B61", "zz:1", "0100007F", "0100007F:12345", ":1", "0:1:2"] {
            let line = four.replacing("0100007F:2B61", with: bad)
            #expect(PortProbe.parse(line[...]) == nil, "\(bad)")
        }
    }
}
