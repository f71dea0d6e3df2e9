// What `/webapi/ips` says: the addresses by which a region's routers are reached, for lists of
// addresses that firewalls let pass.

package import StraitControl
internal import StraitCore

/// The answer of `/webapi/ips`.
package struct AddressesAnswer: Encodable, Hashable, Sendable {
    /// An address.
    package struct Address: Encodable, Hashable, Sendable {
        var address: String
        var router: String
        /// Since when its process has it, RFC 3339.
        var since: String
    }

    var region: String
    var ipv4: [Address]
    var ipv6: [Address]

    /// - Parameters:
    ///   - region: Of the routers.
    ///   - addresses: In their order.
    package init(region: String, addresses: [PublicAddress]) {
        func list(_ isIPv4: Bool) -> [Address] {
            addresses.filter { $0.address.isIPv4 == isIPv4 }.map {
                Address(address: $0.address.description, router: $0.router, since: $0.since)
            }
        }
        self.region = region
        self.ipv4 = list(true)
        self.ipv6 = list(false)
    }
}
