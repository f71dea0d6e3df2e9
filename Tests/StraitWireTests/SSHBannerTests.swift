// A downstream's identification string.

import StraitWire
import Testing

@Suite("SSHBanner") struct SSHBannerTests {
    private func read(_ text: String) -> SSHBanner.Outcome { SSHBanner.read(Array(text.utf8).span) }

    @Test(
        "a line of either version is read, and what follows is not part of it",
        arguments: [
            ("SSH-2.0-OpenSSH_9.2p1\r\n", false, "OpenSSH_9.2p1"),
            ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", false, "OpenSSH_9.2p1"),
            ("SSH-1.99-Cisco-1.25\n", true, "Cisco-1.25"), ("SSH-2.0-x \r\n", false, "x"),
            ("SSH-2.0-Go\r\n", false, "Go"),
        ])
    func good(line: String, isVersion199: Bool, software: String) {
        let input = Array((line + "\0\0\u{3}").utf8)
        guard case .done(let banner) = SSHBanner.read(input.span) else {
            Issue.record("not read")
            return
        }
        #expect(banner.isVersion199 == isVersion199)
        #expect(String(decoding: input[banner.software], as: UTF8.self) == software)
        #expect(banner.length == line.utf8.count)
        for count in 0..<banner.length {
            #expect(SSHBanner.read(input.span.extracting(0..<count)) == .needMore)
        }
    }

    @Test(
        "what is no identification string is refused",
        arguments: [
            ("SSH-1.5-x\r\n", SSHBanner.Problem.version), ("ssh-2.0-x\r\n", .version),
            ("\r\nSSH-2.0-x", .version),
            ("GET / HTTP/1.1\r\n", .version), ("SSH-2.0-\r\n", .noSoftware),
            ("SSH-2.0- x\r\n", .noSoftware),
            ("SSH-2.0-\n", .noSoftware), ("SSH-2.0-a\0b\r\n", .forbiddenByte(0)),
            ("SSH-2.0-a\tb\r\n", .forbiddenByte(9)),
            ("SSH-2.0-a\u{7F}\r\n", .forbiddenByte(0x7F)), ("SSH-2.0-é\r\n", .forbiddenByte(0xC3)),
            ("SSH-2.0-a\rb\r\n", .forbiddenByte(13)),
        ])
    func refused(line: String, problem: SSHBanner.Problem) {
        #expect(self.read(line) == .malformed(problem))
    }

    @Test("255 bytes are a line, one more is not waited for")
    func longest() {
        let start = "SSH-2.0-" + String(repeating: "x", count: 245)
        guard case .done(let banner) = self.read(start + "\r\n") else {
            Issue.record("not read")
            return
        }
        #expect(banner.length == 255)
        #expect(self.read(start + "x") == .needMore)
        #expect(self.read(start + "xx") == .malformed(.tooLong))
        #expect(self.read(start + "x\r\n") == .malformed(.tooLong))
    }
}
