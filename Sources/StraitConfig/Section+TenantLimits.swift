// The limits of a tenant and of each of its sources: their keys, and the keys -> their values.

internal import StraitCore

extension Keys {
    /// What stands under `limits` of a tenant.
    static let tenantLimits: [Key] =
        limitSet + [
            Key(
                "per_source", .section(limitSet),
                "The same for each source: an IPv4 address, or an IPv6 /64.")
        ]

    private static let limitSet: [Key] = [
        Key(
            "connections", .integer(0...10_000_000), default: "0",
            "Open connections; 0 is no limit. Beyond, new ones are refused."),
        Key(
            "new_connections_per_second", .integer(0...1_000_000), default: "0",
            "New connections in each second; 0 is no limit. Beyond, they are refused."),
        burst("new_connections_burst", "new_connections_per_second", 1_000_000, "100"),
        Key(
            "handshakes_per_second", .integer(0...1_000_000), default: "0",
            "TLS handshakes that end here; 0 is no limit. Beyond, they are refused."),
        burst("handshakes_burst", "handshakes_per_second", 1_000_000, "100"),
        Key(
            "bytes_per_second_in", .integer(0...bytesMax), default: "0",
            "Bytes from downstreams; 0 is no limit. Beyond, they wait."),
        burst("bytes_burst_in", "bytes_per_second_in", bytesMax, "10000000"),
        Key(
            "bytes_per_second_out", .integer(0...bytesMax), default: "0",
            "Bytes to downstreams; 0 is no limit. Beyond, they wait."),
        burst("bytes_burst_out", "bytes_per_second_out", bytesMax, "10000000"),
    ]

    private static let bytesMax = Int(RateLimit.perSecondMax)

    private static func burst(_ name: String, _ rate: String, _ most: Int, _ example: String) -> Key
    {
        Key(
            name, .integer(1...most), note: "\(rate)", example: example,
            "How many may come at once after a time without any; of bytes at least a 50th.")
    }
}

extension Section {
    /// The limits that this section describes.
    func limitSet() -> LimitSet {
        var limits = LimitSet()
        limits.connections = self.integer("connections") ?? 0
        limits.newConnections = self.rate("new_connections_per_second", "new_connections_burst")
        limits.handshakes = self.rate("handshakes_per_second", "handshakes_burst")
        limits.bytesIn = self.bytes("bytes_per_second_in", "bytes_burst_in")
        limits.bytesOut = self.bytes("bytes_per_second_out", "bytes_burst_out")
        return limits
    }

    private func rate(_ rateName: String, _ burstName: String) -> RateLimit {
        let rate = self.integer(rateName) ?? 0
        let burst = self.integer(burstName)
        if burst != nil, rate == 0 {
            self.report(
                .keyNeedsAnother, burstName, found: "\(burstName) without \(rateName)",
                expected: "both", remedy: "add \(rateName), or take \(burstName) out")
        }
        guard rate > 0 else { return .none }
        return RateLimit(perSecond: UInt64(rate), burst: UInt64(burst ?? rate))
    }

    /// What waits is looked at every 10 ms: no less may come at once than comes in two of these.
    private func bytes(_ rateName: String, _ burstName: String) -> RateLimit {
        let limit = self.rate(rateName, burstName)
        return RateLimit(
            perSecond: limit.perSecond, burst: max(limit.burst, limit.perSecond / 50))
    }
}
