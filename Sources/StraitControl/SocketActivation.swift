// Listening sockets that the service manager has opened for this process: sd_listen_fds(3).

package import StraitCore
package import StraitPosix

/// Why the sockets that were passed cannot be used.
package struct SocketActivationRefused: Error, Hashable, Sendable, CustomStringConvertible {
    /// One sentence for each of them.
    package let problems: [String]

    /// All of them, a line each.
    package var description: String { self.problems.joined(separator: "\n") }
}

/// A descriptor that was passed, with the name that the unit gives it.
package struct PassedSocket: Hashable, Sendable {
    /// From 3 on.
    package var descriptor: Int32
    /// Of LISTEN_FDNAMES; nil where there is none.
    package var name: String?

    /// See the properties.
    package init(descriptor: Int32, name: String?) {
        self.descriptor = descriptor
        self.name = name
    }

    fileprivate var text: String {
        "descriptor \(self.descriptor)" + (self.name.map { " (\($0))" } ?? "")
    }
}

/// What was passed, and which listeners it is for.
package enum SocketActivation {
    /// The first descriptor that is passed.
    private static let first: Int32 = 3

    /// Takes what was passed to this process; no program that it starts inherits it.
    ///
    /// - Parameters:
    ///   - environment: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are read.
    ///   - process: The number of this process.
    ///   - addresses: Those of the configuration's listeners, each with its own.
    /// - Returns: A socket for each address that one was passed for.
    /// - Throws: ``SocketActivationRefused`` where anything else was passed.
    package static func take(
        environment: [String: String], process: Int32, addresses: Set<SocketAddress>
    ) throws(SocketActivationRefused) -> [InheritedListener] {
        let passed = try Self.passed(environment, process: process)
        for socket in passed {
            do throws(PosixError) {
                try PassedDescriptor.closeOnExec(socket.descriptor)
            } catch {
                continue  // it is not open, which its description says below
            }
        }
        return try Self.match(
            passed.map { ($0, PassedDescriptor($0.descriptor)) }, to: addresses)
    }

    /// What the variables say; nothing where they are meant for another process.
    package static func passed(
        _ environment: [String: String], process: Int32
    ) throws(SocketActivationRefused) -> [PassedSocket] {
        guard let owner = environment["LISTEN_PID"], owner == "\(process)",
            let text = environment["LISTEN_FDS"]
        else { return [] }
        guard let count = Int(text), (0...Limits.listenersMax).contains(count) else {
            throw SocketActivationRefused(
                problems: ["LISTEN_FDS is not a number from 0 to \(Limits.listenersMax)"])
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "")
            .split(separator: ":", omittingEmptySubsequences: false)
        return (0..<count).map { index in
            let name = names.indices.contains(index) ? String(names[index]) : ""
            return PassedSocket(
                descriptor: Self.first + Int32(index), name: name.isEmpty ? nil : name)
        }
    }

    /// The address of each socket, as far as a listener wants it.
    package static func match(
        _ sockets: [(PassedSocket, PassedDescriptor)], to addresses: Set<SocketAddress>
    ) throws(SocketActivationRefused) -> [InheritedListener] {
        var found: [SocketAddress: Int32] = [:]
        var problems: [String] = []
        for (socket, kind) in sockets {
            switch kind {
            case .other(let what):
                problems.append(
                    "\(socket.text) was passed and is \(what); expected a TCP socket that "
                        + "listens: ListenStream= with a port, and Accept=no")
            case .listener(let address, let leavesIPv4Out):
                if let earlier = found[address] {
                    problems.append(
                        "\(socket.text) was passed for \(address), as was descriptor "
                            + "\(earlier); one socket is enough for all workers")
                } else if !addresses.contains(address) {
                    problems.append(
                        "\(socket.text) was passed and listens on \(address), which is no "
                            + "listener's address; expected one of "
                            + Self.text(addresses))
                } else if leavesIPv4Out {
                    problems.append(
                        "\(socket.text) was passed for \(address) and takes no IPv4; "
                            + "set BindIPv6Only=both")
                } else {
                    found[address] = socket.descriptor
                }
            }
        }
        guard problems.isEmpty else { throw SocketActivationRefused(problems: problems) }
        return found.map { InheritedListener(name: nil, address: $0.key, descriptor: $0.value) }
    }

    /// The first of them; nobody reads a thousand.
    private static func text(_ addresses: Set<SocketAddress>) -> String {
        let first = addresses.map(\.description).sorted().prefix(8)
        let more = addresses.count - first.count
        return first.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }
}
