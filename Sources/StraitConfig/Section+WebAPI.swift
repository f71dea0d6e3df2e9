// The keys of `webapi`: what tenants' own names answer over HTTPS.

package import StraitCore

extension Keys {
    static let webAPI: [Key] = [
        Key(
            "enabled", .flag, default: "true",
            "Whether a tenant's own name answers `/webapi`; else HTTPS leads nowhere there."),
        Key(
            "public_addresses", .list(of: .address, 1...256),
            note: "those that listeners are bound to, but for [::] and 0.0.0.0",
            example: "[203.0.113.7, \"2001:db8::7\"]",
            "Addresses by which this router is reached, for `/webapi/ips`."),
        Key(
            "requests_per_second", .integer(1...1_000_000),
            default: "\(Limits.webAPIRequestsPerSecond)",
            "Requests from one IPv4 address or IPv6 /64, and 5 times that at once; beyond, 429."),
    ]
}

extension Configuration {
    /// What tenants' own names answer over HTTPS.
    package struct WebAPISettings: Sendable, Equatable {
        /// Whether they answer.
        package var isEnabled: Bool
        /// Addresses by which this router is reached; none: those that listeners are bound to.
        package var publicAddresses: [IPAddress]
        /// Requests from one source; see ``Limits/webAPIRequestsPerSecond``.
        package var requestsPerSecond: Int
    }
}

extension Section {
    func webAPI() -> Configuration.WebAPISettings {
        Configuration.WebAPISettings(
            isEnabled: self.flag("enabled") ?? true,
            publicAddresses: self.addresses("public_addresses"),
            requestsPerSecond: self.integer("requests_per_second")
                ?? Limits.webAPIRequestsPerSecond)
    }
}
