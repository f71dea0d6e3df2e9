// Addresses in one canonical form: an IPv4-mapped IPv6 address and the IPv4 address are the same
// value.

/// An IPv4 or IPv6 address.
///
/// `::ffff:a.b.c.d` is the IPv4 address `a.b.c.d` (RFC 4291 §2.5.5.2).
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// The first 64 bits in network order; 0 for IPv4.
    package let high: UInt64
    /// The last 64 bits in network order; `0xFFFF` and the four bytes for IPv4.
    package let low: UInt64

    /// An address from its 128 bits in network order.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The IPv4 address `first.second.third.fourth`.
    package init(v4 first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        self.init(
            v4: UInt32(first) << 24 | UInt32(second) << 16 | UInt32(third) << 8 | UInt32(fourth))
    }

    /// The IPv4 address whose 32 bits, most significant first, are `bits`.
    package init(v4 bits: UInt32) {
        self.high = 0
        self.low = 0xFFFF_0000_0000 | UInt64(bits)
    }

    /// Whether this is an IPv4 address, mapped or not.
    package var isIPv4: Bool { self.high == 0 && self.low >> 32 == 0xFFFF }

    /// The four bytes of an IPv4 address as one number; meaningless for IPv6.
    package var v4Bits: UInt32 { UInt32(truncatingIfNeeded: self.low) }

    /// Whether the address is 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        self.isIPv4 ? self.v4Bits >> 24 == 127 : self.high == 0 && self.low == 1
    }

    /// Whether it can stand for one machine: not of 0.0.0.0/8 or `::`, and not
    /// multicast, reserved or broadcast (RFC 6890, RFC 4291 §2.7).
    package var isUnicast: Bool {
        guard self.isIPv4 else {
            return self.high >> 56 != 0xFF && !(self.high == 0 && self.low == 0)
        }
        return (1..<224).contains(self.v4Bits >> 24)
    }

    /// Reads the strict textual forms: dotted decimal without leading zeros, and RFC 4291 §2.2 for
    /// IPv6.
    ///
    /// Zone ids, ports, brackets and octal are refused.
    package init?(_ text: some StringProtocol) {
        self.init(ascii: Array(text.utf8).span)
    }

    /// The same for bytes, without allocating.
    package init?(ascii text: Span<UInt8>) {
        guard text.count <= Self.textBytesMax else { return nil }
        for index in text.indices where text[index] == UInt8(ascii: ":") {
            guard let address = Self.parseIPv6(text) else { return nil }
            self = address
            return
        }
        guard let bits = Self.parseIPv4(text, in: 0..<text.count) else { return nil }
        self.init(v4: bits)
    }

    /// The longest textual form: six groups of four digits and a dotted IPv4 address.
    private static let textBytesMax = 45

    /// Dotted decimal for IPv4; RFC 5952 for IPv6.
    package var description: String {
        if self.isIPv4 { return Self.dotted(self.v4Bits) }
        let groups = (0..<8).map { index -> UInt16 in
            let word = index < 4 ? self.high : self.low
            return UInt16(truncatingIfNeeded: word >> UInt64(48 - 16 * (index % 4)))
        }
        guard let gap = Self.longestZeroRun(groups) else {
            return groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let head = groups[..<gap.lowerBound].map { String($0, radix: 16) }.joined(separator: ":")
        let tail = groups[gap.upperBound...].map { String($0, radix: 16) }.joined(separator: ":")
        return head + "::" + tail
    }

    private static func dotted(_ bits: UInt32) -> String {
        "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)"
    }

    /// The first longest run of two or more zero groups, RFC 5952 §4.2.
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            guard groups[start] == 0 else {
                start += 1
                continue
            }
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > (best?.count ?? 0) { best = start..<end }
            start = end
        }
        return best
    }

    private static func parseIPv4(_ text: Span<UInt8>, in range: Range<Int>) -> UInt32? {
        var bits: UInt32 = 0
        var octet: UInt32 = 0
        var digits = 0
        var dots = 0
        for index in range {
            let byte = text[index]
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                bits = bits << 8 | octet
                octet = 0
                digits = 0
                dots += 1
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            guard digits == 0 || octet > 0 else { return nil }  // a leading zero
            octet = octet * 10 + UInt32(byte - UInt8(ascii: "0"))
            guard octet <= 255 else { return nil }
            digits += 1
        }
        guard dots == 3, digits > 0 else { return nil }
        return bits << 8 | octet
    }

    /// Groups are shifted in from the right; what stands before `::` is moved to the front at the
    /// end.
    private static func parseIPv6(_ text: Span<UInt8>) -> IPAddress? {
        var groups = Groups()
        var groupsBeforeGap: Int?
        var index = 0
        if text.count >= 2, text[0] == UInt8(ascii: ":"), text[1] == UInt8(ascii: ":") {
            groupsBeforeGap = 0
            index = 2
        }
        while index < text.count {
            let start = index
            var value: UInt32 = 0
            while index < text.count, let digit = Self.hexDigit(text[index]) {
                guard index - start < 4 else { return nil }
                value = value << 4 | digit
                index += 1
            }
            if index < text.count, text[index] == UInt8(ascii: ".") {
                guard let bits = Self.parseIPv4(text, in: start..<text.count) else { return nil }
                guard groups.append(bits >> 16), groups.append(bits & 0xFFFF) else { return nil }
                break
            }
            guard index > start, groups.append(value) else { return nil }
            guard index < text.count else { break }
            guard text[index] == UInt8(ascii: ":") else { return nil }
            index += 1
            guard index < text.count else { return nil }  // a single trailing colon
            guard text[index] == UInt8(ascii: ":") else { continue }
            guard groupsBeforeGap == nil else { return nil }
            groupsBeforeGap = groups.count
            index += 1
        }
        return groups.address(groupsBeforeGap: groupsBeforeGap)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    /// Up to eight groups of 16 bits.
    private struct Groups {
        var count = 0
        private var bits: UInt128 = 0

        /// Appends a group; false when there are eight already.
        mutating func append(_ group: UInt32) -> Bool {
            guard self.count < 8 else { return false }
            self.bits = self.bits << 16 | UInt128(group)
            self.count += 1
            return true
        }

        /// The address, where `groupsBeforeGap` groups stand before a `::` that stands for one or
        /// more.
        func address(groupsBeforeGap: Int?) -> IPAddress? {
            guard let groupsBeforeGap else {
                guard self.count == 8 else { return nil }
                return Self.address(self.bits)
            }
            guard self.count <= 7 else { return nil }
            let tailBits = UInt128(16 * (self.count - groupsBeforeGap))
            let tail = self.bits & ((1 << tailBits) - 1)
            let head = self.bits >> tailBits
            guard groupsBeforeGap > 0 else { return Self.address(tail) }
            return Self.address(head << UInt128(128 - 16 * groupsBeforeGap) | tail)
        }

        private static func address(_ bits: UInt128) -> IPAddress {
            IPAddress(
                high: UInt64(truncatingIfNeeded: bits >> 64), low: UInt64(truncatingIfNeeded: bits))
        }
    }
}
