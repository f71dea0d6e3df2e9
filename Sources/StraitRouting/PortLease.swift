// The words of port leases: what for, whose, until when, and why a port is not to be had.

package import StraitCore

/// What a tenant's port is for.
///
/// Which of a tenant's services answers there is not said here.
package struct PortKind: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// As operators write it, such as `ssh_tunnel`.
    package let name: String

    /// - Returns: nil for what is no name: lower-case letters, digits and `_`, a letter first, at
    ///   most ``Limits/portKindBytesMax``.
    package init?(_ name: String) {
        guard let first = name.utf8.first, UInt8(ascii: "a")...UInt8(ascii: "z") ~= first,
            name.utf8.count <= Limits.portKindBytesMax,
            name.utf8.allSatisfy({
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "_"):
                    true
                default: false
                }
            })
        else { return nil }
        self.name = name
    }

    private init(standard name: String) { self.name = name }

    /// SSH to resources.
    package static let ssh = PortKind(standard: "ssh")
    /// SSH by which agents open their tunnels.
    package static let sshTunnel = PortKind(standard: "ssh_tunnel")
    /// Kubernetes.
    package static let kube = PortKind(standard: "kube")
    /// MySQL.
    package static let mysql = PortKind(standard: "mysql")
    /// Postgres.
    package static let postgres = PortKind(standard: "postgres")

    /// What every tenant gets, in the order of the ports: with a block from 11105 on, SSH has that
    /// one and Postgres 11109, as `/webapi/ping` of such a tenant says.
    package static let standard: [PortKind] = [.ssh, .sshTunnel, .kube, .mysql, .postgres]

    /// The standard ones in their order, then the others by name.
    package static func < (left: PortKind, right: PortKind) -> Bool {
        let places = [left, right].map { Self.standard.firstIndex(of: $0) ?? Self.standard.count }
        return places[0] == places[1] ? left.name < right.name : places[0] < places[1]
    }

    /// The name.
    package var description: String { self.name }
}

/// Whose a port is, and what for.
package struct PortLease: Hashable, Sendable {
    /// The tenant's identifier in the store, which outlives its names.
    package var tenant: String
    /// What the port is for.
    package var kind: PortKind

    /// See the properties.
    package init(tenant: String, kind: PortKind) {
        self.tenant = tenant
        self.kind = kind
    }
}

/// A port that was given back: until then it is for nobody but the tenant that had it.
///
/// Who still dials it would else reach another tenant; packets of old connections alone (TIME_WAIT)
/// would want a minute.
package struct PortQuarantine: Hashable, Sendable {
    /// Who had it, and what for.
    package var lease: PortLease
    /// Seconds since 1970; in that second the port is free again.
    package var until: UInt64

    /// See the properties.
    package init(lease: PortLease, until: UInt64) {
        self.lease = lease
        self.until = until
    }
}

/// What a port is at a moment.
package enum PortState: Hashable, Sendable {
    /// In no range of this region, or excluded.
    case outside
    /// Anybody's who asks.
    case free
    /// Somebody's.
    case leased(PortLease)
    /// Given back a short while ago.
    case quarantined(PortQuarantine)
}

/// What a tenant wants.
package struct PortWish: Hashable, Sendable {
    /// The tenant's identifier in the store.
    package var tenant: String
    /// What it wants ports for; what it has already, it keeps.
    package var kinds: Set<PortKind>
    /// Ports that must be these, and the kinds of which are wanted whether or not `kinds` has them.
    package var fixed: [PortKind: UInt16]
    /// Ports that it may keep from others, those in quarantine that it had among them.
    package var keptMax: Int

    /// See the properties.
    package init(
        tenant: String, kinds: some Sequence<PortKind> = PortKind.standard,
        fixed: [PortKind: UInt16] = [:], keptMax: Int = Limits.portsKeptPerTenantMax
    ) {
        self.tenant = tenant
        self.kinds = Set(kinds)
        self.fixed = fixed
        self.keptMax = keptMax
    }
}

/// Which ports of an address the tenants of a region may get.
package struct PortRanges: Hashable, Sendable {
    /// Those in a range and not excluded.
    package let allowed: PortSet

    /// Ranges may touch and overlap.
    ///
    /// - Returns: nil for a range with port 0, which no socket can have.
    package init?(_ ranges: [ClosedRange<UInt16>], excluding excluded: some Sequence<UInt16> = []) {
        var allowed = PortSet()
        for range in ranges {
            guard range.lowerBound > 0 else { return nil }
            allowed.formUnion(PortSet(range))
        }
        allowed.subtract(PortSet(excluded))
        self.allowed = allowed
    }
}

/// Why a tenant does not get what it wants.
///
/// The description names no other tenant, as a tenant's own administrator may read it.
package enum PortRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// Fewer ports are left than are wanted.
    ///
    /// `free` counts those that the tenant could have, and `largestRun` those in a row.
    case exhausted(wanted: Int, free: Int, largestRun: Int)
    /// The tenant would have more than ``Limits/portsPerTenantMax``.
    case tooMany(Int)
    /// With what it has and had, the tenant would keep more from others than the wish says.
    case keepsTooMany(Int, most: Int)
    /// A fixed port is in no range of the region, or excluded.
    case outside(PortKind, UInt16)
    /// A fixed port is another's, or the tenant's own for something else.
    case leased(PortKind, UInt16, PortLease)
    /// A fixed port was another tenant's until a short while ago.
    case quarantined(PortKind, UInt16, PortQuarantine)
    /// Another process of the host uses a fixed port.
    case usedByHost(PortKind, UInt16)
    /// One port is fixed for two kinds.
    case fixedTwice(PortKind, PortKind, UInt16)
    /// A port is fixed for a kind that has another one already.
    case hasPort(PortKind, fixed: UInt16, has: UInt16)

    /// Whether what was asked for is wrong by itself, whatever others have.
    package var isOfTheDocument: Bool {
        switch self {
        case .tooMany, .outside, .fixedTwice: true
        case .exhausted, .keepsTooMany, .leased, .quarantined, .usedByHost, .hasPort: false
        }
    }

    /// What is in the way, and what would do.
    package var description: String {
        switch self {
        case .exhausted(let wanted, let free, let largestRun):
            "no ports left: \(wanted) wanted, \(free) free, at most \(largestRun) of them in a "
                + "row; widen the region's port ranges, or wait until quarantines end"
        case .tooMany(let count):
            "\(count) ports for one tenant; it may have \(Limits.portsPerTenantMax)"
        case .keepsTooMany(let count, let most):
            "\(count) ports kept from others by one tenant, with those that it gave back and that "
                + "are in quarantine; it may keep \(most)"
        case .outside(let kind, let port):
            "port \(port) for \(kind) is in no port range of the region, or excluded there"
        case .leased(let kind, let port, _):
            "port \(port) for \(kind) is leased already; choose another, or none"
        case .quarantined(let kind, let port, let quarantine):
            "port \(port) for \(kind) was another tenant's, and is in quarantine until "
                + "\(quarantine.until) (seconds since 1970); choose another, or none"
        case .usedByHost(let kind, let port):
            "port \(port) for \(kind) is in use by another process of the host; stop that, or "
                + "choose another"
        case .fixedTwice(let first, let second, let port):
            "port \(port) is fixed for \(first) and for \(second); one port is for one of them"
        case .hasPort(let kind, let fixed, let has):
            "\(kind) has port \(has) and is to have \(fixed); release the first before"
        }
    }
}
