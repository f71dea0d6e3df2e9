// Datagrams to the service manager's socket, whose name is a path or abstract.

// Whichever of the two has timeval: the shims read a header that has it, too.
internal import CStrait
internal import Glibc

/// Where sd_notify(3) sends to.
package enum NoticeSocket {
    /// How long a full queue is waited for.
    private static let waitMicroseconds = 500_000

    /// Whether `name` can be one: an absolute path or `@` and an abstract name, as long as a
    /// socket's name may be.
    package static func isName(_ name: String) -> Bool {
        let count = name.utf8.count
        guard count >= 2, !name.utf8.contains(0) else { return false }
        let room = MemoryLayout.size(ofValue: sockaddr_un().sun_path)
        // Behind a path there is a NUL.
        return name.hasPrefix("@") ? count <= room : name.hasPrefix("/") && count < room
    }

    /// Sends one datagram.
    ///
    /// - Parameters:
    ///   - bytes: All of it.
    ///   - name: An absolute path, or `@` and an abstract name.
    /// - Throws: ``PosixError`` where it was not sent.
    package static func send(_ bytes: [UInt8], to name: String) throws(PosixError) {
        guard Self.isName(name) else { throw PosixError(call: "sendto", number: EINVAL) }
        let flags = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = OwnedDescriptor(owning: Glibc.socket(AF_UNIX, flags, 0))
        guard socket.isOpen else { throw PosixError("socket") }
        let number = socket.number
        var wait = timeval(tv_sec: 0, tv_usec: Self.waitMicroseconds)
        _ = unsafe setsockopt(
            number, SOL_SOCKET, SO_SNDTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        let sent = unsafe KernelAddress(localName: name).withPointer { address, length in
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe sendto(
                    number, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), address,
                    length)
            }
        }
        guard sent == bytes.count else { throw PosixError("sendto") }
    }
}
