// Host names in one canonical form, so that equal names are equal bytes wherever they came from.

/// A DNS host name in canonical form: lower-case ASCII, no trailing dot, 1 to 253 bytes.
///
/// Labels have 1 to 63 bytes of letters, digits, hyphens and underscores and neither start nor end
/// with a hyphen. An IP literal is no host name (RFC 6066 §3); names beyond ASCII come as A-labels
/// (RFC 5890).
package struct HostName: Hashable, Sendable, CustomStringConvertible {
    /// The canonical bytes.
    package let bytes: [UInt8]

    /// Why bytes are no host name.
    package enum Problem: Error, Hashable, Sendable {
        case empty, tooLong, emptyLabel, labelTooLong, hyphenAtEdge, forbiddenByte, addressLiteral
    }

    /// Folds case, strips one trailing dot and checks every label.
    ///
    /// - Throws: the first ``Problem`` found.
    package init(canonicalizing name: Span<UInt8>) throws(Problem) {
        guard !name.isEmpty else { throw .empty }
        let end = name[name.count - 1] == UInt8(ascii: ".") ? name.count - 1 : name.count
        guard end > 0 else { throw .emptyLabel }
        guard end <= Self.bytesMax else { throw .tooLong }
        var canonical: [UInt8] = []
        canonical.reserveCapacity(end)
        var labelStart = 0
        for index in 0..<end {
            let byte = name[index]
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): canonical.append(byte | 0x20)
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                canonical.append(byte)
            case UInt8(ascii: "."):
                try Self.checkLabel(canonical[labelStart..<index])
                canonical.append(byte)
                labelStart = index + 1
            default: throw .forbiddenByte
            }
        }
        try Self.checkLabel(canonical[labelStart..<end])
        guard !Self.isNumber(canonical[labelStart..<end]) else { throw .addressLiteral }
        self.bytes = canonical
    }

    /// The same for text; nil when it is no host name.
    package init?(_ text: String) {
        do throws(Problem) {
            try self.init(canonicalizing: Array(text.utf8).span)
        } catch {
            return nil
        }
    }

    /// The longest host name, RFC 1035 §2.3.4 without the root label.
    package static let bytesMax = 253

    /// The canonical bytes as text.
    package var description: String { String(decoding: self.bytes, as: UTF8.self) }

    /// A last label of digits only, or of `0x` and hexadecimal digits, makes the name an IPv4
    /// address to some resolvers (WHATWG URL, "ends in a number").
    private static func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
        let isDecimal = label.allSatisfy { (0x30...0x39).contains($0) }
        return isDecimal
            || label.starts(with: "0x".utf8)
                && label.dropFirst(2).allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x66).contains($0)
                }
    }

    private static func checkLabel(_ label: ArraySlice<UInt8>) throws(Problem) {
        guard let first = label.first, let last = label.last else { throw .emptyLabel }
        guard label.count <= 63 else { throw .labelTooLong }
        guard first != UInt8(ascii: "-"), last != UInt8(ascii: "-") else { throw .hyphenAtEdge }
    }
}
