// What epoll hands back with an event: which connection and side, which listener, or the mailbox.

internal import StraitCore
internal import StraitPosix

/// 64 bits that stand for the source of an event.
///
/// A connection: 31 bits of generation, 31 of index, the side, with the top bit clear. Otherwise
/// the top bit is set.
struct EventToken {
    enum Target {
        case mailbox
        case listener(Int)
        case connection(SlabToken, EndpointSide)
    }

    let rawValue: UInt64

    static let mailbox = EventToken(rawValue: .max)
    /// How much of a slot's generation an event carries.
    static let generationMask: UInt32 = 0x7FFF_FFFF

    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(listener id: Int) { self.rawValue = 1 << 63 | UInt64(id) }

    init(_ token: SlabToken, _ side: EndpointSide) {
        let generation = UInt64(token.generation & Self.generationMask)
        self.rawValue = generation << 32 | UInt64(token.index) << 1 | UInt64(side.rawValue)
    }

    var target: Target {
        if self.rawValue == Self.mailbox.rawValue { return .mailbox }
        if self.rawValue >> 63 == 1 { return .listener(Int(self.rawValue & 0xFFFF_FFFF)) }
        let token = SlabToken(
            index: UInt32(truncatingIfNeeded: self.rawValue) >> 1,
            generation: UInt32(truncatingIfNeeded: self.rawValue >> 32))
        return .connection(token, self.rawValue & 1 == 0 ? .downstream : .upstream)
    }
}

/// Connections that wait for their turn, first in first out.
///
/// Each is in at most one place: ``Connection/isQueued``.
struct TokenQueue {
    private var tokens: [SlabToken] = []
    private var first = 0

    var isEmpty: Bool { self.first == self.tokens.count }
    var count: Int { self.tokens.count - self.first }

    mutating func append(_ token: SlabToken) { self.tokens.append(token) }

    mutating func popFirst() -> SlabToken? {
        guard self.first < self.tokens.count else { return nil }
        defer {
            self.first += 1
            if self.first == self.tokens.count {
                self.tokens.removeAll(keepingCapacity: true)
                self.first = 0
            } else if self.first >= 1024, self.first * 2 >= self.tokens.count {
                self.tokens.removeFirst(self.first)
                self.first = 0
            }
        }
        return self.tokens[self.first]
    }
}

/// Lets each sentence through once a minute and counts the rest.
struct ComplaintLimiter {
    private var seen: [String: (until: UInt64, suppressed: UInt64)] = [:]
    /// Different sentences remembered.
    ///
    /// Beyond: all are forgotten, so that memory stays bounded.
    private static let sentencesMax = 256

    init() {}

    /// How many of the same were left out before this one; nil: leave this one out.
    mutating func admit(_ sentence: String, at now: Instant) -> UInt64? {
        if let entry = self.seen[sentence], now.nanoseconds < entry.until {
            self.seen[sentence]?.suppressed += 1
            return nil
        }
        let suppressed = self.seen[sentence]?.suppressed ?? 0
        if self.seen.count >= Self.sentencesMax { self.seen.removeAll() }
        self.seen[sentence] = (now.advanced(byNanoseconds: 60_000_000_000).nanoseconds, 0)
        return suppressed
    }
}
