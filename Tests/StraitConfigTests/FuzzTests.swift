// Any text is read or told about: never a trap, never a configuration with an error beside it.

import Foundation
import StraitConfig
import TestSupport
import Testing

/// The reader of configurations as a fuzz target.
enum FuzzTargets {
    /// Reads any text; what must hold of the answer, as sentences that did not.
    static func configuration(_ text: String) -> [String] {
        let reader = ConfigurationReader(checksFiles: false)
        let reading = reader.read(text: text, file: "fuzz.yaml")
        var broken: [String] = []
        let hasErrors = reading.problems.contains { $0.severity == .error }
        if hasErrors != (reading.configuration == nil) {
            broken.append("nil exactly when there is an error")
        }
        let lines = text.unicodeScalars.count {
            "\n\r\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0)
        }
        for problem in reading.problems {
            if problem.line > lines + 1 { broken.append("a line of the text: \(problem.text)") }
            if problem.remedy.isEmpty || problem.found.isEmpty || problem.expected.isEmpty {
                broken.append("nothing is empty: \(problem.text)")
            }
            if problem.text.split(separator: "\n").count != 4 {
                broken.append("four lines: \(problem.text)")
            }
        }
        return broken
    }
}

@Suite("The reader, given anything") struct FuzzTests {
    private static let words = [
        "[", "]", "{", "}", ",", ": ", "- ", "? ", "*", "&a ", "*a", "!", "!!int ", "|", ">", "\"",
        "'",
        "\n", "\t", "#", "%YAML 1.1\n", "---\n", "...\n", "<<: ", "~", "null", "\u{0}", "\u{FEFF}",
        "\u{85}", "\u{E0FF}", "\u{E000}", "name: x\n", "-1", "99999999999999999999", "1e9", "0x10",
        "::", "*.a", "tcp://", "tls+unix:", "[::]:443", "\\u0000", "\r\n", "é",
        "👩‍👩‍👧",
    ]

    @Test(
        "answers every mutation of the examples without a trap",
        arguments: [
            ("reference.yaml", UInt64(1)), ("complete.yaml", 2), ("tenant-port.yaml", 3),
            ("client-certificates.yaml", 4),
        ])
    func mutations(name: String, seed: UInt64) throws {
        let url = configsFolder.appendingPathComponent(name)
        let whole = Array(try String(contentsOf: url, encoding: .utf8).unicodeScalars)
        var generator = SplitMix64(seed: seed)
        for round in 0..<500 {
            var scalars = whole
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                self.mutate(&scalars, &generator)
            }
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars)
            let broken = FuzzTargets.configuration(String(view))
            try #require(broken.isEmpty, "seed \(seed), round \(round): \(broken)")
        }
    }

    @Test("answers every beginning of an example", arguments: ["complete.yaml", "ssh.yaml"])
    func truncations(name: String) throws {
        let url = configsFolder.appendingPathComponent(name)
        let whole = try String(contentsOf: url, encoding: .utf8)
        for count in stride(from: 0, to: whole.count, by: 3) {
            let broken = FuzzTargets.configuration(String(whole.prefix(count)))
            try #require(broken.isEmpty, "\(count) characters: \(broken)")
        }
    }

    private func mutate(_ scalars: inout [Unicode.Scalar], _ generator: inout SplitMix64) {
        guard !scalars.isEmpty else { return }
        let position = Int.random(in: 0..<scalars.count, using: &generator)
        let end = min(scalars.count, position + Int.random(in: 1...40, using: &generator))
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: scalars.removeSubrange(position..<end)
        case 1: scalars.insert(contentsOf: scalars[position..<end], at: position)
        case 2:
            let other = Int.random(in: 0...scalars.count, using: &generator)
            scalars.insert(contentsOf: Array(scalars[position..<end]), at: other)
        case 3: scalars[position] = Unicode.Scalar(UInt8.random(in: 0..<128, using: &generator))
        case 4:
            let word = Self.words.randomElement(using: &generator) ?? ""
            scalars.insert(contentsOf: word.unicodeScalars, at: position)
        default:
            let word = Self.words.randomElement(using: &generator) ?? ""
            scalars.replaceSubrange(position..<end, with: word.unicodeScalars)
        }
    }
}
