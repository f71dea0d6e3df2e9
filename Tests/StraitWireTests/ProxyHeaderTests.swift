// PROXY headers, version 1 and both directions. Version 2 is in ProxyHeaderV2Tests.

import StraitCore
import StraitWire
import TestSupport
import Testing

/// What both readers make of a line of version 1; they must agree.
func readProxy(
    _ input: [UInt8], _ location: SourceLocation = #_sourceLocation
) -> ProxyHeader.Outcome {
    let outcome = ProxyHeader.read(input.span)
    #expect(
        ProxyReference.outcome(outcome) == ProxyReference.read(input), "the reference reader",
        sourceLocation: location)
    return outcome
}

func readProxy(_ text: String, _ location: SourceLocation = #_sourceLocation) -> ProxyHeader.Outcome
{
    readProxy(Array(text.utf8), location)
}

@Suite("ProxyHeader, reading version 1") struct ProxyV1Tests {
    static let line = "PROXY TCP4 127.0.0.1 127.0.0.2 12345 42\r\n"
    static let header = ProxyHeader(
        command: .proxy, source: .ip(IPAddress(v4: 127, 0, 0, 1), port: 12345),
        destination: .ip(IPAddress(v4: 127, 0, 0, 2), port: 42))

    @Test("a good line gives its addresses, and takes no byte more")
    func good() {
        #expect(readProxy(Self.line) == .done(Self.header, length: 41))
        #expect(readProxy(Self.line + "GET / HTTP/1.1\r\n") == .done(Self.header, length: 41))
        #expect(readProxy(Self.line + Self.line) == .done(Self.header, length: 41))
    }

    @Test("one byte at a time, also between CR and LF, nothing is decided before the end")
    func byteByByte() {
        let bytes = Array(Self.line.utf8)
        for count in 0..<bytes.count {
            #expect(readProxy(Array(bytes[..<count])) == .needMore)
        }
    }

    @Test(
        "addresses of IPv6 in every notation",
        arguments: [
            ("::1", "::1"), ("2001:DB8::8:0", "2001:db8::8:0"), ("::", "::"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("::ffff:10.0.0.1", "10.0.0.1"), ("::ffff:a00:1", "10.0.0.1"),
        ])
    func ipv6(text: String, canonical: String) throws {
        let outcome = readProxy("PROXY TCP6 \(text) ::2 1 65535\r\n")
        guard case .done(let header, _) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(header.source == .ip(try #require(IPAddress(canonical)), port: 1))
        #expect(header.destination == .ip(IPAddress(high: 0, low: 2), port: 65535))
    }

    @Test("the longest line has 107 bytes; one byte more is refused")
    func longest() {
        let longest = Array(("PROXY UNKNOWN " + String(repeating: "f", count: 91) + "\r\n").utf8)
        #expect(longest.count == 107)
        #expect(readProxy(longest) == .done(ProxyHeader(command: .local), length: 107))
        #expect(readProxy(longest.dropLast() + [120]) == .malformed(.lineEnd))
        #expect(
            readProxy("PROXY UNKNOWN " + String(repeating: "f", count: 92) + "\r\n")
                == .malformed(.tooLong))
        #expect(readProxy(longest.dropLast(2) + [120, 120]) == .malformed(.tooLong))
        #expect(readProxy(longest.dropLast(2)) == .needMore)
    }

    @Test(
        "UNKNOWN is good with anything behind it, and the socket's address counts",
        arguments: ["", " ", " x", " ffff::1 ffff::2 65535 65535", " \u{1}\u{7F}", "  "])
    func unknown(rest: String) {
        let line = "PROXY UNKNOWN\(rest)\r\n"
        #expect(readProxy(line) == .done(ProxyHeader(command: .local), length: line.utf8.count))
    }

    @Test(
        "what begins no header is absent at the first byte that differs",
        arguments: [
            "G", "PROX ", "PROXYX", "PROXY\t", "proxy TCP4", "P\r", "\r\n\r\n\0\r\nQUIT\r", "\r\nx",
            "SSH-2.0-",
        ])
    func absent(text: String) {
        #expect(readProxy(text) == .absent)
    }

    @Test(
        "a line that is not exactly the specification's is refused",
        arguments: [
            // Families.
            ("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", ProxyProblem.family), ("PROXY \r\n", .family),
            ("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", .family),
            ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", .family),
            ("PROXY UNKNOWNX\r\n", .family), ("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", .family),
            ("PROXY TCP4 ::1 ::2 1 2\r\n", .address),
            ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3.4 ::1 1 2\r\n", .address),
            ("PROXY TCP4 ::ffff:1.2.3.4 ::ffff:1.2.3.4 1 2\r\n", .address),
            // Fields.
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", .fields), ("PROXY TCP4\r\n", .fields),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", .fields),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", .fields),
            ("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", .fields),
            ("PROXY TCP4 1.2.3.4\t1.2.3.4 1 2\r\n", .fields),
            // Octets.
            ("PROXY TCP4 256.0.0.1 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3.4. 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3.4 1.2.3.400 1 2\r\n", .address),
            ("PROXY TCP4 +1.2.3.4 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 00.2.3.4 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 16909060 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP6 ::1%lo ::2 1 2\r\n", .address), ("PROXY TCP6 [::1] ::2 1 2\r\n", .address),
            ("PROXY TCP6 1::2::3 ::2 1 2\r\n", .address),
            ("PROXY TCP6 00001::2 ::2 1 2\r\n", .address),
            // Ports.
            ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2x\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 000002\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 0x2\r\n", .port),
            // Line ends.
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", .lineEnd),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", .lineEnd),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx", .lineEnd),
            ("PROXY UNKNOWN\nGET / HTTP/1.1\r\n", .lineEnd),
            ("PROXY UNKNOWN a\rb\r\n", .lineEnd),
        ])
    func refused(line: String, problem: ProxyProblem) {
        #expect(readProxy(line) == .malformed(problem))
    }

    @Test("port 0 and leading zeros of nothing else are good")
    func zero() {
        let header = ProxyHeader(
            command: .proxy, source: .ip(IPAddress(v4: 0, 0, 0, 0), port: 0),
            destination: .ip(IPAddress(v4: 255, 255, 255, 255), port: 0))
        #expect(
            readProxy("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n") == .done(header, length: 40))
    }

    @Test(
        "a line with a byte changed or left out never gives the same addresses"
    )
    func changed() {
        let bytes = Array(Self.line.utf8)
        for index in 6..<bytes.count {
            for value in "0123456789.: \r\n\t+-xA\0".utf8 where value != bytes[index] {
                var input = bytes
                input[index] = value
                guard case .done(let header, _) = readProxy(input) else { continue }
                #expect(header != Self.header)
            }
            var shorter = bytes
            shorter.remove(at: index)
            #expect(readProxy(shorter) != .done(Self.header, length: bytes.count - 1))
        }
    }
}

@Suite("ProxyHeader, writing") struct ProxyWriteTests {
    static let four = SocketAddress.ip(IPAddress(v4: 192, 0, 2, 1), port: 50_000)
    static let six = SocketAddress.ip(IPAddress(high: 0x2001_0DB8_0000_0000, low: 1), port: 443)

    @Test(
        "version 1 in its four forms",
        arguments: [
            (Optional(Self.four), Optional(Self.four), "TCP4 192.0.2.1 192.0.2.1 50000 50000"),
            (Self.six, Self.six, "TCP6 2001:db8::1 2001:db8::1 443 443"),
            (Self.four, Self.six, "TCP6 ::ffff:192.0.2.1 2001:db8::1 50000 443"),
            (Self.six, Self.four, "TCP6 2001:db8::1 ::ffff:192.0.2.1 443 50000"),
            (nil, Self.four, "UNKNOWN"), (.unix(path: "/run/x"), Self.four, "UNKNOWN"),
        ])
    func v1(source: SocketAddress?, destination: SocketAddress?, text: String) {
        let header = ProxyHeader(command: .proxy, source: source, destination: destination)
        #expect(header.encodedV1() == Array("PROXY \(text)\r\n".utf8))
        let read = readProxy(header.encodedV1())
        let expected = text == "UNKNOWN" ? ProxyHeader(command: .local) : header
        #expect(read == .done(expected, length: text.utf8.count + 8))
    }

    @Test("version 2 byte by byte as in the specification")
    func v2() {
        let header = ProxyV1Tests.header
        let hex = "0d0a0d0a000d0a515549540a 21 11 000c 7f000001 7f000002 3039 002a"
        #expect(header.encodedV2() == bytesOf(hexadecimal: hex))
        let local = "0d0a0d0a000d0a515549540a 20 00 0000"
        #expect(ProxyHeader(command: .local).encodedV2() == bytesOf(hexadecimal: local))
        let unspecified = ProxyHeader(
            command: .proxy, source: .unix(path: "/x"), destination: Self.four)
        #expect(unspecified.encodedV2()[12...].elementsEqual([0x21, 0, 0, 0]))
    }

    @Test("what was written in version 2 is read again, with and without a checksum")
    func roundTrip() {
        var tlvs = ProxyTLVs()
        tlvs.append(ProxyTLVType.applicationProtocol, Array("postgresql".utf8))
        tlvs.append(ProxyTLVType.authority, Array("orders.acme.example.com".utf8))
        tlvs.append(ProxyTLVType.uniqueID, Array("c-0000000000001".utf8))
        let facts = ProxyTLSFacts(
            version: Array("TLSv1.3".utf8), cipher: Array("TLS_AES_128_GCM_SHA256".utf8),
            commonName: Array("alice".utf8), hasClientCertificate: true, isVerified: true)
        tlvs.append(facts)
        tlvs.append(ProxyTLVType.tenant, Array("acme".utf8))
        tlvs.append(ProxyTLVType.region, Array("eu-central".utf8))
        for (source, destination) in [
            (Self.four, Self.four), (Self.six, Self.four), (Self.six, Self.six),
        ] {
            let header = ProxyHeader(
                command: .proxy, source: source, destination: destination, tlvs: tlvs)
            for withChecksum in [false, true] {
                let bytes = header.encodedV2(withChecksum: withChecksum)
                #expect(readProxy(bytes) == .done(header, length: bytes.count))
            }
        }
        #expect(tlvs.tls == facts)
        #expect(tlvs.value(ProxyTLVType.tenant).map(Array.init) == Array("acme".utf8))
        #expect(tlvs.value(ProxyTLVType.networkNamespace) == nil)
    }

    @Test("the TLS facts say no more than is so")
    func tlsFacts() {
        for (has, verified) in [(false, false), (true, false), (true, true), (false, true)] {
            var tlvs = ProxyTLVs()
            tlvs.append(
                ProxyTLSFacts(version: [1], hasClientCertificate: has, isVerified: verified))
            #expect(tlvs.tls?.hasClientCertificate == has)
            #expect(tlvs.tls?.isVerified == (has && verified))
            #expect(tlvs.tls?.commonName == [])
        }
        #expect(ProxyTLVs().tls == nil)
    }

    @Test("what exceeds a header is not appended, and neither are NOOP and CRC32C")
    func full() {
        var tlvs = ProxyTLVs()
        let appended = [
            tlvs.append(0xE0, Array(repeating: 0, count: 5000)),
            tlvs.append(ProxyTLVType.noOperation, []),
            tlvs.append(ProxyTLVType.crc32c, [0, 0, 0, 0]),
        ]
        #expect(appended == [false, false, false])
        #expect(tlvs.isEmpty)
        while tlvs.append(0xE0, Array(repeating: 7, count: 97)) {}
        let header = ProxyHeader(
            command: .proxy, source: Self.six, destination: Self.six, tlvs: tlvs)
        let bytes = header.encodedV2(withChecksum: true)
        #expect(bytes.count <= Limits.proxyV2BytesMax)
        #expect(readProxy(bytes) == .done(header, length: bytes.count))
    }

    @Test("CRC-32C has its known values")
    func checksum() {
        // RFC 3720 appendix B.4.
        #expect(CRC32C.checksum(Array("123456789".utf8).span) == 0xE306_9283)
        #expect(CRC32C.checksum(Array(repeating: UInt8(0), count: 32).span) == 0x8A91_36AA)
        #expect(CRC32C.checksum(Array(repeating: UInt8(0xFF), count: 32).span) == 0x62A8_AB43)
        #expect(
            CRC32C.checksum(Array(repeating: UInt8(0xFF), count: 32).span, zeroed: 0..<32)
                == 0x8A91_36AA)
        #expect(ProxyReference.crc32c(Array("123456789".utf8)) == 0xE306_9283)
    }
}
