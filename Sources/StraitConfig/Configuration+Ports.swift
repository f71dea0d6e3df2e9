// Ports of tenants' own: what a router may give away, and what a tenant asks for.

package import StraitCore

extension Configuration {
    /// The ports that tenants of the registry get on this router.
    package struct Ports: Sendable, Equatable {
        /// What downstreams dial: an address of this machine; `::` is every one.
        package var address: IPAddress
        /// Not empty; they may touch and overlap.
        package var ranges: [ClosedRange<UInt16>]
        /// Ports of the ranges that nobody gets.
        package var excluded: [ClosedRange<UInt16>]
        /// How long a port that was given back is for nobody else.
        package var quarantine: Duration
        /// Whether one listener is to do for all ports, where the process may have it so.
        package var steers: Bool
        /// Where it stands.
        package var place: SourcePlace
    }

    /// A port that a tenant of a registry asks for, or a wish about one that it gets unasked.
    package struct TenantPort: Sendable, Equatable {
        /// What every tenant gets unasked.
        package static let standardKinds = ["ssh", "ssh_tunnel", "kube", "mysql", "postgres"]

        /// What it is for; unique in the tenant.
        package var kind: String
        /// Which it must be; nil: any.
        package var port: UInt16?
        /// The service that answers there; nil: the tenant's default for what the kind stands for.
        package var service: String?
        /// Where it stands.
        package var place: SourcePlace
    }
}
