// Whether somebody on this host has a port already. The kernel is asked by bind(2); who it is, the
// kernel's list of listening sockets says.

internal import Glibc
package import StraitCore

/// Why a port of an address is not to be had.
package enum PortObstacle: Error, Hashable, Sendable, CustomStringConvertible {
    /// Somebody listens there, or on an address that holds this one, under this user's number.
    case listener(SocketAddress, user: UInt32)
    /// Somebody has it without listening: a connection from this port, or a socket that is bound.
    case socket
    /// The kernel does not let this process bind it, or it could not be asked.
    case unavailable(PosixError)

    /// Who is in the way, and where to look further.
    package var description: String {
        switch self {
        case .listener(let address, let user):
            "a process of user \(user) listens on \(address); see ss -ltnp 'sport = "
                + ":\(address.port)'"
        case .socket:
            "a connection or a bound socket of this host has the port; see ss -tanp"
        case .unavailable(let error): "the port cannot be bound: \(error)"
        }
    }
}

/// Asks the kernel for ports.
package enum PortProbe {
    /// Who is in the way of listening on an address and port; nil for nobody.
    ///
    /// Binds for a moment, as ``Sockets/listen(on:options:besides:)`` would, and never listens:
    /// - with SO_REUSEADDR, so that what is left of our own connections (TIME_WAIT, or open ones
    ///   whose listener has gone) is not in the way: they carry the option of their listener;
    /// - without SO_REUSEPORT, so that nobody shares: every listener on the port is in the way;
    /// - on `::` for both families, so that one on `0.0.0.0` or `127.0.0.1` is in the way, too.
    ///
    /// A port that ``PortSteering`` opens is none of these, as nobody is bound to it; and what
    /// comes after this moment is not seen.
    ///
    /// - Parameters:
    ///   - address: Where one would listen.
    ///   - port: Not 0, which stands for any.
    /// - Returns: What is in the way; nil for nothing.
    package static func obstacle(_ address: IPAddress, port: UInt16) -> PortObstacle? {
        do throws(PosixError) {
            try Sockets.tryBind(.ip(address, port: port))
            return nil
        } catch {
            guard error.number == EADDRINUSE else { return .unavailable(error) }
            guard let listener = Self.listener(address, port) else { return .socket }
            return listener
        }
    }

    /// Whether anybody is in the way, whoever it is: three system calls, where
    /// ``obstacle(_:port:)`` may read the kernel's lists as well.
    package static func isTaken(_ address: IPAddress, port: UInt16) -> Bool {
        do throws(PosixError) {
            try Sockets.tryBind(.ip(address, port: port))
            return false
        } catch {
            return true
        }
    }

    /// The first listening socket in the way, of those that the kernel lists.
    private static func listener(_ address: IPAddress, _ port: UInt16) -> PortObstacle? {
        for file in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
            var found: PortObstacle?
            Self.eachListener(file) { line in
                guard let (other, user) = Self.parse(line), other.port == port,
                    let otherAddress = other.address, Self.overlap(address, otherAddress)
                else { return true }
                found = .listener(other, user: user)
                return false
            }
            if let found { return found }
        }
        return nil
    }

    private static func overlap(_ one: IPAddress, _ other: IPAddress) -> Bool {
        if one == other { return true }
        // `::` may take IPv4 too; that it does not, the list does not tell.
        let any6 = IPAddress(high: 0, low: 0)
        if one == any6 || other == any6 { return true }
        let any4 = IPAddress(v4: 0)
        return one == any4 && other.isIPv4 || other == any4 && one.isIPv4
    }

    /// A line of the kernel's list: `SL: LOCAL:PORT REMOTE:PORT STATE QUEUES TIMER RETRANSMITS UID
    /// TIMEOUT INODE` and more, proc_net_tcp.rst.
    ///
    /// An address is words in the machine's byte order, in hexadecimal digits.
    package static func parse(_ line: Substring) -> (SocketAddress, user: UInt32)? {
        let fields = line.split(separator: " ")
        guard fields.count > 9, fields[3] == "0A", let user = UInt32(fields[7]) else { return nil }
        let parts = fields[1].split(separator: ":")
        guard parts.count == 2, parts[0].utf8.count % 8 == 0, let port = UInt16(parts[1], radix: 16)
        else { return nil }
        var words: [UInt32] = []
        var rest = parts[0]
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            words.append(UInt32(bigEndian: word))
            rest = rest.dropFirst(8)
        }
        switch words.count {
        case 1: return (.ip(IPAddress(v4: words[0]), port: port), user)
        case 4:
            let high = UInt64(words[0]) << 32 | UInt64(words[1])
            let low = UInt64(words[2]) << 32 | UInt64(words[3])
            return (.ip(IPAddress(high: high, low: low), port: port), user)
        default: return nil
        }
    }

    /// Listening sockets come first in the list; at the first line of another one, or when `body`
    /// returns false, it ends.
    private static func eachListener(_ file: String, _ body: (Substring) -> Bool) {
        guard let stream = unsafe fopen(file, "re") else { return }
        defer { unsafe fclose(stream) }
        var room = [CChar](repeating: 0, count: 512)
        var isHead = true
        while unsafe fgets(&room, Int32(room.count), stream) != nil {
            let line = String(
                decoding: room.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            defer { isHead = false }
            if isHead { continue }
            guard line.contains(" 0A "), body(line[...]) else { return }
        }
    }
}
