// A range of addresses. An IPv4 block never holds an IPv6 address, nor the reverse.

/// A block of IP addresses in CIDR notation.
package struct CIDRBlock: Hashable, Sendable, CustomStringConvertible {
    /// The first address; every host bit is 0.
    package let address: IPAddress
    /// How many leading bits count: 0 to 32 for IPv4, 0 to 128 for IPv6.
    package let prefixBits: Int

    /// A block; nil when `prefixBits` is out of range or `address` has host bits set.
    package init?(address: IPAddress, prefixBits: Int) {
        let width = address.isIPv4 ? 32 : 128
        guard (0...width).contains(prefixBits) else { return nil }
        self.address = address
        self.prefixBits = prefixBits
        guard address == Self.masked(address, mappedBits: self.mappedBits) else { return nil }
    }

    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address; nil for anything else, host bits
    /// included.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        switch parts.count {
        case 1: self.init(address: address, prefixBits: address.isIPv4 ? 32 : 128)
        case 2:
            guard (1...3).contains(parts[1].utf8.count),
                parts[1].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
                parts[1].utf8.count == 1 || parts[1].utf8.first != 48, let bits = Int(parts[1])
            else { return nil }
            self.init(address: address, prefixBits: bits)
        default: return nil
        }
    }

    /// Whether `candidate` lies in this block.
    package func contains(_ candidate: IPAddress) -> Bool {
        guard candidate.isIPv4 == self.address.isIPv4 else { return false }
        return Self.masked(candidate, mappedBits: self.mappedBits) == self.address
    }

    /// The form that ``init(_:)`` reads, always with its prefix.
    package var description: String { "\(self.address)/\(self.prefixBits)" }

    /// The prefix within the 128-bit form, where IPv4 lies behind 96 fixed bits.
    private var mappedBits: Int { self.address.isIPv4 ? self.prefixBits + 96 : self.prefixBits }

    private static func masked(_ address: IPAddress, mappedBits: Int) -> IPAddress {
        let high = mappedBits >= 64 ? UInt64.max : Self.mask(mappedBits)
        let low = mappedBits > 64 ? Self.mask(mappedBits - 64) : 0
        return IPAddress(high: address.high & high, low: address.low & low)
    }

    private static func mask(_ bits: Int) -> UInt64 {
        bits == 0 ? 0 : bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits))
    }
}
