// The recorded and hand-built hellos of Corpus/, which Corpus/generate.py wrote.

import Foundation
import TestSupport
import Testing

/// One file of the corpus.
struct CorpusHello: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    /// What the file says that a reader must find.
    let expected: [String: String]

    var testDescription: String { self.name }

    /// All of them, by name.
    static let all: [CorpusHello] = Self.load()

    private static func load() -> [CorpusHello] {
        let files = Bundle.module.urls(forResourcesWithExtension: "hello", subdirectory: "Corpus")
        let sorted = (files ?? []).map { $0 as URL }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
        return sorted.compactMap { file in
            // What cannot be read is missing, and the test that counts the files says so.
            guard let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
            return CorpusHello(name: file.deletingPathExtension().lastPathComponent, text: text)
        }
    }

    private init(name: String, text: String) {
        self.name = name
        var expected: [String: String] = [:]
        var digits = ""
        for line in text.split(separator: "\n") {
            if let colon = line.firstIndex(of: ":") {
                let value = line[line.index(after: colon)...].drop { $0 == " " }
                expected[String(line[..<colon])] = String(value)
            } else {
                digits += line
            }
        }
        self.expected = expected
        self.bytes = bytesOf(hexadecimal: digits)
    }
}
