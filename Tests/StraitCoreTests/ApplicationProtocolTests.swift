// Identifiers as bytes, and the bytes of strangers as text.

import StraitCore
import Testing

@Suite("ApplicationProtocol") struct ApplicationProtocolTests {
    @Test("an identifier has 1 to 255 bytes of any value")
    func lengths() {
        #expect(ApplicationProtocol(bytes: []) == nil)
        #expect(ApplicationProtocol(bytes: [0]) != nil)
        #expect(ApplicationProtocol(bytes: Array(repeating: 0xFF, count: 255)) != nil)
        #expect(ApplicationProtocol(bytes: Array(repeating: 97, count: 256)) == nil)
    }

    @Test("identifiers match by every byte, and in no other case")
    func matches() {
        let http2: [UInt8] = [0x68, 0x32]
        #expect(self.isHTTP2(http2))
        for other in [[], [0x68], [0x68, 0x32, 0], [0x48, 0x32], [0x68, 0x33]] as [[UInt8]] {
            #expect(!self.isHTTP2(other))
        }
    }

    @Test("the known names are what they are registered as")
    func known() {
        let names: [(ApplicationProtocol, String)] = [
            (.http11, "http/1.1"), (.http2, "h2"), (.postgresql, "postgresql"),
            (.acme, "acme-tls/1"),
            (.straitSSH, "strait-ssh"), (.straitMySQL, "strait-mysql"),
            (.straitPostgres, "strait-postgres"),
            (.straitTCP, "strait-tcp"),
        ]
        for (identifier, name) in names {
            #expect(identifier.bytes == Array(name.utf8))
            #expect(identifier.text == name)
        }
    }

    @Test(
        "what a stranger sent cannot leave its place in a log",
        arguments: [
            ([0x61, 0x0A, 0x62], "a\\x0ab"), ([0x1B, 0x5B], "\\x1b["), ([0x5C, 0x78], "\\x5cx"),
            ([0x7F, 0x80, 0xFF], "\\x7f\\x80\\xff"),
            ([0x20, 0x7E], " ~"), ([0], "\\x00"), ([], ""), ([0x22], "\""),
            (Array("é".utf8), "\\xc3\\xa9"),
        ] as [([UInt8], String)])
    func strangers(bytes: [UInt8], text: String) {
        #expect(self.escaped(bytes, 255) == text)
    }

    @Test("escaped text is cut at its bound, and says so")
    func cut() {
        let bytes = Array("abcdef".utf8)
        #expect(self.escaped(bytes, 6) == "abcdef")
        #expect(self.escaped(bytes, 5) == "abcde...")
        #expect(self.escaped(bytes, 0) == "...")
    }

    private func isHTTP2(_ bytes: [UInt8]) -> Bool {
        ApplicationProtocol.http2.matches(bytes.span)
    }

    private func escaped(_ bytes: [UInt8], _ bytesMax: Int) -> String {
        escapedText(bytes.span, bytesMax: bytesMax)
    }
}
