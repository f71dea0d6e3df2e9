// Why connections to many ports cannot be steered to one listener, and what an operator can do.

internal import CStrait
internal import Glibc

/// The kernel does not steer; plain listeners do as well, one for each port.
package enum SteeringFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The process lacks capabilities, by their names.
    case lacksCapabilities([String])
    /// It has what is needed and may not all the same: a filter of system calls, or a user
    /// namespace, whose capabilities do not count here.
    case forbidden(PosixError)
    /// The kernel is too old for it, or built without it.
    case unsupported(PosixError)
    /// What another process has passed is nothing that steers.
    case notSteering(String)
    /// Anything else, such as descriptors that ran out.
    case failed(PosixError)

    /// What goes into a drop-in of the unit, `systemctl edit strait`.
    ///
    /// Both lists of capabilities add to those of the unit.
    package static let dropIn = """
        [Service]
        CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN
        AmbientCapabilities=CAP_BPF CAP_NET_ADMIN
        SystemCallFilter=bpf
        """

    /// What is missing, and where it is given.
    package var description: String {
        let remedy =
            "under systemd, a drop-in of the unit gives both capabilities and the system call: "
            + Self.dropIn.split(separator: "\n").joined(separator: "; ")
        return switch self {
        case .lacksCapabilities(let names):
            "one listener for many ports wants \(names.joined(separator: " and ")), which this "
                + "process lacks; \(remedy)"
        case .forbidden(let error):
            "one listener for many ports wants bpf(2), which a filter of system calls or a user "
                + "namespace forbids (\(error)); \(remedy)"
        case .unsupported(let error):
            "one listener for many ports wants sk_lookup, which this kernel lacks (\(error)); "
                + "Linux 5.9 and later have it"
        case .notSteering(let what): "a passed descriptor does not steer ports: \(what)"
        case .failed(let error): "one listener for many ports: \(error)"
        }
    }

    /// Sorts an error by what can be done about it.
    init(_ error: PosixError) {
        switch error.number {
        case EPERM, EACCES:
            let lacking = Self.lacking(cstrait_effective_capabilities())
            self = lacking.isEmpty ? .forbidden(error) : .lacksCapabilities(lacking)
        case ENOSYS, EINVAL, EOPNOTSUPP: self = .unsupported(error)
        default: self = .failed(error)
        }
    }

    /// What a set of capabilities lacks, capabilities(7); CAP_SYS_ADMIN holds both.
    package static func lacking(_ capabilities: UInt64) -> [String] {
        let has = { (number: UInt64) in capabilities & 1 << number != 0 }
        guard !has(21) else { return [] }  // CAP_SYS_ADMIN
        return (has(39) ? [] : ["CAP_BPF"]) + (has(12) ? [] : ["CAP_NET_ADMIN"])
    }
}
