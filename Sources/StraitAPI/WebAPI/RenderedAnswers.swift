// Answers that were rendered, for as long as what they were rendered from is live.

internal import StraitCore

/// A rendered answer.
package struct RenderedAnswer: Hashable, Sendable {
    /// JSON and a line feed.
    package let bytes: [UInt8]
    /// A strong entity tag (RFC 9110 §8.8.3): of the bytes, so that it outlives changes of other
    /// tenants, and is the same on every router.
    package let tag: String

    /// - Parameter bytes: JSON and a line feed.
    package init(bytes: [UInt8]) {
        self.bytes = bytes
        // FNV-1a of 64 bits: tells apart what a tenant's answers were in time; nobody gains by two
        // that are equal.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        self.tag = "\"" + String(hash, radix: 16) + "\""
    }
}

/// The answers that were asked for last.
package struct RenderedAnswers: Sendable {
    /// What an answer depends on, beside what is live.
    package struct Key: Hashable, Sendable {
        var question: WebAPIQuestion
        var tenant: String
        var webPort: UInt16

        /// See the properties.
        package init(question: WebAPIQuestion, tenant: String, webPort: UInt16) {
            self.question = question
            self.tenant = tenant
            self.webPort = webPort
        }
    }

    private struct Entry {
        var answer: RenderedAnswer
        var revision: UInt64
        var lastUse: UInt64
    }

    private var entries: [Key: Entry] = [:]
    private var uses: UInt64 = 0
    private let countMax: Int

    /// - Parameter countMax: How many are kept.
    package init(countMax: Int = Limits.webAPIAnswersMax) { self.countMax = countMax }

    /// How many are kept.
    package var count: Int { self.entries.count }

    /// The answer, if it was rendered from that revision.
    package mutating func answer(_ key: Key, revision: UInt64) -> RenderedAnswer? {
        guard let index = self.entries.index(forKey: key),
            self.entries.values[index].revision == revision
        else { return nil }
        self.uses += 1
        self.entries.values[index].lastUse = self.uses
        return self.entries.values[index].answer
    }

    /// Keeps an answer; at the bound the least recently used one goes.
    package mutating func keep(_ key: Key, _ answer: RenderedAnswer, revision: UInt64) {
        if self.entries[key] == nil, self.entries.count >= self.countMax,
            let oldest = self.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            self.entries[oldest.key] = nil
        }
        self.uses += 1
        self.entries[key] = Entry(answer: answer, revision: revision, lastUse: self.uses)
    }
}
