// What `/webapi/whoami` says: how the asking side looks from here.

package import StraitCore

/// The answer of `/webapi/whoami`.
package struct WhoAmIAnswer: Encodable, Hashable, Sendable {
    /// Whether a pin would match.
    package struct Pin: Encodable, Hashable, Sendable {
        /// As it was understood.
        var blocks: [String]
        /// Whether the address lies in one of them.
        var matches: Bool
    }

    /// Nil where a proxy in front did not say.
    var address: String?
    var port: UInt16?
    /// `ipv4` or `ipv6`.
    var family: String?
    var tenant: String
    var region: String
    var router: String
    /// The id that records and refusals carry.
    var connection: String
    var pin: Pin?

    /// - Parameters:
    ///   - source: Who asks.
    ///   - region: Of this router.
    ///   - router: Its name.
    ///   - pin: What the address is compared with; empty: nothing was asked.
    package init(_ source: WebAPISource, region: String, router: String, pin: [CIDRBlock]) {
        self.address = source.address?.description
        self.port = source.address == nil ? nil : source.port
        self.family = source.address.map { $0.isIPv4 ? "ipv4" : "ipv6" }
        self.tenant = source.tenant
        self.region = region
        self.router = router
        self.connection = source.connection
        guard !pin.isEmpty else { return }
        self.pin = Pin(
            blocks: pin.map(\.description),
            matches: source.address.map { address in pin.contains { $0.contains(address) } }
                ?? false
        )
    }
}
