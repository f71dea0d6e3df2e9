// Sockets of the loopback interface: free ports, and whether somebody listens.

import Foundation
import Glibc
import Synchronization
import Testing

/// An address family under test.
enum Family: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case ipv4, ipv6

    /// As programs take it.
    var address: String { self == .ipv4 ? "127.0.0.1" : "::1" }
    /// As URLs and `host:port` take it.
    var bracketed: String { self == .ipv4 ? "127.0.0.1" : "[::1]" }

    var testDescription: String { self.rawValue }
}

enum Loopback {
    /// Closed in programs that are started at the same time.
    private static let stream = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

    /// What ``freePort()`` has said: the kernel may say it again while nobody listens yet.
    private static let given = Mutex<Set<Int>>([])

    /// A port on which nobody listens, on either family; never the same twice.
    static func freePort() throws -> Int {
        while true {
            let port = try Self.unusedPort()
            if Self.given.withLock({ $0.insert(port).inserted }) { return port }
        }
    }

    private static func unusedPort() throws -> Int {
        let descriptor = socket(AF_INET6, stream, 0)
        defer { close(descriptor) }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_addr = in6addr_any  // dual stack: free on IPv4 too
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        return Int(UInt16(bigEndian: address.sin6_port))
    }

    /// Whether somebody accepts connections there.
    static func answers(_ family: Family, _ port: Int) -> Bool {
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        let descriptor = socket(domain, stream, 0)
        defer { close(descriptor) }
        if family == .ipv4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            return reach(descriptor, &address)
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = UInt16(port).bigEndian
        address.sin6_addr = in6addr_loopback
        return reach(descriptor, &address)
    }

    private static func reach<Address>(_ descriptor: Int32, _ address: inout Address) -> Bool {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) == 0
            }
        }
    }
}
