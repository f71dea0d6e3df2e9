// One canonical form for host names.

import StraitCore
import Testing

@Suite("HostName") struct HostNameTests {
    @Test(
        "case is folded and one trailing dot stripped",
        arguments: [
            ("Orders.ACME.Example.COM", "orders.acme.example.com"), ("a.b.", "a.b"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("_dmarc.x", "_dmarc.x"),
            ("a--b.c", "a--b.c"),
            ("1.2.3.com", "1.2.3.com"), ("10.in-addr.arpa", "10.in-addr.arpa"),
            ("0xfg.0xg", "0xfg.0xg"), ("1e.2e", "1e.2e"),
        ])
    func canonical(text: String, expected: String) {
        #expect(HostName(text)?.description == expected)
        #expect(HostName(text) == HostName(expected))
    }

    @Test(
        "what is no host name is refused for its first fault",
        arguments: [
            ("", HostName.Problem.empty), (".", .emptyLabel), ("a..b", .emptyLabel),
            (".a", .emptyLabel), ("a..", .emptyLabel),
            ("-a.b", .hyphenAtEdge), ("a-.b", .hyphenAtEdge), ("a.-", .hyphenAtEdge),
            ("a b", .forbiddenByte),
            ("a\0b", .forbiddenByte), ("a.b:443", .forbiddenByte), ("*.a", .forbiddenByte),
            ("a/b", .forbiddenByte),
            ("bücher.example", .forbiddenByte), ("[::1]", .forbiddenByte), ("::1", .forbiddenByte),
            ("a%b", .forbiddenByte),
            ("10.0.0.1", .addressLiteral), ("10.0.0.1.", .addressLiteral), ("1", .addressLiteral),
            ("a.1", .addressLiteral),
            ("0x7f.1", .addressLiteral), ("0x7f000001", .addressLiteral),
            ("1.2.3.0x4", .addressLiteral),
            ("a.0X", .addressLiteral), ("127.1", .addressLiteral),
        ])
    func refused(text: String, problem: HostName.Problem) {
        #expect(throws: problem) { try HostName(canonicalizing: Array(text.utf8).span) }
        #expect(HostName(text) == nil)
    }

    @Test("a label has 63 bytes at most, a name 253, with or without its dot")
    func lengths() {
        let label = String(repeating: "a", count: 63)
        #expect(HostName(label) != nil)
        #expect(throws: HostName.Problem.labelTooLong) {
            try HostName(canonicalizing: Array((label + "a").utf8).span)
        }
        let longest = [label, label, label, String(repeating: "b", count: 61)].joined(
            separator: ".")
        #expect(longest.utf8.count == HostName.bytesMax)
        #expect(HostName(longest)?.bytes.count == 253)
        #expect(HostName(longest + ".")?.bytes.count == 253)
        #expect(throws: HostName.Problem.tooLong) {
            try HostName(canonicalizing: Array((longest + "c").utf8).span)
        }
    }

    @Test("every byte that is not of a name is refused in the middle of one")
    func everyByte() {
        let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.".utf8)
        for byte in UInt8.min...UInt8.max {
            let name: [UInt8] = [97, byte, 98]
            let isName: Bool
            do throws(HostName.Problem) {
                _ = try HostName(canonicalizing: name.span)
                isName = true
            } catch {
                isName = false
            }
            #expect(isName == allowed.contains(byte), "byte \(byte)")
        }
    }
}
