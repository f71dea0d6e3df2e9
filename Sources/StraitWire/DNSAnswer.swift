// What a DNS answer (RFC 1035 §4) gives for a name: its addresses, and how long they may be used.
//
// The resolver that is asked has followed every alias, and is trusted to answer what was asked: so
// owners of records are not compared, no compressed name is ever followed, and none can loop.

package import StraitCore

/// Why bytes are no answer that gives addresses.
package enum DNSProblem: Error, Hashable, Sendable {
    /// A field reaches beyond the end, or a label is none.
    case malformed
    /// A question.
    case noAnswer
    /// The server's code (RFC 1035 §4.1.1, RCODE) is not 0: 3 is "no such name".
    case refused(code: UInt8)
}

/// The addresses of one answer; those that cannot stand for one machine are left out.
package struct DNSAnswer: Hashable, Sendable {
    /// In the order of the answer, each once; at most ``Limits/upstreamAddressesMax``.
    package let addresses: [IPAddress]
    /// The least lifetime of the records that led to them, aliases included; 0 without any.
    package let lifetimeSeconds: UInt32

    /// - Parameter message: One whole message.
    /// - Throws: Why it gives nothing.
    /// - Complexity: O(*n*).
    package init(message: Span<UInt8>) throws(DNSProblem) {
        guard message.count >= Self.headerBytes else { throw .malformed }
        guard message[2] & 0x80 != 0 else { throw .noAnswer }  // QR
        let code = message[3] & 0x0F
        guard code == 0 else { throw .refused(code: code) }
        var place = Self.headerBytes
        for _ in 0..<Self.number16(message, 4) {
            place = try Self.endOfName(message, place) + 4  // type, class
        }
        var found: [IPAddress] = []
        var lifetime = UInt32.max
        for _ in 0..<Self.number16(message, 6) {
            let start = try Self.endOfName(message, place)
            guard start + 10 <= message.count else { throw .malformed }
            let type = Self.number16(message, start)
            let isInternet = Self.number16(message, start + 2) == 1
            let data = start + 10
            place = data + Self.number16(message, start + 8)
            guard place <= message.count else { throw .malformed }
            guard isInternet, Self.leadsToAddress(type) else { continue }
            lifetime = min(lifetime, Self.lifetime(message, start + 4))
            guard let address = Self.address(message, type, data..<place) else {
                guard type == Self.alias else { throw .malformed }
                continue
            }
            if !found.contains(address), found.count < Limits.upstreamAddressesMax {
                if address.isUnicast { found.append(address) }
            }
        }
        self.addresses = found
        self.lifetimeSeconds = found.isEmpty ? 0 : lifetime
    }

    private static let headerBytes = 12
    // RFC 1035 §3.2.2, RFC 3596 §2.1.
    private static let ipv4 = 1
    private static let alias = 5
    private static let ipv6 = 28
    /// RFC 1035 §2.3.4.
    private static let nameBytesMax = 255

    private static func leadsToAddress(_ type: Int) -> Bool {
        type == Self.ipv4 || type == Self.alias || type == Self.ipv6
    }

    /// Where a name ends that begins at `place`: behind its root, or behind a pointer.
    private static func endOfName(
        _ message: Span<UInt8>, _ place: Int
    ) throws(DNSProblem) -> Int {
        var place = place
        let start = place
        while place < message.count, place - start < Self.nameBytesMax {
            let length = Int(message[place])
            switch length {
            case 0: return place + 1
            case 1..<64: place += 1 + length
            case 0xC0...0xFF:
                guard place + 2 <= message.count else { throw .malformed }
                return place + 2
            default: throw .malformed
            }
        }
        throw .malformed
    }

    private static func address(
        _ message: Span<UInt8>, _ type: Int, _ data: Range<Int>
    ) -> IPAddress? {
        func number(_ range: Range<Int>) -> UInt64 {
            range.reduce(0) { $0 << 8 | UInt64(message[$1]) }
        }
        switch (type, data.count) {
        case (Self.ipv4, 4): return IPAddress(v4: UInt32(number(data)))
        case (Self.ipv6, 16):
            let middle = data.lowerBound + 8
            return IPAddress(
                high: number(data.lowerBound..<middle), low: number(middle..<data.upperBound))
        default: return nil
        }
    }

    /// RFC 2181 §8: a lifetime with its highest bit set is 0.
    private static func lifetime(_ message: Span<UInt8>, _ place: Int) -> UInt32 {
        let seconds =
            UInt32(Self.number16(message, place)) << 16 | UInt32(Self.number16(message, place + 2))
        return seconds >> 31 == 0 ? seconds : 0
    }

    /// The callers have seen that both bytes are there.
    private static func number16(_ message: Span<UInt8>, _ place: Int) -> Int {
        Int(message[place]) << 8 | Int(message[place + 1])
    }
}
