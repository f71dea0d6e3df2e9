// What a descriptor is that this process did not open itself.

internal import Glibc
package import StraitCore

/// A descriptor that another process has opened and passed on, as far as listening goes.
package enum PassedDescriptor: Hashable, Sendable {
    /// A TCP socket that listens, and whether it leaves IPv4 out although its address is `::`.
    case listener(SocketAddress, leavesIPv4Out: Bool)
    /// Something else, for people: `no socket`, `a datagram socket`.
    case other(String)

    /// Asks the kernel what `number` is.
    package init(_ number: Int32) {
        guard fcntl(number, F_GETFD) >= 0 else {
            self = .other("not open")
            return
        }
        guard let type = Self.option(number, SOL_SOCKET, SO_TYPE),
            let domain = Self.option(number, SOL_SOCKET, SO_DOMAIN)
        else {
            self = .other("no socket")
            return
        }
        guard type == Int32(SOCK_STREAM.rawValue) else {
            self = .other(
                type == Int32(SOCK_DGRAM.rawValue) ? "a datagram socket" : "no TCP socket")
            return
        }
        guard domain == AF_INET || domain == AF_INET6,
            Self.option(number, SOL_SOCKET, SO_PROTOCOL) == Int32(IPPROTO_TCP),
            let address = Sockets.localAddress(number)
        else {
            self = .other(domain == AF_UNIX ? "a UNIX socket" : "no TCP socket")
            return
        }
        guard Self.option(number, SOL_SOCKET, SO_ACCEPTCONN) == 1 else {
            self = .other("a TCP socket that does not listen")
            return
        }
        let isWildcard = address.address.map { $0.high == 0 && $0.low == 0 } ?? false
        self = .listener(
            address,
            leavesIPv4Out: domain == AF_INET6 && isWildcard
                && Self.option(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY) == 1)
    }

    /// Lets no program that this process starts inherit `number`.
    package static func closeOnExec(_ number: Int32) throws(PosixError) {
        let flags = fcntl(number, F_GETFD)
        guard flags >= 0, fcntl(number, F_SETFD, flags | FD_CLOEXEC) == 0 else {
            throw PosixError("fcntl")
        }
    }

    private static func option(_ number: Int32, _ level: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(number, level, name, &value, &length)
        return status == 0 ? value : nil
    }
}
