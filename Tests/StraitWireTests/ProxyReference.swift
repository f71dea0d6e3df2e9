// A second reader of PROXY headers, written from the specification for slowness and plainness, to
// compare the first one with. Addresses are read by the C library.

import Glibc
import StraitCore
import StraitWire

enum ProxyReference {
    enum Outcome: Equatable {
        case needMore, absent, malformed
        /// Source and destination as 16 bytes and a port each; nil: the socket's count.
        case done(ends: [[UInt8]]?, tlvs: [[UInt8]], length: Int)
    }

    /// What ``ProxyHeader/read(_:)`` found, in the reference's terms.
    static func outcome(_ read: ProxyHeader.Outcome) -> Outcome {
        switch read {
        case .needMore: return .needMore
        case .absent: return .absent
        case .malformed: return .malformed
        case .done(let header, let length):
            let tlvs = header.tlvs.map { [$0.type] + $0.value }
            guard header.command == .proxy, case .ip(let source, let sourcePort)? = header.source,
                case .ip(let destination, let destinationPort)? = header.destination
            else { return .done(ends: nil, tlvs: tlvs, length: length) }
            let ends = [(source, sourcePort), (destination, destinationPort)].map { address, port in
                var end = ByteWriter()
                end.append(address.high)
                end.append(address.low)
                end.append(port)
                return end.bytes
            }
            return .done(ends: ends, tlvs: tlvs, length: length)
        }
    }

    static func read(_ input: [UInt8]) -> Outcome {
        for beginning in [Array("PROXY ".utf8), ProxyHeader.signatureV2] {
            if input.starts(with: beginning) {
                return beginning.count == 6 ? Self.readV1(input) : Self.readV2(input)
            }
            if beginning.starts(with: input) { return .needMore }
        }
        return .absent
    }

    // MARK: Version 1

    private static func readV1(_ input: [UInt8]) -> Outcome {
        let text = input.prefix(107).map { Character(Unicode.Scalar($0)) }
        // "\r\n" would be one Character in a String; in an array of them it is two.
        guard let end = text.firstIndex(where: { $0 == "\r" || $0 == "\n" }) else {
            return input.count < 107 ? .needMore : .malformed
        }
        guard text[end] == "\r" else { return .malformed }
        guard end + 1 < text.count else { return input.count < 107 ? .needMore : .malformed }
        guard text[end + 1] == "\n" else { return .malformed }
        let fields = text[6..<end].split(separator: " ", omittingEmptySubsequences: false).map {
            String($0)
        }
        if fields.first == "UNKNOWN" { return .done(ends: nil, tlvs: [], length: end + 2) }
        guard fields.count == 5, let family = ["TCP4": AF_INET, "TCP6": AF_INET6][fields[0]] else {
            return .malformed
        }
        var ends: [[UInt8]] = []
        for side in 0..<2 {
            guard let address = Self.address(fields[1 + side], family: family),
                let port = Self.port(fields[3 + side])
            else { return .malformed }
            ends.append(address + [UInt8(port >> 8), UInt8(port & 255)])
        }
        return .done(ends: ends, tlvs: [], length: end + 2)
    }

    private static func port(_ text: String) -> Int? {
        guard let value = Int(text), (0...65_535).contains(value), String(value) == text else {
            return nil
        }
        return value
    }

    private static func address(_ text: String, family: Int32) -> [UInt8]? {
        guard text.allSatisfy(\.isASCII), !text.contains("\0") else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        guard inet_pton(family, text, &bytes) == 1 else { return nil }
        return family == AF_INET ? Self.mapped(bytes[..<4]) : bytes
    }

    private static func mapped(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + bytes
    }

    // MARK: Version 2

    private static func readV2(_ input: [UInt8]) -> Outcome {
        let sizes: [UInt8: Int] = [
            0: 0, 0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216,
        ]
        guard input.count >= 13 else { return .needMore }
        guard input[12] == 0x20 || input[12] == 0x21 else { return .malformed }
        let isLocal = input[12] == 0x20
        guard input.count >= 14 else { return .needMore }
        let size = sizes[input[13]]
        guard isLocal || size != nil else { return .malformed }
        guard input.count >= 16 else { return .needMore }
        let length = Int(input[14]) * 256 + Int(input[15])
        guard length <= 4096 - 16, isLocal || length >= size ?? 0 else { return .malformed }
        guard input.count >= 16 + length else { return .needMore }
        let header = Array(input[..<(16 + length)])
        guard let size, size <= length else {
            return .done(ends: nil, tlvs: [], length: header.count)
        }
        guard let tlvs = Self.tlvs(Array(header[(16 + size)...])), Self.areGood(tlvs) else {
            return isLocal ? .done(ends: nil, tlvs: [], length: header.count) : .malformed
        }
        guard Self.isChecksumGood(header, tlvs, start: 16 + size) else {
            return .malformed
        }
        let kept = tlvs.filter { $0[0] != 3 && $0[0] != 4 }
        var ends: [[UInt8]]?
        if !isLocal, header[13] == 0x11 {
            ends = [
                Self.mapped(header[16..<20]) + header[24..<26],
                Self.mapped(header[20..<24]) + header[26..<28],
            ]
        } else if !isLocal, header[13] == 0x21 {
            ends = [
                Array(header[16..<32] + header[48..<50]), Array(header[32..<48] + header[50..<52]),
            ]
        }
        return .done(ends: ends, tlvs: kept, length: header.count)
    }

    /// Each TLV as its type and its value; nil where they do not add up.
    private static func tlvs(_ bytes: [UInt8]) -> [[UInt8]]? {
        guard !bytes.isEmpty else { return [] }
        guard bytes.count >= 3 else { return nil }
        let end = 3 + Int(bytes[1]) * 256 + Int(bytes[2])
        guard end <= bytes.count, let rest = Self.tlvs(Array(bytes[end...])) else { return nil }
        return [[bytes[0]] + bytes[3..<end]] + rest
    }

    private static func areGood(_ tlvs: [[UInt8]]) -> Bool {
        tlvs.allSatisfy { tlv in
            switch tlv[0] {
            case 3: tlv.count == 5
            case 5: tlv.count <= 129
            case 0x20: tlv.count >= 6 && Self.tlvs(Array(tlv[6...])) != nil
            default: true
            }
        }
    }

    private static func isChecksumGood(_ header: [UInt8], _ tlvs: [[UInt8]], start: Int) -> Bool {
        var offset = start
        var good = true
        var count = 0
        for tlv in tlvs {
            if tlv[0] == 3 {
                count += 1
                var zeroed = header
                for index in 0..<4 { zeroed[offset + 3 + index] = 0 }
                let sum = Self.crc32c(zeroed)
                good =
                    good && (0..<4).allSatisfy { tlv[1 + $0] == UInt8(sum >> (24 - 8 * $0) & 255) }
            }
            offset += 2 + tlv.count
        }
        return good && count <= 1
    }

    /// Bit by bit.
    static func crc32c(_ bytes: [UInt8]) -> UInt32 {
        var sum: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0x82F6_3B78 : sum >> 1 }
        }
        return sum ^ 0xFFFF_FFFF
    }
}
