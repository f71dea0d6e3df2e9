// Sockets: open, connect, accept, options. Every call that can fail says which call and why.

internal import CStrait
internal import Glibc
package import StraitCore

/// How a connect began.
package enum ConnectStart: Sendable {
    /// It is established.
    case connected
    /// It is under way; writability announces its end.
    case underWay
}

/// What accepting brought.
package enum AcceptOutcome: Sendable {
    /// A descriptor that the caller owns now, and the peer's address.
    case accepted(Int32, SocketAddress?)
    /// Nobody waits.
    case nobody
    /// The peer went away before it was accepted; try again.
    case aborted
    /// No descriptors or memory are left; pause.
    case exhausted
}

/// What a listening socket is opened with, and those that are accepted inherit.
package struct ListenerOptions: Hashable, Sendable {
    /// How many connections wait to be accepted at most; the kernel may cut it (somaxconn).
    package var backlog: Int
    /// Whether the kernel keeps connections to itself until their first bytes have come.
    package var defersAccept: Bool
    /// TCP keepalive idle time; 0 leaves the kernel's.
    package var keepaliveIdleMilliseconds: UInt32
    /// TCP_USER_TIMEOUT; 0 leaves the kernel's.
    package var userTimeoutMilliseconds: UInt32

    /// See the properties.
    package init(
        backlog: Int, defersAccept: Bool = false, keepaliveIdleMilliseconds: UInt32 = 0,
        userTimeoutMilliseconds: UInt32 = 0
    ) {
        self.backlog = backlog
        self.defersAccept = defersAccept
        self.keepaliveIdleMilliseconds = keepaliveIdleMilliseconds
        self.userTimeoutMilliseconds = userTimeoutMilliseconds
    }
}

/// The kernel's socket calls.
package enum Sockets {
    /// Accepts one connection, non-blocking and closed on exec.
    package static func accept(_ listener: Int32) -> AcceptOutcome {
        var room = KernelAddress()
        let number = unsafe room.withMutablePointer { address, length in
            unsafe cstrait_accept4(listener, address, length)
        }
        guard number >= 0 else {
            switch errno {
            case EAGAIN: return .nobody
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
            default: return .aborted  // accept(2): errors of the new socket are not the listener's
            }
        }
        return .accepted(number, room.socketAddress)
    }

    /// Opens a socket for `address` and begins to connect it.
    ///
    /// Bytes that a peer calls urgent stay where they are in the stream (SO_OOBINLINE, RFC 6093
    /// §4); otherwise the kernel would take one out.
    ///
    /// Without a source the kernel chooses one. A source's ports are shared among destinations
    /// (IP_BIND_ADDRESS_NO_PORT, ip(7)): the port is chosen with the destination, and not before.
    package static func connect(
        to address: SocketAddress, from source: IPAddress? = nil
    ) throws(PosixError) -> (descriptor: Int32, start: ConnectStart) {
        let number = try Self.socket(for: address)
        if case .ip = address {
            Self.setOption(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            Self.setOption(number, SOL_SOCKET, SO_OOBINLINE, 1)
            if let source { try Self.takeSource(number, source) }
        }
        let status = unsafe KernelAddress(address).withPointer { pointer, length in
            unsafe Glibc.connect(number, pointer, length)
        }
        guard status != 0 else { return (number, .connected) }
        guard errno == EINPROGRESS else {
            let error = PosixError("connect")
            Self.close(number)
            throw error
        }
        return (number, .underWay)
    }

    /// Binds a socket that is about to connect; closes it where that fails.
    private static func takeSource(_ number: Int32, _ source: IPAddress) throws(PosixError) {
        Self.setOption(number, Int32(IPPROTO_IP), cstrait_bind_address_no_port(), 1)
        let bound = unsafe KernelAddress(.ip(source, port: 0)).withPointer { pointer, length in
            unsafe Glibc.bind(number, pointer, length)
        }
        guard bound == 0 else {
            let error = PosixError("bind")
            Self.close(number)
            throw error
        }
    }

    /// How a connect under way ended: nil when it succeeded.
    package static func pendingError(_ number: Int32) -> PosixError? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &value, &length) == 0 else {
            return PosixError("getsockopt")
        }
        return value == 0 ? nil : PosixError(call: "connect", number: value)
    }

    /// Opens a socket that listens on `address`.
    ///
    /// IPv6 sockets take IPv4 too where the address is `::`.
    ///
    /// TCP_NODELAY, SO_OOBINLINE, keepalive and TCP_USER_TIMEOUT are set here because accepted
    /// sockets inherit them.
    ///
    /// `besides` are listening sockets of this process that overlap with `address` and are about
    /// to go, such as `[::]:443` beside `0.0.0.0:443`. They share the port with the new one
    /// (SO_REUSEPORT), but only for the moment of this call: a second router started by mistake
    /// must be told that the address is in use.
    package static func listen(
        on address: SocketAddress, options: ListenerOptions, besides: [Int32] = []
    ) throws(PosixError) -> Int32 {
        let number = try Self.socket(for: address)
        Self.setListenerOptions(number, options)
        Self.sharePort(besides.isEmpty ? [] : besides + [number], true)
        defer { Self.sharePort(besides, false) }
        do throws(PosixError) {
            try Self.bind(number, to: address)
        } catch {
            Self.close(number)
            throw error
        }
        guard Glibc.listen(number, Int32(options.backlog)) == 0 else {
            let error = PosixError("listen")
            Self.close(number)
            throw error
        }
        if !besides.isEmpty { Self.sharePort([number], false) }
        return number
    }

    /// Binds a socket as ``listen(on:options:besides:)`` would, and lets it go again.
    package static func tryBind(_ address: SocketAddress) throws(PosixError) {
        let number = OwnedDescriptor(owning: try Self.socket(for: address))
        try Self.bind(number.number, to: address)
    }

    /// Whether a descriptor is a stream socket that listens.
    package static func isListening(_ number: Int32) -> Bool {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &value, &length)
        return status == 0 && value == 1
    }

    /// Gives a listening socket that another process has opened the options of one of ours; who
    /// waits in its queue goes on waiting.
    package static func adoptListener(_ number: Int32, options: ListenerOptions) {
        _ = cstrait_set_nonblocking(number)
        Self.setListenerOptions(number, options)
        _ = Glibc.listen(number, Int32(options.backlog))  // only the backlog changes
    }

    /// Binds a socket that is to listen.
    private static func bind(_ number: Int32, to address: SocketAddress) throws(PosixError) {
        if case .ip(let ip, _) = address {
            Self.setOption(number, SOL_SOCKET, SO_REUSEADDR, 1)
            if !ip.isIPv4 {
                let isWildcard = ip.high == 0 && ip.low == 0
                Self.setOption(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, isWildcard ? 0 : 1)
            }
        }
        let bound = unsafe KernelAddress(address).withPointer { pointer, length in
            unsafe Glibc.bind(number, pointer, length)
        }
        guard bound == 0 else { throw PosixError("bind") }
    }

    private static func setListenerOptions(_ number: Int32, _ options: ListenerOptions) {
        guard case .ip? = Self.localAddress(number) else { return }  // not UNIX
        Self.setOption(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        Self.setOption(number, SOL_SOCKET, SO_OOBINLINE, 1)
        Self.setOption(
            number, Int32(IPPROTO_TCP), cstrait_tcp_defer_accept(), options.defersAccept ? 5 : 0)
        Self.setKeepalive(
            number, idleMilliseconds: options.keepaliveIdleMilliseconds,
            userTimeoutMilliseconds: options.userTimeoutMilliseconds)
    }

    private static func sharePort(_ numbers: [Int32], _ isShared: Bool) {
        for number in numbers { Self.setOption(number, SOL_SOCKET, SO_REUSEPORT, isShared ? 1 : 0) }
    }

    /// Turns keepalive and the user time-out on; 0 leaves the kernel's setting.
    package static func setKeepalive(
        _ number: Int32, idleMilliseconds: UInt32, userTimeoutMilliseconds: UInt32
    ) {
        if idleMilliseconds > 0 {
            let seconds = max(Int32(clamping: idleMilliseconds / 1000), 1)
            Self.setOption(number, SOL_SOCKET, SO_KEEPALIVE, 1)
            Self.setOption(number, Int32(IPPROTO_TCP), TCP_KEEPIDLE, seconds)
            Self.setOption(number, Int32(IPPROTO_TCP), TCP_KEEPINTVL, max(seconds / 3, 1))
            Self.setOption(number, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        }
        if userTimeoutMilliseconds > 0 {
            Self.setOption(
                number, Int32(IPPROTO_TCP), cstrait_tcp_user_timeout(),
                Int32(clamping: userTimeoutMilliseconds))
        }
    }

    /// Makes the next close send RST and throw away what is unsent.
    package static func setAbortiveClose(_ number: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(
            number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Ends our direction: FIN after what was sent.
    package static func shutdownWrite(_ number: Int32) { _ = shutdown(number, Int32(SHUT_WR)) }

    /// Bytes that were sent and are not acknowledged yet; 0 when the kernel does not tell.
    package static func unacknowledgedBytes(_ number: Int32) -> Int {
        var count: Int32 = 0
        guard unsafe cstrait_bytes_unacknowledged(number, &count) == 0 else { return 0 }
        return Int(count)
    }

    /// The address that a socket is bound to; behind a listener, the one that the downstream
    /// dialled.
    package static func localAddress(_ number: Int32) -> SocketAddress? {
        var room = KernelAddress()
        let status = unsafe room.withMutablePointer { unsafe getsockname(number, $0, $1) }
        return status == 0 ? room.socketAddress : nil
    }

    /// Closes a descriptor that nobody owns any more.
    package static func close(_ number: Int32) { _ = Glibc.close(number) }

    /// How many descriptors this process may have open.
    package static func descriptorLimit() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return 1024
        }
        return Int(clamping: limit.rlim_cur)
    }

    private static func socket(for address: SocketAddress) throws(PosixError) -> Int32 {
        let family: Int32
        switch address {
        case .ip(let ip, _): family = ip.isIPv4 ? AF_INET : AF_INET6
        case .unix(let path):
            try Self.checkPath(path)
            family = AF_UNIX
        }
        let flags = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let number = Glibc.socket(family, Int32(flags), 0)
        guard number >= 0 else { throw PosixError("socket") }
        return number
    }

    /// A longer path would be cut off, one with NUL too, and an empty one is no path at all.
    private static func checkPath(_ path: String) throws(PosixError) {
        guard path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
            throw PosixError(call: "socket", number: ENAMETOOLONG)
        }
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw PosixError(call: "socket", number: EINVAL)
        }
    }

    private static func setOption(_ number: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = unsafe setsockopt(number, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
