// Listening sockets, opened by the control plane before a snapshot that names them is given out.

package import StraitCore
package import StraitPosix

/// Opens and closes listening sockets.
package enum ListenerSockets {
    /// Opens a socket that listens on `address`; the caller owns the descriptor.
    ///
    /// `besides` are open ones that overlap with it and are about to go.
    package static func open(
        address: SocketAddress, backlog: Int, defersAccept: Bool,
        keepaliveIdleMilliseconds: UInt32, userTimeoutMilliseconds: UInt32, besides: [Int32] = []
    ) throws(PosixError) -> Int32 {
        try Sockets.listen(
            on: address, backlog: backlog, defersAccept: defersAccept,
            keepaliveIdleMilliseconds: keepaliveIdleMilliseconds,
            userTimeoutMilliseconds: userTimeoutMilliseconds, besides: besides)
    }

    /// Closes a socket that no worker uses any more.
    package static func close(_ descriptor: Int32) { Sockets.close(descriptor) }

    /// The address that a socket is bound to; it tells the port where 0 was asked for.
    package static func boundAddress(_ descriptor: Int32) -> SocketAddress? {
        Sockets.localAddress(descriptor)
    }
}
