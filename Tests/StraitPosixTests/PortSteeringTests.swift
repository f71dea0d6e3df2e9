// Ports that are steered to a listening socket by the kernel, and ports that are not.

import Glibc
import StraitCore
import StraitPosix
import Testing

/// Whether this process may have the kernel steer; where it may not, that is what is tested.
private let maySteer: Bool = {
    guard let listener = try? listen(on: loopback4) else { return false }  // said by other tests
    defer { Sockets.close(listener) }
    do throws(SteeringFailure) {
        _ = try PortSteering(address: IPAddress(v4: 127, 60, 60, 60), listeners: [listener])
        return true
    } catch {
        return false
    }
}()

/// An address of 127.0.0.0/8 that no other test dials, in no process: the program sees all of the
/// network namespace.
private func ownAddress(_ test: UInt8) -> IPAddress {
    let process = UInt32(bitPattern: getpid())
    return IPAddress(
        v4: 127, UInt8(128 + process >> 8 & 127), UInt8(truncatingIfNeeded: process), test)
}

/// What becomes of a connect: the port that the accepted socket says was dialled; nil: refused.
private func dialled(_ address: IPAddress, _ port: UInt16, _ listener: Int32) throws -> UInt16? {
    let near: OwnedDescriptor
    do throws(PosixError) {
        near = OwnedDescriptor(owning: try Sockets.connect(to: .ip(address, port: port)).descriptor)
    } catch {
        return try #require(error.isRefused ? nil : error.number).map { _ in 0 }
    }
    try waitUntilWritable(near.number)
    if let error = Sockets.pendingError(near.number) {
        try #require(error.isRefused, "\(error)")
        return nil
    }
    let far = OwnedDescriptor(owning: try accepted(listener).0)
    let local = try #require(Sockets.localAddress(far.number))
    #expect(local.address == address)
    #expect(Sockets.localAddress(near.number)?.address != nil)
    return local.port
}

@Suite(
    "PortSteering", .enabled(if: maySteer, "the capabilities for bpf(2)"), .serialized,
    .timeLimit(.minutes(3)))
struct PortSteeringTests {
    private let address: IPAddress
    private let any4 = SocketAddress.ip(IPAddress(v4: 127, 0, 0, 1), port: 0)

    init() { self.address = ownAddress(1) }

    /// A listening socket somewhere else: nobody dials its own port.
    private func listener() throws -> OwnedDescriptor {
        OwnedDescriptor(owning: try listen(on: self.any4, backlog: 64))
    }

    @Test("steered ports reach the listener, which is told the port; others are refused")
    func steered() throws {
        let listener = try self.listener()
        var steering = try PortSteering(address: self.address, listeners: [listener.number])
        #expect(try dialled(self.address, 11_105, listener.number) == nil)
        for port in [1, 443, 11_105, 40_000, 65_535] as [UInt16] { steering.open(port) }
        for port in [65_535, 11_105, 1, 40_000, 443] as [UInt16] {
            #expect(try dialled(self.address, port, listener.number) == port)
        }
        for port in [2, 442, 444, 11_104, 11_106, 65_534] as [UInt16] {
            #expect(try dialled(self.address, port, listener.number) == nil)
        }
        #expect(steering.ports().ports == [1, 443, 11_105, 40_000, 65_535])
    }

    @Test("a port that is closed is refused at once, and what is open on it goes on")
    func closed() throws {
        let listener = try self.listener()
        var steering = try PortSteering(address: self.address, listeners: [listener.number])
        steering.open(11_105)
        let at = SocketAddress.ip(self.address, port: 11_105)
        let near = OwnedDescriptor(owning: try Sockets.connect(to: at).descriptor)
        let far = OwnedDescriptor(owning: try accepted(listener.number).0)
        steering.close(11_105)
        #expect(try dialled(self.address, 11_105, listener.number) == nil)
        #expect(sent(near.number, [7]) == .bytes(1))
        try waitUntilReadable(far.number)
        steering.open(11_105)
        #expect(try dialled(self.address, 11_105, listener.number) == 11_105)
    }

    @Test("all ports at once, and then all but a few")
    func all() throws {
        let listener = try self.listener()
        var steering = try PortSteering(address: self.address, listeners: [listener.number])
        steering.refuse(9)
        steering.openOnly(PortSet(10_000...59_999))
        #expect(try dialled(self.address, 10_000, listener.number) == 10_000)
        #expect(try dialled(self.address, 59_999, listener.number) == 59_999)
        #expect(try dialled(self.address, 60_000, listener.number) == nil)
        steering.openOnly(PortSet([10_001]))
        #expect(steering.ports() == PortSet([10_001]))
        #expect(try dialled(self.address, 10_000, listener.number) == nil)
    }

    @Test("other addresses, and listeners on ports that are not steered, are left alone")
    func others() throws {
        let listener = try self.listener()
        let other = OwnedDescriptor(owning: try listen(on: .ip(self.address, port: 0)))
        let port = try #require(Sockets.localAddress(other.number)).port
        var steering = try PortSteering(address: self.address, listeners: [listener.number])
        #expect(try dialled(self.address, port, other.number) == port)
        steering.open(11_105)
        #expect(try dialled(ownAddress(2), 11_105, listener.number) == nil)
        steering.open(port)
        #expect(try dialled(self.address, port, listener.number) == port, "ours comes first")
        steering.refuse(port)
        #expect(try dialled(self.address, port, other.number) == nil)
        steering.close(port)
        #expect(try dialled(self.address, port, other.number) == port)
    }

    @Test("the listener's own port stays open, unless it is refused")
    func ownPort() throws {
        let listener = OwnedDescriptor(owning: try listen(on: .ip(self.address, port: 0)))
        let port = try #require(Sockets.localAddress(listener.number)).port
        var steering = try PortSteering(address: self.address, listeners: [listener.number])
        #expect(try dialled(self.address, port, listener.number) == port)
        steering.refuse(port)
        #expect(try dialled(self.address, port, listener.number) == nil)
        steering.open(port)
        #expect(try dialled(self.address, port, listener.number) == port)
    }

    @Test("ports go to one of several listeners, and to another one once it takes that one's place")
    func places() throws {
        let first = try self.listener()
        let second = OwnedDescriptor(
            owning: try Sockets.listen(
                on: self.any4, options: ListenerOptions(backlog: 4, defersAccept: true)))
        var steering = try PortSteering(
            address: self.address, listeners: [first.number, second.number])
        steering.open(11_105)
        steering.open(11_106, through: 1)
        #expect(try dialled(self.address, 11_105, first.number) == 11_105)
        let at = SocketAddress.ip(self.address, port: 11_106)
        let near = OwnedDescriptor(owning: try Sockets.connect(to: at).descriptor)
        try waitUntilWritable(near.number)
        guard case .nobody = Sockets.accept(second.number) else {
            Issue.record("the second listener's options do not hold")
            return
        }
        #expect(sent(near.number, [7]) == .bytes(1))
        let far = OwnedDescriptor(owning: try accepted(second.number).0)
        #expect(Sockets.localAddress(far.number)?.port == 11_106)
        try steering.replace(1, by: first.number)
        #expect(try dialled(self.address, 11_106, first.number) == 11_106)
    }

    @Test("a listener that is closed takes nothing any more; its ports are refused, not stuck")
    func listenerCloses() throws {
        var listener = try self.listener()
        let other = try self.listener()
        var steering = try PortSteering(address: self.address, listeners: [listener.number])
        steering.open(11_105)
        listener.close()
        #expect(try dialled(self.address, 11_105, other.number) == nil)
        try steering.replace(0, by: other.number)
        #expect(try dialled(self.address, 11_105, other.number) == 11_105)
    }

    @Test("of two programs the first decides, and the second once that has ended")
    func two() throws {
        let older = try self.listener()
        let newer = try self.listener()
        var first: PortSteering? = try PortSteering(
            address: self.address, listeners: [older.number])
        var second = try PortSteering(address: self.address, listeners: [newer.number])
        first?.open(11_105)
        second.open(11_105)
        second.open(11_106)
        #expect(try dialled(self.address, 11_105, older.number) == 11_105)
        #expect(try dialled(self.address, 11_106, newer.number) == 11_106)
        first = nil
        #expect(try dialled(self.address, 11_105, newer.number) == 11_105)
    }

    @Test("a successor takes all over, with the ports as they are, and without a moment between")
    func adopted() throws {
        let listener = try self.listener()
        var predecessor: PortSteering? = try PortSteering(
            address: self.address, listeners: [listener.number])
        predecessor?.open(11_105)
        let passed = (predecessor?.passed ?? []).map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
        Sockets.adoptListener(listener.number, options: ListenerOptions(backlog: 32))
        var successor = try PortSteering(adopting: passed)
        successor.open(11_106)
        #expect(predecessor?.ports() == PortSet([11_105, 11_106]), "one table for both")
        #expect(try dialled(self.address, 11_106, listener.number) == 11_106)
        predecessor = nil
        #expect(try dialled(self.address, 11_105, listener.number) == 11_105)
        successor.close(11_105)
        #expect(try dialled(self.address, 11_105, listener.number) == nil)
    }

    @Test(
        "the end detaches, and gives listeners of others back their ports")
    func ends() throws {
        let listener = try self.listener()
        let other = OwnedDescriptor(owning: try listen(on: .ip(self.address, port: 0)))
        let port = try #require(Sockets.localAddress(other.number)).port
        var numbers: [Int32] = []
        do {
            var steering = try PortSteering(address: self.address, listeners: [listener.number])
            steering.open(port)
            numbers = steering.passed
            #expect(numbers.count == 3 && numbers.allSatisfy(isOpen))
            #expect(numbers.allSatisfy { fcntl($0, F_GETFD) & FD_CLOEXEC != 0 })
            #expect(try dialled(self.address, port, listener.number) == port)
        }
        #expect(try dialled(self.address, port, other.number) == port)
    }

    @Test("a successor needs no capability: it opens and closes what was passed to it")
    func adoptedWithoutCapabilities() async {
        await #expect(processExitsWith: .success) {
            let address = ownAddress(5)
            let listener = try listen(on: loopback4)
            let predecessor = try PortSteering(address: address, listeners: [listener])
            let passed = predecessor.passed.map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
            // Whoever is root gives its capabilities up with its user.
            precondition(getuid() != 0 || setgid(65_534) == 0 && setuid(65_534) == 0)
            var successor = try PortSteering(adopting: passed)
            successor.open(11_105)
            let opened = try dialled(address, 11_105, listener)
            precondition(opened == 11_105)
            try successor.replace(0, by: listener)
            successor.close(11_105)
            let closed = try dialled(address, 11_105, listener)
            precondition(closed == nil)
        }
    }

    /// Two ports that nobody listens on and nobody is given, for programs that see every address.
    private var lowPorts: (UInt16, UInt16) {
        let first = 100 + UInt16(getpid() % 150) * 2
        return (first, first + 1)
    }

    @Test("by :: both families are steered, by 0.0.0.0 IPv4 alone, by an address that alone")
    func families() throws {
        let six = IPAddress(high: 0, low: 1)
        let four = ownAddress(3)
        let listener = OwnedDescriptor(
            owning: try listen(on: .ip(IPAddress(high: 0, low: 0), port: 0)))
        let (port, unleased) = self.lowPorts
        for (address, takesSix, takesFour) in [
            (IPAddress(high: 0, low: 0), true, true), (IPAddress(v4: 0), false, true),
            (six, true, false), (four, false, true), (ownAddress(4), false, false),
            (IPAddress(high: 0x2001_0DB8 << 32, low: 1), false, false),
        ] {
            var steering = try PortSteering(address: address, listeners: [listener.number])
            steering.open(port)
            let bySix = try dialled(six, port, listener.number)
            let byFour = try dialled(four, port, listener.number)
            #expect(bySix == (takesSix ? port : nil), "\(address)")
            #expect(byFour == (takesFour ? port : nil), "\(address)")
            #expect(try dialled(four, unleased, listener.number) == nil, "\(address)")
        }
    }

    @Test("UDP is nobody's business")
    func datagrams() throws {
        let listener = try self.listener()
        let udp = OwnedDescriptor(owning: socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        var form = sockaddr_in()
        form.sin_family = sa_family_t(AF_INET)
        form.sin_addr.s_addr = self.address.v4Bits.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &form) { form in
            form.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(udp.number, $0, length) == 0 && getsockname(udp.number, $0, &length) == 0
            }
        }
        try #require(isBound)
        var steering = try PortSteering(address: self.address, listeners: [listener.number])
        steering.open(UInt16(bigEndian: form.sin_port))
        steering.refuse(1)
        let near = OwnedDescriptor(owning: socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        let count = withUnsafePointer(to: &form) { form in
            form.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(near.number, "x", 1, 0, $0, length)
            }
        }
        #expect(count == 1)
        try waitUntilReadable(udp.number)
    }

    @Test("what is passed and steers nothing is refused, and closed")
    func notSteering() throws {
        let listener = try self.listener()
        let steering = try PortSteering(address: self.address, listeners: [listener.number])
        let right = steering.passed
        for wrong in [
            [], [listener.number], [listener.number, right[1], right[2]],
            [right[0], right[2], right[1]], [right[0], right[1], listener.number],
            [right[2], right[1], right[0]], right + [listener.number],
        ] {
            let passed = wrong.map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
            var failure: SteeringFailure?
            do throws(SteeringFailure) {
                _ = try PortSteering(adopting: passed)
            } catch {
                failure = error
            }
            guard case .notSteering = failure else {
                Issue.record("\(wrong.count) descriptors gave \(String(describing: failure))")
                continue
            }
        }
    }

    @Test("a socket that does not listen cannot be steered to")
    func noListener() throws {
        let pair = try SocketPair()
        let udp = OwnedDescriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        #expect(throws: SteeringFailure.self) {
            _ = try PortSteering(address: self.address, listeners: [udp.number])
        }
        #expect(throws: SteeringFailure.self) {
            _ = try PortSteering(address: self.address, listeners: [-1])
        }
        withExtendedLifetime(pair.near.number) {}
    }
}

@Suite("PortSteering, in a process that may not") struct PortSteeringRefusalTests {
    @Test("the error names what is missing, and the drop-in that gives it")
    func unprivileged() async {
        await #expect(processExitsWith: .success) {
            let listener = try listen(on: loopback4)
            // Whoever is root gives its capabilities up with its user.
            if getuid() == 0 { precondition(setgid(65_534) == 0 && setuid(65_534) == 0) }
            do throws(SteeringFailure) {
                _ = try PortSteering(address: IPAddress(v4: 0), listeners: [listener])
                preconditionFailure("loaded without a capability")
            } catch {
                precondition(error == .lacksCapabilities(["CAP_BPF", "CAP_NET_ADMIN"]))
                for part in ["CAP_BPF and CAP_NET_ADMIN", "AmbientCapabilities", "bpf"] {
                    precondition(error.description.contains(part))
                }
            }
        }
    }

    @Test(
        "which capabilities are missing",
        arguments: [
            (0, ["CAP_BPF", "CAP_NET_ADMIN"]), (1 << 12, ["CAP_BPF"]), (1 << 39, ["CAP_NET_ADMIN"]),
            (1 << 12 | 1 << 39, []), (1 << 21, []),
        ] as [(UInt64, [String])])
    func lacking(capabilities: UInt64, names: [String]) {
        #expect(SteeringFailure.lacking(capabilities) == names)
    }
}
