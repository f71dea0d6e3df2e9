// Reading a PROXY header. Mandatory or absent by the listener's policy, never guessed: see
// `Outcome`.

private import StraitCore

/// What is wrong with a PROXY header.
package enum ProxyProblem: Error, Hashable, Sendable {
    /// A line of version 1 without CR LF in its first 107 bytes, or a header of version 2 beyond
    /// ``Limits/proxyV2BytesMax``.
    case tooLong
    /// A CR or LF of version 1 that is not CR LF at the line's end.
    case lineEnd
    /// Not `TCP4`, `TCP6` or `UNKNOWN`.
    case family
    /// Not the fields of the specification, each behind one space.
    case fields
    /// No address in strict notation, or not of the line's family.
    case address
    /// No decimal number of 0 to 65535 in strict notation.
    case port
    /// Not version 2, or neither LOCAL nor PROXY.
    case versionOrCommand(UInt8)
    /// A family and transport that version 2 does not know.
    case familyOrTransport(UInt8)
    /// Fewer bytes than the family's addresses take.
    case length(Int)
    /// TLVs that do not add up, or one whose value is none of its type.
    case tlv(UInt8)
    /// A CRC32C that is wrong, or comes twice.
    case checksum
}

extension ProxyHeader {
    /// What the bytes so far amount to.
    package enum Outcome: Hashable, Sendable {
        /// A good beginning of a header.
        case needMore
        /// The first bytes begin no header of either version.
        case absent
        /// A header was begun, and is none.
        case malformed(ProxyProblem)
        /// A whole header of `length` bytes; what follows is not part of it.
        case done(ProxyHeader, length: Int)
    }

    /// Reads a header of either version at the start of `input`.
    ///
    /// - Parameter input: Everything received so far.
    /// - Returns: The header, or what the bytes amount to without one.
    /// - Complexity: O(header). Allocates only where the header carries TLVs.
    package static func read(_ input: Span<UInt8>) -> Outcome {
        guard !input.isEmpty else { return .needMore }
        let isV2 = input[0] == Self.signatureV2[0]
        let beginning = isV2 ? Self.signatureV2 : Self.tokenV1
        for index in 0..<min(input.count, beginning.count) where input[index] != beginning[index] {
            return .absent
        }
        guard input.count >= beginning.count else { return .needMore }
        do throws(ProxyProblem) {
            return isV2 ? try Self.readV2(input) : try Self.readV1(input)
        } catch {
            return .malformed(error)
        }
    }

    // MARK: Version 1, specification §2.1

    private static func readV1(_ input: Span<UInt8>) throws(ProxyProblem) -> Outcome {
        guard let end = try Self.lineEnd(input) else { return .needMore }
        var line = Fields(end: end, offset: Self.tokenV1.count)
        let family = line.next(input)
        if Self.equals(input, family, Self.unknown) {
            // The rest of the line is to be ignored.
            return .done(ProxyHeader(command: .local), length: end + 2)
        }
        let isIPv4 = Self.equals(input, family, Self.tcp4)
        guard isIPv4 || Self.equals(input, family, Self.tcp6) else { throw .family }
        let texts = (line.next(input), line.next(input), line.next(input), line.next(input))
        guard let source = texts.0, let destination = texts.1, let sourcePort = texts.2,
            let destinationPort = texts.3, line.isAtEnd
        else { throw .fields }
        let from = try Self.address(input, source, isIPv4: isIPv4)
        let to = try Self.address(input, destination, isIPv4: isIPv4)
        let header = ProxyHeader(
            command: .proxy, source: .ip(from, port: try Self.port(input, sourcePort)),
            destination: .ip(to, port: try Self.port(input, destinationPort)))
        return .done(header, length: end + 2)
    }

    /// Where CR LF begins; nil when it has not come yet.
    ///
    /// A bare CR or LF is refused, also behind UNKNOWN: another receiver might take it for the end.
    private static func lineEnd(_ input: Span<UInt8>) throws(ProxyProblem) -> Int? {
        for index in 0..<min(input.count, Limits.proxyV1BytesMax) {
            switch input[index] {
            case UInt8(ascii: "\n"):
                throw .lineEnd
            case UInt8(ascii: "\r"):
                guard index + 1 < Limits.proxyV1BytesMax else { throw .tooLong }
                guard index + 1 < input.count else { return nil }
                guard input[index + 1] == UInt8(ascii: "\n") else { throw .lineEnd }
                return index
            default: break
            }
        }
        guard input.count < Limits.proxyV1BytesMax else { throw .tooLong }
        return nil
    }

    /// Walks the fields of a line, each ended by one space or the line's end.
    private struct Fields {
        let end: Int
        /// Beyond ``end`` when the last field was read.
        var offset: Int

        var isAtEnd: Bool { self.offset > self.end }

        /// Where the next field lies; nil when there is none, empty when two spaces follow each
        /// other.
        mutating func next(_ input: Span<UInt8>) -> Range<Int>? {
            guard !self.isAtEnd else { return nil }
            let start = self.offset
            var index = start
            while index < self.end, input[index] != UInt8(ascii: " ") { index += 1 }
            self.offset = index + 1
            return start..<index
        }
    }

    private static func equals(_ input: Span<UInt8>, _ range: Range<Int>?, _ known: [UInt8]) -> Bool
    {
        guard let range, range.count == known.count else { return false }
        for index in 0..<known.count where input[range.lowerBound + index] != known[index] {
            return false
        }
        return true
    }

    private static func address(
        _ input: Span<UInt8>, _ range: Range<Int>, isIPv4: Bool
    ) throws(ProxyProblem) -> IPAddress {
        let text = input.extracting(range)
        var hasColon = false
        for index in text.indices where text[index] == UInt8(ascii: ":") { hasColon = true }
        // By notation, not by value: `TCP6 ::ffff:10.0.0.1` is good, and the IPv4 address to us.
        guard hasColon != isIPv4, let address = IPAddress(ascii: text) else { throw .address }
        return address
    }

    private static func port(
        _ input: Span<UInt8>, _ range: Range<Int>
    ) throws(ProxyProblem) -> UInt16 {
        guard (1...5).contains(range.count) else { throw .port }
        guard range.count == 1 || input[range.lowerBound] != UInt8(ascii: "0") else { throw .port }
        var value = 0
        for index in range {
            let byte = input[index]
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { throw .port }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        guard let port = UInt16(exactly: value) else { throw .port }
        return port
    }

    private static let unknown = Array("UNKNOWN".utf8)
    private static let tcp4 = Array("TCP4".utf8)
    private static let tcp6 = Array("TCP6".utf8)

    // MARK: Version 2, specification §2.2

    private static func readV2(_ input: Span<UInt8>) throws(ProxyProblem) -> Outcome {
        guard input.count > 12 else { return .needMore }
        let isLocal = input[12] == 0x20
        guard isLocal || input[12] == 0x21 else { throw .versionOrCommand(input[12]) }
        guard input.count > 13 else { return .needMore }
        let addressBytes = Self.addressBytes(input[13])
        guard isLocal || addressBytes != nil else { throw .familyOrTransport(input[13]) }
        guard input.count >= 16 else { return .needMore }
        let length = Int(input[14]) << 8 | Int(input[15])
        guard 16 + length <= Limits.proxyV2BytesMax else { throw .tooLong }
        if let addressBytes, !isLocal, length < addressBytes { throw .length(length) }
        guard input.count >= 16 + length else { return .needMore }
        let whole = input.extracting(0..<(16 + length))
        if isLocal {
            // The protocol block is to be discarded, so one that makes no sense is no fault; TLVs
            // that do are kept, and their checksum holds.
            let header = ProxyHeader(
                command: .local, tlvs: try Self.localTLVs(whole, addressBytes: addressBytes))
            return .done(header, length: whole.count)
        }
        let start = 16 + (addressBytes ?? 0)
        try Self.checkTLVs(whole, in: start..<whole.count)
        let tlvs = ProxyTLVs(checked: whole, in: start..<whole.count)
        return .done(try Self.header(whole, tlvs), length: whole.count)
    }

    /// How many bytes of addresses a family and transport has; nil: unassigned.
    private static func addressBytes(_ familyAndTransport: UInt8) -> Int? {
        switch familyAndTransport {
        case 0x00: 0  // AF_UNSPEC
        case 0x11, 0x12: 12  // AF_INET, stream and datagram
        case 0x21, 0x22: 36  // AF_INET6
        case 0x31, 0x32: 216  // AF_UNIX
        default: nil
        }
    }

    /// Only TCP over IPv4 and IPv6 says where a TCP connection came from; the rest is skipped.
    private static func header(
        _ whole: Span<UInt8>, _ tlvs: ProxyTLVs
    ) throws(ProxyProblem) -> ProxyHeader {
        var reader = ByteReader(whole, in: 16..<whole.count)
        do throws(ParseError) {
            let source: IPAddress
            let destination: IPAddress
            switch whole[13] {
            case 0x11:
                source = IPAddress(v4: try reader.uint32(.address))
                destination = IPAddress(v4: try reader.uint32(.address))
            case 0x21:
                source = IPAddress(
                    high: try reader.uint64(.address), low: try reader.uint64(.address))
                destination = IPAddress(
                    high: try reader.uint64(.address), low: try reader.uint64(.address))
            default:
                return ProxyHeader(command: .local, tlvs: tlvs)
            }
            return ProxyHeader(
                command: .proxy, source: .ip(source, port: try reader.uint16(.address)),
                destination: .ip(destination, port: try reader.uint16(.address)), tlvs: tlvs)
        } catch {
            throw .length(whole.count - 16)
        }
    }

    private static func localTLVs(
        _ whole: Span<UInt8>, addressBytes: Int?
    ) throws(ProxyProblem) -> ProxyTLVs {
        guard let addressBytes, 16 + addressBytes <= whole.count else { return ProxyTLVs() }
        let range = (16 + addressBytes)..<whole.count
        do throws(ProxyProblem) {
            try Self.checkTLVs(whole, in: range)
        } catch {
            if case .checksum = error { throw error }
            return ProxyTLVs()
        }
        return ProxyTLVs(checked: whole, in: range)
    }

    /// Every TLV whole, those that we know of a possible value, and the checksum right.
    private static func checkTLVs(
        _ whole: Span<UInt8>, in range: Range<Int>
    ) throws(ProxyProblem) {
        var checksumAt: Range<Int>?
        var checksums = 0
        var offset = range.lowerBound
        while offset < range.upperBound {
            let value = try Self.tlv(whole, at: offset, end: range.upperBound)
            let type = whole[offset]
            switch type {
            case ProxyTLVType.crc32c:
                guard value.count == 4 else { throw .tlv(type) }
                checksums += 1
                checksumAt = value
            case ProxyTLVType.uniqueID:
                guard value.count <= 128 else { throw .tlv(type) }
            case ProxyTLVType.tls:
                guard value.count >= 5 else { throw .tlv(type) }
                var part = value.lowerBound + 5
                while part < value.upperBound {
                    part = try Self.tlv(whole, at: part, end: value.upperBound).upperBound
                }
            default: break
            }
            offset = value.upperBound
        }
        // Only now: LOCAL takes a list that does not add up, but no wrong checksum in a good one.
        guard let checksumAt else { return }
        guard checksums == 1 else { throw .checksum }
        var sent: UInt32 = 0
        for index in checksumAt { sent = sent << 8 | UInt32(whole[index]) }
        guard sent == CRC32C.checksum(whole, zeroed: checksumAt) else { throw .checksum }
    }

    /// Where the value of the TLV at `offset` lies.
    private static func tlv(
        _ whole: Span<UInt8>, at offset: Int, end: Int
    ) throws(ProxyProblem) -> Range<Int> {
        guard offset + 3 <= end else { throw .tlv(whole[offset]) }
        let start = offset + 3
        let length = Int(whole[offset + 1]) << 8 | Int(whole[offset + 2])
        guard start + length <= end else { throw .tlv(whole[offset]) }
        return start..<(start + length)
    }
}

extension ProxyTLVs {
    /// The TLVs in `range`, which were checked, without NOOP and CRC32C.
    fileprivate init(checked whole: Span<UInt8>, in range: Range<Int>) {
        self.init()
        var offset = range.lowerBound
        while offset + 3 <= range.upperBound {
            let end = offset + 3 + (Int(whole[offset + 1]) << 8 | Int(whole[offset + 2]))
            guard end <= range.upperBound else { return }
            self.keep(whole, offset..<end)
            offset = end
        }
    }
}
