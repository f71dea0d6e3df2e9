// The recorded and hand-built hellos of Corpus/, which Corpus/generate.py wrote.

import Foundation
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

/// The inputs that fuzzing starts from.
enum CorpusSeeds {
    /// The lines of `Corpus/seeds/NAME.hex`.
    static func read(_ name: String) -> [[UInt8]] {
        let file = Bundle.module.bundleURL.appendingPathComponent("Corpus/seeds/\(name).hex")
        // A target without seeds fails its test.
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").map { bytesOf(hexadecimal: String($0)) }
    }
}

/// The bytes that pairs of hexadecimal digits stand for; spaces are skipped, anything else ends it.
func bytesOf(hexadecimal text: String) -> [UInt8] {
    let digits = text.utf8.filter { $0 != UInt8(ascii: " ") }.compactMap {
        Character(Unicode.Scalar($0)).hexDigitValue
    }
    return stride(from: 0, to: digits.count - 1, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}
