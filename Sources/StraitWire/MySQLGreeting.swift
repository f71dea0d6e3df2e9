// What both sides of a MySQL connection say first: HandshakeV10 of the server; SSLRequest and
// HandshakeResponse41 of who dialled.

private import StraitCore

/// A server's HandshakeV10.
package struct MySQLGreeting: Hashable, Sendable {
    /// What the server can do.
    package let capabilities: MySQLCapabilities
    /// Where the byte with CLIENT_SSL lies.
    private let tlsByte: Int

    /// - Parameters:
    ///   - input: What came.
    ///   - payload: Where the greeting lies in it, without the packet's header.
    /// - Throws: ``ParseError`` where it is cut, of another protocol, or older than 2003.
    package init(_ input: Span<UInt8>, in payload: Range<Int>) throws(ParseError) {
        var body = ByteReader(input, in: payload)
        guard try body.uint8(.legacyVersion) == 10 else { throw .malformed(.legacyVersion) }
        _ = try body.textBeforeNUL(.legacyVersion)
        try body.bytes(4 + 8 + 1, .random)  // connection id, first part of the scramble, filler
        self.tlsByte = body.offset + 1
        let low = try body.littleUInt16(.capabilities)
        try body.bytes(1 + 2, .capabilities)  // character set, status
        let high = try body.littleUInt16(.capabilities)
        self.capabilities = MySQLCapabilities(rawValue: UInt32(high) << 16 | UInt32(low))
        guard self.capabilities.contains(.protocol41) else { throw .malformed(.capabilities) }
        let scrambleBytes = Int(try body.uint8(.random))
        try body.bytes(10, .random)  // reserved
        guard self.capabilities.contains(.authenticationLength) else { return }
        try body.bytes(max(13, scrambleBytes - 8), .random)
    }

    /// The packet `packet`, of which this is the payload, with CLIENT_SSL switched.
    package func packet(_ packet: [UInt8], offersTLS: Bool) -> [UInt8] {
        switchTLS(offersTLS, at: self.tlsByte, in: packet)
    }
}

/// The beginning of a HandshakeResponse41, which is all of an SSLRequest.
package struct MySQLResponse: Hashable, Sendable {
    /// Capabilities, packet size, character set and filler: the whole of an SSLRequest.
    package static let beginningBytes = 32

    /// What the dialler can do and wants.
    package let capabilities: MySQLCapabilities
    /// Whether nothing follows: an SSLRequest, or no answer at all.
    package let isBeginningOnly: Bool
    private let payload: Range<Int>

    /// - Parameters:
    ///   - input: What came.
    ///   - payload: Where the response lies in it, without the packet's header.
    /// - Throws: ``ParseError`` where it is cut, or older than 2003.
    package init(_ input: Span<UInt8>, in payload: Range<Int>) throws(ParseError) {
        var body = ByteReader(input, in: payload)
        self.payload = payload
        self.isBeginningOnly = payload.count == Self.beginningBytes
        self.capabilities = MySQLCapabilities(rawValue: try body.littleUInt32(.capabilities))
        guard self.capabilities.contains(.protocol41) else { throw .malformed(.capabilities) }
        try body.bytes(Self.beginningBytes - 4, .capabilities)
    }

    /// The packet `packet`, of which this is the payload, with CLIENT_SSL switched.
    package func packet(_ packet: [UInt8], asksForTLS: Bool) -> [UInt8] {
        switchTLS(asksForTLS, at: self.payload.lowerBound + 1, in: packet)
    }

    /// How the dialler answers to the scramble.
    package struct Credentials: Hashable, Sendable {
        /// Where the answer lies: mostly a hash.
        package let authentication: Range<Int>
        /// Where the plugin's name lies that made it; nil where none is named.
        package let plugin: Range<Int>?
    }

    /// What follows in the same `input`.
    ///
    /// - Throws: ``ParseError`` where lengths do not add up.
    package func credentials(_ input: Span<UInt8>) throws(ParseError) -> Credentials {
        var body = ByteReader(input, in: self.payload)
        try body.bytes(Self.beginningBytes, .capabilities)
        _ = try body.textBeforeNUL(.parameters)
        let authentication: Range<Int>
        if self.capabilities.contains(.authenticationLongLength) {
            authentication = try body.bytes(try Self.length(&body), .key)
        } else if self.capabilities.contains(.authenticationLength) {
            authentication = try body.vector(lengthBytes: 1, in: 0...255, .key)
        } else {
            authentication = try body.textBeforeNUL(.key)
        }
        if self.capabilities.contains(.database), !body.isAtEnd {
            _ = try body.textBeforeNUL(.parameters)
        }
        guard self.capabilities.contains(.plugin), !body.isAtEnd else {
            return Credentials(authentication: authentication, plugin: nil)
        }
        return Credentials(
            authentication: authentication, plugin: try body.lastText(.parameters))
    }

    /// A length-encoded integer, as far as it makes sense here.
    private static func length(_ body: inout ByteReader) throws(ParseError) -> Int {
        switch try body.uint8(.length) {
        case let short where short < 0xFB: return Int(short)
        case 0xFC: return Int(try body.littleUInt16(.length))
        case 0xFD:
            let low = try body.littleUInt16(.length)
            return Int(try body.uint8(.length)) << 16 | Int(low)
        default: throw .malformed(.length)
        }
    }
}

private func switchTLS(_ isOn: Bool, at place: Int, in packet: [UInt8]) -> [UInt8] {
    var packet = packet
    if isOn {
        packet[place] |= MySQLCapabilities.tlsInSecondByte
    } else {
        packet[place] &= ~MySQLCapabilities.tlsInSecondByte
    }
    return packet
}
