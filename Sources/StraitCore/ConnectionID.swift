// The one id by which downstream, operator, upstream and log speak of the same connection.

/// Identifies one connection, in error texts, access records, PROXY TLVs and `strait explain`.
///
/// 64 bits: the worker that holds it (8), then a number that this process does not repeat. Written
/// as `c-` and 13 characters of Crockford's base 32, lower case: `c-0e9m3kq7xw2ab`.
package struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// The 64 bits.
    package let rawValue: UInt64

    /// - Parameter rawValue: The 64 bits.
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - worker: The index of the worker, kept in the top 8 bits.
    ///   - number: A number that the worker does not repeat; the low 56 bits are kept.
    package init(worker: UInt8, number: UInt64) {
        self.rawValue = UInt64(worker) << 56 | (number & 0x00FF_FFFF_FFFF_FFFF)
    }

    /// Reads the form that ``description`` writes; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count == Self.textBytes, bytes[0] == UInt8(ascii: "c"),
            bytes[1] == UInt8(ascii: "-")
        else { return nil }
        var value: UInt64 = 0
        for (position, byte) in bytes[2...].enumerated() {
            guard let digit = Self.digits.firstIndex(of: byte) else { return nil }
            // 13 digits of 5 bits hold one bit too many.
            guard position > 0 || digit < 16 else { return nil }
            value = value << 5 | UInt64(digit)
        }
        self.rawValue = value
    }

    /// The worker that holds the connection.
    package var worker: UInt8 { UInt8(self.rawValue >> 56) }

    /// How many bytes the text form has.
    package static let textBytes = 15

    /// The text form's bytes, for writers that allocate nothing else.
    package var textBytes: [UInt8] {
        var text: [UInt8] = [UInt8(ascii: "c"), UInt8(ascii: "-")]
        text.reserveCapacity(Self.textBytes)
        for shift in stride(from: 60, through: 0, by: -5) {
            text.append(Self.digits[Int(self.rawValue >> UInt64(shift) & 31)])
        }
        return text
    }

    /// `c-` and 13 digits.
    package var description: String { String(decoding: self.textBytes, as: UTF8.self) }

    private static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
}
