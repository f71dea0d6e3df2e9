// Text that must stay on one line and be read back as it was.

import Foundation
import StraitConfig
import Testing

@Suite("JSONString") struct JSONStringTests {
    @Test("every control character, quote and backslash is escaped, and comes back")
    func escapes() throws {
        var text = "plain, \u{E9}, \u{1F6A2}, \"quoted\", back\\slash, \u{7F}"
        for value: UInt8 in 0..<0x20 { text.unicodeScalars.append(Unicode.Scalar(value)) }
        let quoted = JSONString.quoted(text)
        #expect(quoted.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
        let read = try JSONDecoder().decode(String.self, from: Data(quoted.utf8))
        #expect(read == text)
    }

    @Test(
        "common ones have their short form",
        arguments: [("\n", #""\n""#), ("\r", #""\r""#), ("\t", #""\t""#), ("\u{1B}", #""\u001b""#)])
    func short(text: String, quoted: String) { #expect(JSONString.quoted(text) == quoted) }
}
