// JSON as registries keep it: what is read, what is written, and what is refused where.

import Foundation
import StraitConfig
import TestSupport
import Testing

@Suite("TenantDocument, as JSON") struct JSONReaderTests {
    @Test(
        "is written as it was read, without spaces",
        arguments: [
            #"{}"#, #"{"name":"a"}"#, #"{"a":[1,-2,true,false,null,"x",{"b":[]}]}"#,
            #"{"a":"quote \" slash \\ é €😀 \u0001"}"#, #"{"a":"10s","b":0,"c":"007","d":"1.5"}"#,
        ])
    func roundTrip(text: String) throws {
        let document = try TenantDocument(json: Array(text.utf8))
        #expect(String(decoding: document.json, as: UTF8.self) == text)
        let spread = text.replacing(":", with: " :\n\t ").replacing(",", with: " , ")
        guard !text.contains("quote") else { return }
        #expect(try TenantDocument(json: Array(spread.utf8)).json == document.json)
    }

    @Test("escapes come to what they stand for")
    func escapes() throws {
        let text = #"{"a":"\b\f\n\r\t\/\u00e9\ud83d\ude00"}"#
        let written = try TenantDocument(json: Array(text.utf8)).json
        #expect(
            String(decoding: written, as: UTF8.self) == #"{"a":"\u0008\u000c\n\r\t/é😀"}"#)
    }

    @Test(
        "what is no JSON is refused at its place",
        arguments: [
            ("", 1, 1), ("{", 1, 2), ("{\"a\"}", 1, 5), ("{\"a\":1,}", 1, 8), ("{a:1}", 1, 2),
            ("{\"a\":1}x", 1, 8), ("{\n\"a\":01}", 2, 6), ("{\"a\":1.}", 1, 8), ("[1 2]", 1, 4),
            ("\"\n\"", 1, 2), ("\"\\x\"", 1, 4), ("\"\\ud800\"", 1, 8), ("nul", 1, 1),
            ("{\"a\":1,\n\"a\":2}", 2, 1), ("\"abc", 1, 5), ("-", 1, 2), ("1e", 1, 3),
        ])
    func refused(text: String, line: Int, column: Int) {
        let problem = #expect(throws: JSONProblem.self) {
            try TenantDocument(json: Array(text.utf8))
        }
        #expect(problem?.line == line, "\(text)")
        #expect(problem?.column == column, "\(text)")
    }

    @Test("bytes that are not UTF-8, and too deep a nesting, are refused")
    func bytes() {
        #expect(throws: JSONProblem.self) { try TenantDocument(json: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSONProblem.self) {
            try TenantDocument(json: [0x22] + [0xED, 0xA0, 0x80] + [0x22])  // a lone surrogate
        }
        let deep = Array(repeating: UInt8(ascii: "["), count: 100_000)
        #expect(throws: JSONProblem.self) { try TenantDocument(json: deep) }
    }

    @Test("a whole text that is cut anywhere is refused, and one with a byte changed never traps")
    func cut() throws {
        let whole = Array(#"{"a":[1.5e-3,"é\u00e9"],"b":{"c":true,"d":null}}"#.utf8)
        for count in 0..<whole.count {
            #expect(throws: JSONProblem.self) { try TenantDocument(json: Array(whole[..<count])) }
        }
        var random = SplitMix64(seed: 11)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0...Int.random(in: 0...1, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(
                    in: 0x1F...0x7F, using: &random)
            }
            // Only that it never traps, and what it takes comes back the same.
            guard let document = try? TenantDocument(json: bytes) else { continue }
            read += 1
            #expect(try TenantDocument(json: document.json).json == document.json)
        }
        #expect(read > 50)
    }

    @Test("Foundation reads what is written, and agrees on what is JSON")
    func foundation() throws {
        let text = #"{"a":["x\"\\\u0007",-5,true],"ключ":{"é":"\ud83d\ude00"}}"#
        let written = Data(try TenantDocument(json: Array(text.utf8)).json)
        let left = try JSONSerialization.jsonObject(with: written) as? NSDictionary
        let right = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary
        #expect(left != nil && left == right)
    }
}
