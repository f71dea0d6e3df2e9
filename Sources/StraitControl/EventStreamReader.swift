// Reads a stream of events as it comes, cut anywhere: chunks (RFC 9112 §7.1), and in them
// server-sent events (WHATWG HTML, section 9.2.6). Pure.

internal import StraitCore

/// Why a stream cannot be read on.
package enum EventStreamProblem: Error, Hashable, Sendable {
    /// What came is no chunk.
    case malformed
    /// A line has more bytes than ``Limits/watchLineBytesMax``.
    case lineTooLong
}

/// The bytes inside chunks.
package struct ChunkedReader: Sendable {
    private enum State: Hashable, Sendable {
        /// The line before a chunk: its length, in so many bytes until now. Can transition to:
        /// extension, data, afterLast.
        case length(UInt64, digits: Int)
        /// What follows the length and says nothing to us. Can transition to: data, afterLast.
        case `extension`(UInt64, bytes: Int)
        /// So many bytes are still to come. Can transition to: afterData.
        case data(UInt64)
        /// The line's end behind a chunk. Can transition to: length.
        case afterData
        /// The last chunk has come; nothing behind it matters.
        case afterLast
    }

    private var state = State.length(0, digits: 0)

    /// Nothing has come yet.
    package init() {}

    /// Whether the last chunk has come.
    package var isAtEnd: Bool { self.state == .afterLast }

    /// What of `bytes` is inside chunks.
    package mutating func receive(_ bytes: [UInt8]) throws(EventStreamProblem) -> [UInt8] {
        var payload: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.first {
            switch self.state {
            case .length(let length, let digits):
                rest.removeFirst()
                try self.receivedLength(byte, length, digits)
            case .extension(let length, let count):
                rest.removeFirst()
                guard count < Limits.watchLineBytesMax else { throw .lineTooLong }
                self.state = byte == 10 ? Self.behind(length) : .extension(length, bytes: count + 1)
            case .data(let left):
                let count = Int(min(left, UInt64(rest.count)))
                payload += rest.prefix(count)
                rest = rest.dropFirst(count)
                self.state = left == UInt64(count) ? .afterData : .data(left - UInt64(count))
            case .afterData:
                rest.removeFirst()
                guard byte == 13 || byte == 10 else { throw .malformed }
                if byte == 10 { self.state = .length(0, digits: 0) }
            case .afterLast: return payload
            }
        }
        return payload
    }

    private mutating func receivedLength(
        _ byte: UInt8, _ length: UInt64, _ digits: Int
    ) throws(EventStreamProblem) {
        switch byte {
        case 48...57, 65...70, 97...102:
            // 15 digits of 4 bits each: it cannot overflow.
            guard digits < 15 else { throw .malformed }
            let digit = byte <= 57 ? byte - 48 : (byte | 32) - 87
            self.state = .length(length << 4 | UInt64(digit), digits: digits + 1)
        case 10, 13, 59, 32, 9:
            guard digits > 0 else { throw .malformed }
            self.state = byte == 10 ? Self.behind(length) : .extension(length, bytes: 0)
        default: throw .malformed
        }
    }

    private static func behind(_ length: UInt64) -> State {
        length == 0 ? .afterLast : .data(length)
    }
}

/// Events.
package struct EventStreamReader: Sendable {
    /// One event.
    package struct Event: Hashable, Sendable {
        /// Its type.
        package var kind: String
        /// What it says.
        package var data: String
        /// The id that holds once it has come.
        package var lastID: String

        /// See the properties.
        package init(kind: String, data: String, lastID: String) {
            self.kind = kind
            self.data = data
            self.lastID = lastID
        }
    }

    /// The id to go on from; nil: none came.
    package private(set) var lastID: String?
    private var line: [UInt8] = []
    /// After CR, an LF belongs to the same line's end.
    private var skipsLineFeed = false
    private var kind = ""
    private var data: [String] = []
    private var dataBytes = 0

    /// - Parameter lastID: That of the stream which this one goes on with.
    package init(after lastID: String? = nil) { self.lastID = lastID }

    /// The events that are whole with these bytes.
    package mutating func receive(_ bytes: [UInt8]) throws(EventStreamProblem) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            let isSecond = self.skipsLineFeed && byte == 10
            self.skipsLineFeed = byte == 13
            guard !isSecond else { continue }
            guard byte == 10 || byte == 13 else {
                guard self.line.count < Limits.watchLineBytesMax else { throw .lineTooLong }
                self.line.append(byte)
                continue
            }
            let line = String(decoding: self.line, as: UTF8.self)
            self.line.removeAll(keepingCapacity: true)
            if line.isEmpty {
                if let event = self.event() { events.append(event) }
            } else {
                try self.take(line)
            }
        }
        return events
    }

    private mutating func take(_ line: String) throws(EventStreamProblem) {
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count > 1 ? parts[1] : ""
        if value.hasPrefix(" ") { value.removeFirst() }
        switch parts[0] {
        case "event": self.kind = String(value)
        case "data":
            self.dataBytes += value.utf8.count + 1
            guard self.dataBytes <= Limits.watchLineBytesMax else { throw .lineTooLong }
            self.data.append(String(value))
        case "id" where !value.utf8.contains(0): self.lastID = String(value)
        default: break  // a comment, `retry`, or what nobody knows
        }
    }

    private mutating func event() -> Event? {
        defer {
            self.kind = ""
            self.data = []
            self.dataBytes = 0
        }
        guard !self.data.isEmpty else { return nil }
        return Event(
            kind: self.kind.isEmpty ? "message" : self.kind,
            data: self.data.joined(separator: "\n"), lastID: self.lastID ?? "")
    }
}
