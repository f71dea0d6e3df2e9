// The inputs that fuzzing starts from, kept beside the tests that replay them.

package import Foundation

/// The seeds of a test target.
package struct CorpusSeeds: Sendable {
    private let folder: URL

    /// Those of the test target that carries `bundle`, in its `Corpus/seeds`.
    package init(_ bundle: Bundle) {
        self.folder = bundle.bundleURL.appendingPathComponent("Corpus/seeds")
    }

    /// The lines of `NAME.hex`, one input each; none where there is no such file, so that whoever
    /// needs some must look.
    package func read(_ name: String) -> [[UInt8]] {
        let file = self.folder.appendingPathComponent("\(name).hex")
        // No file: no seeds, as said above.
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").map { bytesOf(hexadecimal: String($0)) }
    }
}

/// The bytes that pairs of hexadecimal digits stand for.
///
/// Spaces and what else is no digit are skipped.
package func bytesOf(hexadecimal text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}
