// Sockets and epoll as the load generator needs them: IPv4, non-blocking, unchecked lifetimes.

private import CStrait
internal import Glibc

enum Socket {
    static func address(_ text: String, port: UInt16) throws(Failure) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, text, &address.sin_addr) == 1 else {
            throw Failure("\(text) is not an IPv4 address")
        }
        return address
    }

    static func listen(port: UInt16) throws(Failure) -> Int32 {
        let descriptor = try Self.make(blocking: false)
        Self.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        let address = try Self.address("127.0.0.1", port: port)
        let bound = Self.withPointer(to: address) { bind(descriptor, $0, $1) }
        guard bound == 0 else { throw .system("bind to port \(port)") }
        guard Glibc.listen(descriptor, 4096) == 0 else { throw .system("listen") }
        return descriptor
    }

    /// Starts a connection without waiting for it.
    ///
    /// On loopback it is established when this returns, but for an overflowing backlog; a send that
    /// finds it is not yet says EAGAIN or ENOTCONN.
    static func dial(_ target: sockaddr_in) throws(Failure) -> Int32 {
        let descriptor = try Self.make(blocking: false)
        Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        let result = Self.withPointer(to: target) { connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else { throw .system("connect") }
        return descriptor
    }

    /// A blocking connection whose calls give up after ten seconds.
    static func dialBlocking(_ target: sockaddr_in) throws(Failure) -> Int32 {
        let descriptor = try Self.make(blocking: true)
        Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size) == 0 else {
            throw .system("setsockopt")
        }
        let result = Self.withPointer(to: target) { connect(descriptor, $0, $1) }
        guard result == 0 else { throw .system("connect") }
        return descriptor
    }

    /// The next waiting connection, non-blocking, or nil where there is none.
    static func accept(_ listener: Int32) throws(Failure) -> Int32? {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else {
            guard errno == EAGAIN || errno == ECONNABORTED else { throw .system("accept") }
            return nil
        }
        guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw .system("fcntl") }
        return descriptor
    }

    static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func make(blocking: Bool) throws(Failure) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue)
        let flags = Int32(SOCK_CLOEXEC.rawValue) | (blocking ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        let descriptor = socket(AF_INET, kind | flags, 0)
        guard descriptor >= 0 else { throw .system("socket") }
        return descriptor
    }

    private static func withPointer(
        to address: sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// One epoll instance whose events carry an index.
struct Poller {
    static let readable = EPOLLIN.rawValue | EPOLLRDHUP.rawValue
    static let readableEdge = readable | EPOLLET.rawValue
    static let writable = EPOLLOUT.rawValue
    static let bothEdge = readableEdge | writable

    private static let batch = 256
    private static let stallMilliseconds: Int32 = 10_000

    private let descriptor: Int32
    private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: batch)

    init() throws(Failure) {
        self.descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard self.descriptor >= 0 else { throw .system("epoll_create1") }
    }

    func add(_ socket: Int32, index: Int, _ interest: UInt32) throws(Failure) {
        try self.control(EPOLL_CTL_ADD, socket, index, interest)
    }

    func modify(_ socket: Int32, index: Int, _ interest: UInt32) throws(Failure) {
        try self.control(EPOLL_CTL_MOD, socket, index, interest)
    }

    /// Waits without end.
    func wait() throws(Failure) -> Int {
        try self.wait(milliseconds: -1)
    }

    /// Waits for progress; ten seconds without any is a failure, told with `what` was missing.
    func wait(for what: @autoclosure () -> String) throws(Failure) -> Int {
        let count = try self.wait(milliseconds: Self.stallMilliseconds)
        guard count > 0 else { throw Failure("nothing moved for 10 s: \(what())") }
        return count
    }

    /// Waits for events, but no longer than until `moment` of ``Clock``; 0 when it has come first.
    ///
    /// Without a moment it is as ``wait(for:)``. epoll_wait alone counts in milliseconds.
    func wait(
        until moment: UInt64?, for what: @autoclosure () -> String
    ) throws(Failure) -> Int {
        guard let moment else { return try self.wait(for: what()) }
        let now = Clock.now()
        guard moment > now else { return try self.wait(milliseconds: 0) }
        let rest = Int(moment - now)
        var limit = timespec(tv_sec: rest / 1_000_000_000, tv_nsec: rest % 1_000_000_000)
        var watched = fd_set()
        withUnsafeMutableBytes(of: &watched) {
            $0[Int(self.descriptor) / 8] |= 1 << UInt8(self.descriptor % 8)
        }
        let found = pselect(self.descriptor + 1, &watched, nil, nil, &limit, nil)
        guard found >= 0 || errno == EINTR else { throw .system("pselect") }
        return found > 0 ? try self.wait(milliseconds: 0) : 0
    }

    func index(_ position: Int) -> Int {
        Int(self.events[position].data.u64)
    }

    private func wait(milliseconds: Int32) throws(Failure) -> Int {
        while true {
            let count = epoll_wait(self.descriptor, self.events, Int32(Self.batch), milliseconds)
            if count >= 0 { return Int(count) }
            guard errno == EINTR else { throw .system("epoll_wait") }
        }
    }

    private func control(
        _ operation: Int32, _ socket: Int32, _ index: Int, _ interest: UInt32
    ) throws(Failure) {
        var event = epoll_event(events: interest, data: epoll_data_t(u64: UInt64(index)))
        guard epoll_ctl(self.descriptor, operation, socket, &event) == 0 else {
            throw .system("epoll_ctl")
        }
    }
}
