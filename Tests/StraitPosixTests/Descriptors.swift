// What tests ask the kernel of descriptors, and connected sockets to try things on.

import Glibc
import StraitCore
import StraitPosix
import Testing

/// Whether `number` is open in this process.
func isOpen(_ number: Int32) -> Bool { fcntl(number, F_GETFD) >= 0 }

/// An integer option of a socket.
func option(_ number: Int32, _ level: Int32, _ name: Int32) -> Int32 {
    var value: Int32 = -1
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(number, level, name, &value, &length)
    return value
}

/// Two connected stream sockets, non-blocking.
struct SocketPair: ~Copyable {
    var near: OwnedDescriptor
    var far: OwnedDescriptor

    /// Connected over `listening`.
    init(over listening: SocketAddress) throws {
        let (near, far) = try connected(over: listening)
        self.near = OwnedDescriptor(owning: near)
        self.far = OwnedDescriptor(owning: far)
    }

    /// Connected over IPv4.
    init() throws { try self.init(over: loopback4) }
}

/// Two connected descriptors, which the caller owns.
private func connected(over listening: SocketAddress) throws -> (Int32, Int32) {
    let listener = OwnedDescriptor(owning: try listen(on: listening))
    let address = try #require(Sockets.localAddress(listener.number))
    let (near, start) = try Sockets.connect(to: address)
    let (far, _) = try accepted(listener.number)
    if case .underWay = start { try waitUntilWritable(near) }
    return (near, far)
}

/// Any free port of the two loopback addresses.
let loopback4 = SocketAddress.ip(IPAddress(v4: 127, 0, 0, 1), port: 0)
let loopback6 = SocketAddress.ip(IPAddress(high: 0, low: 1), port: 0)

/// A listening socket, which the caller owns.
func listen(on address: SocketAddress, backlog: Int = 16) throws -> Int32 {
    try Sockets.listen(on: address, options: ListenerOptions(backlog: backlog))
}

/// The next connection of a listener, waited for.
func accepted(_ listener: Int32) throws -> (Int32, SocketAddress?) {
    try waitUntilReadable(listener)
    guard case .accepted(let number, let peer) = Sockets.accept(listener) else {
        throw PosixError(call: "accept", number: 0)
    }
    return (number, peer)
}

/// Waits until there is something to read, or an end.
func waitUntilReadable(_ number: Int32) throws {
    let poller = try Poller(eventsMax: 1)
    try poller.addLevel(number, token: 0)
    try #require(poller.wait(milliseconds: 10_000) == 1, "nothing to read in 10 s")
}

/// Waits until a connect has ended or there is room.
func waitUntilWritable(_ number: Int32) throws {
    let poller = try Poller(eventsMax: 1)
    try poller.add(number, token: 0, writable: true)
    try #require(poller.wait(milliseconds: 10_000) == 1, "no room in 10 s")
}

/// Receives into `buffer`, waiting for the first byte.
func receiveWaiting(_ number: Int32, _ buffer: inout TransferBuffer) throws -> TransferOutcome {
    try waitUntilReadable(number)
    return buffer.receive(number)
}

/// A path for a UNIX socket or a file, in a folder of its own that ends with the value.
struct TemporaryFolder: ~Copyable {
    let path: String

    init() throws {
        var template = Array("\(P_tmpdir)/strait-posix-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw PosixError(call: "mkdtemp", number: errno)
        }
        self.path = String(cString: made)
    }

    deinit {
        for name in ["a.sock", "b.sock", "lines.log", "rotated.log"] {
            unlink("\(self.path)/\(name)")
        }
        rmdir(self.path)
    }
}

/// Sends `bytes` by the call that takes bytes from anywhere.
func sent(_ number: Int32, _ bytes: [UInt8], more: Bool = false) -> TransferOutcome {
    TransferBuffer.send(number, bytes.span, more: more)
}

/// Reads from `number` until its end.
func readAll(_ number: Int32) -> [UInt8] {
    var all: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(number, &room, room.count)
        guard count > 0 else { return all }
        all += room[..<count]
    }
}
