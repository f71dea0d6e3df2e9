// PROXY headers of version 2: framing, families, TLVs.

import StraitCore
import StraitWire
import TestSupport
import Testing

@Suite("ProxyHeader, reading version 2") struct ProxyV2Tests {
    /// A header from its 13th byte on.
    static func v2(_ hex: String) -> [UInt8] { ProxyHeader.signatureV2 + bytesOf(hexadecimal: hex) }

    static let addresses = "7f000001 7f000002 3039 002a"
    static let header = ProxyV1Tests.header

    @Test("a good header gives its addresses, and takes no byte more")
    func good() {
        let bytes = Self.v2("21 11 000c \(Self.addresses)")
        #expect(readProxy(bytes) == .done(Self.header, length: 28))
        #expect(readProxy(bytes + [0x16, 3, 1]) == .done(Self.header, length: 28))
        #expect(readProxy(bytes + bytes) == .done(Self.header, length: 28))
        for count in 0..<bytes.count { #expect(readProxy(Array(bytes[..<count])) == .needMore) }
    }

    @Test("IPv6, and IPv4 within it as the same address")
    func ipv6() {
        let source = "20010db8000000000000000000000001"
        let mapped = "00000000000000000000ffff0a000001"
        let header = ProxyHeader(
            command: .proxy, source: .ip(IPAddress(high: 0x2001_0DB8_0000_0000, low: 1), port: 1),
            destination: .ip(IPAddress(v4: 10, 0, 0, 1), port: 2))
        #expect(
            readProxy(Self.v2("21 21 0024 \(source) \(mapped) 0001 0002"))
                == .done(header, length: 52))
    }

    @Test(
        "LOCAL is good with any family and any content, and the socket's address counts",
        arguments: [
            "20 00 0000", "20 11 000c 7f000001 7f000002 3039 002a", "20 11 0000",
            "20 ff 0003 010203",
            "20 21 0004 01020304", "20 00 0002 0102",
        ])
    func local(hex: String) {
        let bytes = Self.v2(hex)
        #expect(readProxy(bytes) == .done(ProxyHeader(command: .local), length: bytes.count))
        #expect(
            readProxy(bytes + [1, 2]) == .done(ProxyHeader(command: .local), length: bytes.count))
    }

    @Test("LOCAL keeps TLVs that make sense")
    func localTLVs() {
        let bytes = Self.v2("20 00 0007 ea 0004 01020304")
        guard case .done(let header, 23) = readProxy(bytes) else {
            Issue.record("not read")
            return
        }
        #expect(header.command == .local)
        #expect(header.tlvs.value(0xEA).map(Array.init) == [1, 2, 3, 4])
    }

    @Test(
        "families that are no TCP over IP are skipped by their length, in step",
        arguments: [
            ("21 00 0000", 0), ("21 12 000c", 12), ("21 22 0024", 36), ("21 31 00d8", 216),
            ("21 32 00d8", 216),
        ])
    func skipped(hex: String, count: Int) {
        let bytes = Self.v2(hex) + Array(repeating: 0xAB, count: count)
        #expect(
            readProxy(bytes + [0x16]) == .done(ProxyHeader(command: .local), length: bytes.count))
    }

    @Test(
        "what the specification does not know, or what does not add up, is refused",
        arguments: [
            ("11", ProxyProblem.versionOrCommand(0x11)), ("22", .versionOrCommand(0x22)),
            ("2f", .versionOrCommand(0x2F)),
            ("31", .versionOrCommand(0x31)), ("00", .versionOrCommand(0)),
            ("21 10", .familyOrTransport(0x10)), ("21 13", .familyOrTransport(0x13)),
            ("21 01", .familyOrTransport(1)),
            ("21 41", .familyOrTransport(0x41)), ("21 ff", .familyOrTransport(0xFF)),
            ("21 11 0000", .length(0)), ("21 11 000b", .length(11)), ("21 21 000c", .length(12)),
            ("21 21 0023", .length(35)), ("21 31 0024", .length(36)), ("21 12 0001", .length(1)),
            ("21 11 0ff1", .tooLong), ("20 00 ffff", .tooLong),
        ])
    func refused(hex: String, problem: ProxyProblem) {
        let bytes = Self.v2(hex)
        #expect(readProxy(bytes) == .malformed(problem))
        #expect(readProxy(bytes + Array(repeating: 0, count: 70_000)) == .malformed(problem))
    }

    @Test("the signature is compared whole", arguments: 0..<12)
    func signature(index: Int) {
        var bytes = Self.v2("20 00 0000")
        bytes[index] ^= 0x20
        #expect(readProxy(bytes) == .absent)
    }

    @Test("TLVs are kept in order and with repetition; NOOP is not")
    func tlvs() {
        let bytes = Self.v2(
            "21 11 0020 \(Self.addresses) e4 0003 010203 04 0002 0000 e4 0000 02 0003 616263")
        guard case .done(let header, 48) = readProxy(bytes) else {
            Issue.record("not read")
            return
        }
        let found = header.tlvs.map { [$0.type] + $0.value }
        #expect(found == [[0xE4, 1, 2, 3], [0xE4], [2, 97, 98, 99]])
        #expect(header.tlvs.value(ProxyTLVType.authority).map(Array.init) == Array("abc".utf8))
        #expect(header.source == Self.header.source)
    }

    @Test(
        "a TLV that is cut off, or longer than what is left, is refused",
        arguments: [
            ("000d", "e4", 0xE4), ("000e", "e4 00", 0xE4), ("000f", "e4 00 01", 0xE4),
            ("0010", "e4 0002 01", 0xE4),
            ("0010", "e4 0000 05", 5), ("0011", "e4 ffff 0102", 0xE4),
            // Values that are none of their type.
            ("0012", "03 0003 010203", 3), ("0013", "20 0004 01000000", 0x20),
            ("0016", "20 0007 0100000000 2100", 0x21),
            ("0018", "20 0009 0100000000 21000201", 0x21),
        ] as [(String, String, UInt8)])
    func truncated(length: String, tlv: String, type: UInt8) {
        let bytes = Self.v2("21 11 \(length) \(Self.addresses) \(tlv)")
        #expect(readProxy(bytes + [0x16, 3, 1, 0, 0]) == .malformed(.tlv(type)))
    }

    @Test("a unique id of 128 bytes is good, one of 129 is not")
    func uniqueID() {
        for (count, isGood) in [(128, true), (129, false)] {
            var bytes = Self.v2("20 00 0000")
            bytes[12] = 0x21
            bytes[15] = UInt8(3 + count)
            bytes += [5, 0, UInt8(count)] + Array(repeating: 65, count: count)
            guard case .done = readProxy(bytes) else {
                #expect(!isGood)
                continue
            }
            #expect(isGood)
        }
    }

    @Test("a checksum is checked over every byte, and may come once")
    func checksum() {
        var tlvs = ProxyTLVs()
        tlvs.append(0xE0, [1, 2, 3])
        let header = ProxyHeader(
            command: .proxy, source: Self.header.source, destination: Self.header.destination,
            tlvs: tlvs)
        let bytes = header.encodedV2(withChecksum: true)
        #expect(readProxy(bytes) == .done(header, length: bytes.count))
        for index in 16..<bytes.count {
            var wrong = bytes
            wrong[index] ^= 0x40
            guard case .done(let other, _) = readProxy(wrong) else { continue }
            // Only where the flipped bit turned the checksum into another type is it not one any
            // more.
            #expect(index == bytes.count - 7 && other.tlvs != tlvs, "byte \(index)")
        }
        var twice = header.encodedV2(withChecksum: true) + [3, 0, 4, 0, 0, 0, 0]
        twice[15] += 7
        #expect(readProxy(twice) == .malformed(.checksum))
        var local = bytes
        local[12] = 0x20
        #expect(readProxy(local) == .malformed(.checksum))
    }

    @Test("a checksum in the middle is good too")
    func checksumInTheMiddle() {
        var bytes = Self.v2("21 11 0017 \(Self.addresses) 03 0004 00000000 e0 0001 07")
        let sum = ProxyReference.crc32c(bytes)
        for index in 0..<4 {
            bytes[31 + index] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * index))
        }
        guard case .done(let header, 39) = readProxy(bytes) else {
            Issue.record("not read")
            return
        }
        #expect(header.tlvs.encoded == [0xE0, 0, 1, 7])
    }

    @Test("the largest header is read, one byte more is not waited for")
    func largest() {
        var bytes = Self.v2("21 11 0ff0 \(Self.addresses)")
        bytes += [0xE0, 0x0F, 0xE1] + Array(repeating: 1, count: 0xFE1)
        #expect(bytes.count == Limits.proxyV2BytesMax)
        guard case .done(_, Limits.proxyV2BytesMax) = readProxy(bytes) else {
            Issue.record("not read")
            return
        }
    }
}
