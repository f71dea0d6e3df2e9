// Finds BackendKeyData in what an upstream sends after startup, wherever segments cut it.

private import StraitCore

/// Walks the messages of a Postgres upstream from its first one after startup to ReadyForQuery.
///
/// It never holds bytes back and never copies: the caller relays each piece as it came, having
/// recorded and overwritten the bytes of the key in place with others of the same number.
package struct PostgresStreamScanner: Hashable, Sendable {
    /// What one piece of the stream held.
    package struct ScanResult: Hashable, Sendable {
        /// Where bytes of the key lie in this piece; empty when there are none.
        package var keyRange: Range<Int> = 0..<0
        /// Which byte of the key the first of them is.
        package var keyOffset = 0
        /// How many bytes the whole key has, 4 to 256; 0 until that is known.
        package var keyLength = 0
        /// The process id, once its 4 bytes were seen.
        package var processID: UInt32?
        /// Nothing of interest comes any more: ReadyForQuery was seen, or ``isMalformed``.
        package var isFinished = false
        /// The stream is not one of messages, or names two keys.
        ///
        /// No more will be found; the key's bytes that this piece holds, if any, are those of the
        /// first.
        package var isMalformed = false
    }

    private var state = State.header(value: 0, count: 0)
    private var processID: UInt32?
    private var keyLength = 0

    private enum State: Hashable, Sendable {
        /// `count` of a message's type and length came. *Can transition to: payload, key, ended.*
        case header(value: UInt64, count: Int)
        /// Bytes of no interest. *Can transition to: header.*
        case payload(remaining: Int)
        /// In BackendKeyData's process id. *Can transition to: key.*
        case processID(value: UInt32, count: Int)
        /// In BackendKeyData's key, at byte `offset`. *Can transition to: header.*
        case key(offset: Int)
        /// *Final.*
        case ended(isMalformed: Bool)
    }

    /// A scanner before the first message.
    package init() {}

    /// Looks at the next piece of the stream.
    ///
    /// - Complexity: O(messages), not O(bytes).
    package mutating func scan(_ piece: Span<UInt8>) -> ScanResult {
        var result = ScanResult()
        var index = 0
        while index < piece.count {
            switch self.state {
            case .ended:
                return self.completed(result)
            case .header(let value, let count):
                self.readHeader(piece[index], value, count)
                index += 1
            case .payload(let remaining):
                let count = min(remaining, piece.count - index)
                index += count
                self.state = remaining > count ? .payload(remaining: remaining - count) : Self.next
            case .processID(let value, let count):
                let processID = value << 8 | UInt32(piece[index])
                index += 1
                if count == 3 { self.processID = processID }
                self.state =
                    count == 3 ? .key(offset: 0) : .processID(value: processID, count: count + 1)
            case .key(let offset):
                let count = min(self.keyLength - offset, piece.count - index)
                result.keyRange = index..<(index + count)
                result.keyOffset = offset
                index += count
                let end = offset + count
                self.state = end < self.keyLength ? .key(offset: end) : Self.next
            }
        }
        return self.completed(result)
    }

    private static let next = State.header(value: 0, count: 0)

    private func completed(_ result: ScanResult) -> ScanResult {
        var result = result
        result.processID = self.processID
        result.keyLength = self.keyLength
        if case .ended(let isMalformed) = self.state {
            result.isFinished = true
            result.isMalformed = isMalformed
        }
        return result
    }

    /// Takes one of the 5 bytes: type, four of length, which counts itself but not the type.
    private mutating func readHeader(_ byte: UInt8, _ header: UInt64, _ count: Int) {
        if count == 0, byte == UInt8(ascii: "Z") {
            self.state = .ended(isMalformed: false)
            return
        }
        let value = header << 8 | UInt64(byte)
        guard count == 4 else {
            self.state = .header(value: value, count: count + 1)
            return
        }
        let length = Int(value & 0xFFFF_FFFF)
        guard length >= 4, length <= Self.messageBytesMax else {
            self.state = .ended(isMalformed: true)
            return
        }
        guard value >> 32 == UInt64(UInt8(ascii: "K")) else {
            self.state = length > 4 ? .payload(remaining: length - 4) : Self.next
            return
        }
        // One key a connection; its length is what the protocol allows.
        guard self.keyLength == 0, (4...Limits.postgresCancelKeyBytesMax).contains(length - 8)
        else {
            self.state = .ended(isMalformed: true)
            return
        }
        self.keyLength = length - 8
        self.state = .processID(value: 0, count: 0)
    }

    /// The longest message that PostgreSQL sends, its PQ_LARGE_MESSAGE_LIMIT: 1 GiB - 2.
    private static let messageBytesMax = 0x3FFF_FFFE
}
