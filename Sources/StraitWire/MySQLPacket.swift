// MySQL's packets: a length, a sequence id, a payload. Numbers are little-endian. MySQL Internals,
// "Protocol Basics"; MariaDB speaks the same.

private import StraitCore

/// Where one whole packet lies.
package struct MySQLPacket: Hashable, Sendable {
    /// What the bytes so far amount to.
    package enum Outcome: Hashable, Sendable {
        case needMore
        /// The announced length is beyond the bound.
        ///
        /// So a payload of 0xFFFFFF bytes or more, which goes on in the next packet, is none that
        /// is read here.
        case malformed
        case done(MySQLPacket)
    }

    /// Length and sequence id.
    package static let headerBytes = 4

    /// One more than that of the packet before, modulo 256; each command begins with 0.
    package let sequence: UInt8
    /// Offsets into the input.
    package let payload: Range<Int>

    /// How many bytes of the input it takes.
    package var length: Int { self.payload.upperBound }

    /// Reads the packet at the start of `input`.
    ///
    /// - Complexity: O(1).
    package static func read(_ input: Span<UInt8>, payloadBytesMax: Int) -> Outcome {
        guard let header = MySQLPacketHeader(input) else { return .needMore }
        guard header.payloadBytes <= payloadBytesMax else { return .malformed }
        let end = Self.headerBytes + header.payloadBytes
        guard input.count >= end else { return .needMore }
        return .done(MySQLPacket(sequence: header.sequence, payload: Self.headerBytes..<end))
    }
}

/// The first four bytes of a packet.
package struct MySQLPacketHeader: Hashable, Sendable {
    /// 0 to 0xFFFFFF.
    package let payloadBytes: Int
    /// As ``MySQLPacket/sequence``.
    package let sequence: UInt8

    /// - Parameters:
    ///   - payloadBytes: 0 to 0xFFFFFF.
    ///   - sequence: The packet's number.
    package init(payloadBytes: Int, sequence: UInt8) {
        self.payloadBytes = payloadBytes
        self.sequence = sequence
    }

    /// The header at the start of `input`; nil while it is not whole.
    package init?(_ input: Span<UInt8>) {
        guard input.count >= MySQLPacket.headerBytes else { return nil }
        self.payloadBytes = Int(input[0]) | Int(input[1]) << 8 | Int(input[2]) << 16
        self.sequence = input[3]
    }

    /// The four bytes.
    package var encoded: [UInt8] {
        precondition((0...0xFF_FFFF).contains(self.payloadBytes), "a length of three bytes")
        return (0..<3).map { UInt8(truncatingIfNeeded: self.payloadBytes >> (8 * $0)) }
            + [self.sequence]
    }
}

/// What the sides of a connection can do, as both greet each other with.
///
/// Only the flags that are looked at have a name.
package struct MySQLCapabilities: Hashable, Sendable {
    /// One bit a capability.
    package let rawValue: UInt32
    /// Bits that are not named here are kept.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Whether all of `other` are there.
    package func contains(_ other: MySQLCapabilities) -> Bool {
        self.rawValue & other.rawValue == other.rawValue
    }

    /// CLIENT_CONNECT_WITH_DB.
    package static let database = MySQLCapabilities(rawValue: 1 << 3)
    /// CLIENT_PROTOCOL_41: since 2003 (MySQL 4.1).
    package static let protocol41 = MySQLCapabilities(rawValue: 1 << 9)
    /// CLIENT_SSL.
    package static let tls = MySQLCapabilities(rawValue: 1 << 11)
    /// CLIENT_SECURE_CONNECTION, of late CLIENT_RESERVED2: a length before the authentication.
    package static let authenticationLength = MySQLCapabilities(rawValue: 1 << 15)
    /// CLIENT_PLUGIN_AUTH.
    package static let plugin = MySQLCapabilities(rawValue: 1 << 19)
    /// CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA.
    package static let authenticationLongLength = MySQLCapabilities(rawValue: 1 << 21)

    /// Of the byte that holds CLIENT_SSL, the second of the flags, the bit.
    static let tlsInSecondByte: UInt8 = 1 << 3
}

extension ByteReader {
    /// Reads two bytes, least significant first.
    mutating func littleUInt16(_ field: WireField) throws(ParseError) -> UInt16 {
        try self.uint16(field).byteSwapped
    }

    /// Reads four bytes, least significant first.
    mutating func littleUInt32(_ field: WireField) throws(ParseError) -> UInt32 {
        try self.uint32(field).byteSwapped
    }

    /// Steps over what ends with NUL, and the NUL; returns where the text lies.
    mutating func textBeforeNUL(_ field: WireField) throws(ParseError) -> Range<Int> {
        let start = self.offset
        while try self.uint8(field) != 0 {}
        return start..<(self.offset - 1)
    }

    /// The same for the last field, whose NUL some leave out.
    mutating func lastText(_ field: WireField) throws(ParseError) -> Range<Int> {
        let start = self.offset
        while !self.isAtEnd {
            if try self.uint8(field) == 0 { return start..<(self.offset - 1) }
        }
        return start..<self.offset
    }
}
