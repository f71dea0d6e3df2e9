// The checksum of PROXY v2's header (specification §2.2.4; RFC 4960 appendix B).

/// CRC-32C: polynomial 0x1EDC6F41, reflected.
package enum CRC32C {
    /// The checksum of `bytes`, reading those in `zeroed` as 0.
    ///
    /// - Complexity: O(*n*), a table step a byte.
    package static func checksum(_ bytes: Span<UInt8>, zeroed: Range<Int> = 0..<0) -> UInt32 {
        let table = Self.table
        var sum = UInt32.max
        for index in bytes.indices {
            let byte = zeroed.contains(index) ? 0 : bytes[index]
            sum = sum >> 8 ^ table[Int((sum ^ UInt32(byte)) & 0xFF)]
        }
        return ~sum
    }

    private static let table: [UInt32] = (0..<256).map { (byte: UInt32) in
        (0..<8).reduce(byte) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
    }
}
