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
    /// As many as a configuration has listeners, at most.
    ///
    /// Beyond: the process does not start.
    package static let socketsMax = 1024
    /// The first descriptor that is passed.
    private static let first: Int32 = 3

    /// A listener of the configuration.
    package struct Listener: Hashable, Sendable {
        /// As configured.
        package var name: String
        /// As configured.
        package var address: SocketAddress

        /// See the properties.
        package init(name: String, address: SocketAddress) {
            self.name = name
            self.address = address
        }
    }

    /// Takes what was passed to this process; no program that it starts inherits it.
    ///
    /// - Parameters:
    ///   - environment: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are read.
    ///   - process: The number of this process.
    ///   - listeners: Those of the configuration, each with its own address.
    /// - Returns: A socket for each listener that one was passed for.
    /// - Throws: ``SocketActivationRefused`` where anything else was passed.
    package static func take(
        environment: [String: String], process: Int32, listeners: [Listener]
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
            passed.map { ($0, PassedDescriptor($0.descriptor)) }, to: listeners)
    }

    /// What the variables say; nothing where they are meant for another process.
    package static func passed(
        _ environment: [String: String], process: Int32
    ) throws(SocketActivationRefused) -> [PassedSocket] {
        guard let owner = environment["LISTEN_PID"], owner == "\(process)",
            let text = environment["LISTEN_FDS"]
        else { return [] }
        guard let count = Int(text), (0...Self.socketsMax).contains(count) else {
            throw SocketActivationRefused(
                problems: ["LISTEN_FDS is not a number from 0 to \(Self.socketsMax)"])
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "")
            .split(separator: ":", omittingEmptySubsequences: false)
        return (0..<count).map { index in
            let name = names.indices.contains(index) ? String(names[index]) : ""
            return PassedSocket(
                descriptor: Self.first + Int32(index), name: name.isEmpty ? nil : name)
        }
    }

    /// The listener of each socket, by the address that it is bound to.
    package static func match(
        _ sockets: [(PassedSocket, PassedDescriptor)], to listeners: [Listener]
    ) throws(SocketActivationRefused) -> [InheritedListener] {
        var found: [InheritedListener] = []
        var problems: [String] = []
        for (socket, kind) in sockets {
            switch kind {
            case .other(let what):
                problems.append(
                    "\(socket.text) was passed and is \(what); expected a TCP socket that "
                        + "listens: ListenStream= with a port, and Accept=no")
            case .listener(let address, let leavesIPv4Out):
                if let earlier = found.first(where: { $0.address == address }) {
                    problems.append(
                        "\(socket.text) was passed for \(address), as was descriptor "
                            + "\(earlier.descriptor); one socket is enough for all workers")
                } else if !listeners.contains(where: { $0.address == address }) {
                    problems.append(
                        "\(socket.text) was passed and listens on \(address), which is no "
                            + "listener's address; expected one of "
                            + listeners.map { "\($0.address)" }.joined(separator: ", "))
                } else if leavesIPv4Out {
                    problems.append(
                        "\(socket.text) was passed for \(address) and takes no IPv4; "
                            + "set BindIPv6Only=both")
                } else {
                    found.append(
                        InheritedListener(
                            name: nil, address: address, descriptor: socket.descriptor))
                }
            }
        }
        guard problems.isEmpty else { throw SocketActivationRefused(problems: problems) }
        return found
    }
}
