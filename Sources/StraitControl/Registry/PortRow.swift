// A port as the registry has it, and as it is listed.

internal import Foundation
internal import StraitCore
internal import StraitRouting

/// A row of a port.
struct PortRow: Codable, Hashable, Sendable {
    var tenant: String
    var kind: String
    /// Seconds since 1970: in quarantine until then, and the tenant is who had it.
    var until: UInt64?

    /// The last second that a ``Timestamp`` can say, in 2554; later ones count as this.
    private static let untilMax = UInt64.max / 1_000_000_000

    /// Nil for what a newer program wrote, or somebody by hand.
    init?(_ value: [UInt8]) {
        // Who reads it says so, with the key.
        guard let row = try? JSONDecoder().decode(PortRow.self, from: Data(value)) else {
            return nil
        }
        self = row
        self.until = row.until.map { min($0, Self.untilMax) }
    }

    init(_ lease: PortLease, until: UInt64? = nil) {
        self.tenant = lease.tenant
        self.kind = lease.kind.name
        self.until = until
    }

    var lease: PortLease? { PortKind(self.kind).map { PortLease(tenant: self.tenant, kind: $0) } }
}

/// How many ports there are of each sort.
package struct PortCounts: Hashable, Sendable {
    /// Tenants'.
    package var leased: Int
    /// Anybody's who asks.
    package var free: Int
    /// Given back a short while ago.
    package var quarantined: Int
}

/// A port that is leased or in quarantine.
package struct PortListing: Codable, Hashable, Sendable {
    /// The port.
    package var port: UInt16
    /// The router's region.
    package var region: String
    /// `leased` or `quarantined`.
    package var state: String
    /// Who has it, or had it.
    package var tenant: String
    /// What it is or was for.
    package var kind: String
    /// When the quarantine ends, RFC 3339.
    package var until: String?
    /// Why nobody answers there on this router; nil where somebody does.
    package var whyClosed: String?
}
