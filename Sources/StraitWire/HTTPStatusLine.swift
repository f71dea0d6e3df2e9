// The first line of an HTTP/1 answer (RFC 9112 §4), for checks of upstreams: whether it is one, and
// its status.

/// The status of an HTTP/1 answer.
package enum HTTPStatusLine {
    /// What the bytes so far amount to.
    package enum Outcome: Hashable, Sendable {
        case needMore
        case malformed
        /// A status of three digits, 100 to 999.
        case done(UInt16)
    }

    /// Reads `HTTP/1.x NNN` and the byte behind it, which ends the status.
    ///
    /// - Parameter input: Everything received so far.
    /// - Returns: The same for the same first 13 bytes, whatever follows.
    package static func read(_ input: Span<UInt8>) -> Outcome {
        for index in 0..<min(input.count, Self.bytes) where !Self.allows(input[index], at: index) {
            return .malformed
        }
        guard input.count >= Self.bytes else { return .needMore }
        return .done(
            (9..<12).reduce(0) { $0 * 10 + UInt16(input[$1] - UInt8(ascii: "0")) })
    }

    private static let version = Array("HTTP/1.".utf8)
    private static let bytes = 13

    private static func allows(_ byte: UInt8, at index: Int) -> Bool {
        switch index {
        case 0..<7: byte == Self.version[index]
        case 8: byte == UInt8(ascii: " ")
        case 9: (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(byte)
        case 12: byte == 0x20 || byte == 0x0D || byte == 0x0A  // SP, CR, LF
        default: (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
    }
}
