// What is said to a service manager, byte by byte.

import StraitWire
import Testing

@Suite("ServiceNotice") struct ServiceNoticeTests {
    private static func text(_ notices: [ServiceNotice]) -> String {
        String(decoding: ServiceNotice.datagram(notices), as: UTF8.self)
    }

    @Test(
        "is written as sd_notify(3) has it",
        arguments: [
            (.ready, "READY=1"), (.stopping, "STOPPING=1"), (.watchdog, "WATCHDOG=1"),
            (.reloading(monotonicMicroseconds: 7), "RELOADING=1\nMONOTONIC_USEC=7"),
            (.mainProcess(4711), "MAINPID=4711"),
            (.extendTimeout(microseconds: 30_000_000), "EXTEND_TIMEOUT_USEC=30000000"),
            (.status("revision 3, 2 listeners"), "STATUS=revision 3, 2 listeners"),
        ] as [(ServiceNotice, String)])
    func forms(notice: ServiceNotice, text: String) {
        #expect(Self.text([notice]) == text)
    }

    @Test("several are lines of one datagram, in their order")
    func several() {
        #expect(Self.text([.ready, .status("a")]) == "READY=1\nSTATUS=a")
        #expect(Self.text([]).isEmpty)
    }

    @Test(
        "a status has one line, whatever is in it",
        arguments: ["\n", "\r", "\r\n", "\0", "\u{0B}", "\u{85}", "\u{2028}", "\u{2029}", "\u{7F}"])
    func oneLine(end: String) {
        let text = Self.text([.status("a\(end)STOPPING=1"), .ready])
        #expect(text.split(separator: "\n") == ["STATUS=a\(spaces(end))STOPPING=1", "READY=1"])
        #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 || $0 == "\n" })
    }

    private func spaces(_ end: String) -> String {
        String(repeating: " ", count: end.unicodeScalars.count)
    }

    @Test("a long status is cut between two characters")
    func long() {
        for character in ["a", "é", "€", "😀"] {
            let text = Self.text([.status(String(repeating: character, count: 600))])
            let kept = text.utf8.count - "STATUS=".utf8.count
            #expect(kept <= ServiceNotice.statusBytesMax)
            #expect(kept > ServiceNotice.statusBytesMax - 4)
            #expect(text.dropFirst(7).allSatisfy { String($0) == character })
        }
    }
}
