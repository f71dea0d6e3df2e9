// Where a socket is: an IP address with a port, or a path.

/// The address of a socket.
package enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// An IP address and a port.
    case ip(IPAddress, port: UInt16)
    /// A UNIX socket by its path, at most 107 bytes (`sun_path`).
    case unix(path: String)

    /// The IP address, if there is one.
    package var address: IPAddress? {
        if case .ip(let address, _) = self { address } else { nil }
    }

    /// The port; 0 for a UNIX socket.
    package var port: UInt16 {
        if case .ip(_, let port) = self { port } else { 0 }
    }

    /// Whether what goes there is on no wire: a UNIX socket, or loopback.
    package var staysOnMachine: Bool { self.address?.isLoopback ?? true }

    /// Reads `1.2.3.4:80`, `[::1]:80` and `unix:/path`; nil for anything else,
    /// a port with a leading zero included.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count <= 107, !path.utf8.contains(0) else {
                return nil
            }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let portText = text[text.index(after: colon)...]
        guard (1...5).contains(portText.utf8.count),
            portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            portText == "0" || portText.utf8.first != UInt8(ascii: "0"),
            let port = UInt16(portText)
        else { return nil }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = host.dropFirst().dropLast()
            guard inner.contains(":"), let address = IPAddress(inner) else { return nil }
            self = .ip(address, port: port)
        } else {
            guard !host.contains(":"), let address = IPAddress(host) else { return nil }
            self = .ip(address, port: port)
        }
    }

    /// The form that ``init(_:)`` reads.
    package var description: String {
        switch self {
        case .ip(let address, let port):
            address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
