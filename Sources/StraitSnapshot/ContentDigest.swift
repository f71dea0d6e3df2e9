// Identity by content: what is equal has equal digests, in every process; what differs does not.

/// A SHA-256, held in place.
package struct ContentDigest: Hashable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// - Parameter sha256: 32 bytes.
    package init(sha256: [UInt8]) {
        precondition(sha256.count == 32, "SHA-256 has 32 bytes")
        func word(_ start: Int) -> UInt64 {
            sha256[start..<(start + 8)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.words = (word(0), word(8), word(16), word(24))
    }

    /// Stands for the only thing of its kind that is no content, by a number of its own.
    package init(only number: UInt64) { self.words = (0, 0, 0, number) }

    /// The 32 bytes.
    package var bytes: [UInt8] {
        [self.words.0, self.words.1, self.words.2, self.words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
        }
    }

    /// Of all bytes.
    package static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    /// Of some bytes: they are as good as random.
    package func hash(into hasher: inout Hasher) { hasher.combine(self.words.3) }
}
