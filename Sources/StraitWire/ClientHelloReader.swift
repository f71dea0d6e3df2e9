// Assembles a ClientHello out of TLS records (RFC 8446 §5.1), however they and the segments are
// cut.

private import StraitCore

/// Finds the ClientHello at the start of a TLS connection, resuming where it stopped.
///
/// Segments may end anywhere, and records too, also inside the 4-byte handshake header. Every byte
/// is looked at once, so a hello that comes byte by byte costs no more than one that comes whole.
/// What it answers depends on the bytes alone, never on how they were cut into segments.
package struct ClientHelloReader: Hashable, Sendable {
    /// What the bytes so far amount to.
    package enum Outcome: Hashable, Sendable {
        /// A good beginning.
        case needMore
        /// No hello will come of this. Final.
        case malformed(HelloProblem)
        /// The whole hello is there. Final.
        case done(ClientHello)
    }

    /// Where the handshake body lies, which the ranges of ``ClientHello`` refer to.
    package enum BodyLocation: Hashable, Sendable {
        /// In the input: the hello lies in one record.
        case input(Range<Int>)
        /// In the array that ``read(_:assembledInto:)`` filled: it spans records.
        case assembled
    }

    /// Where the body lies; meaningful once ``read(_:assembledInto:)`` is done.
    package private(set) var bodyLocation = BodyLocation.assembled

    /// The record version of the first record; for the refusal, and of no other meaning.
    package private(set) var legacyRecordVersion: UInt16 = 0x0301

    /// The offset in the input of the next byte to look at.
    private var position = 0
    /// What that byte belongs to.
    private var state = State.recordHeader(recordHeader: 0, count: 0)
    /// The handshake header: how much of it came, and its bytes as a number.
    private var headerCount = 0
    private var header: UInt32 = 0
    /// Bytes of the body that are still to come, once its header is whole.
    private var bodyRemaining = 0

    private enum State: Hashable, Sendable {
        /// `count` of the 5 bytes of a record header came. *Can transition to: handshakeHeader,
        /// body, ended.*
        case recordHeader(recordHeader: UInt64, count: Int)
        /// In a record with `remaining` bytes, before the end of the handshake header.
        /// *Can transition to: recordHeader, body, wholeBody, ended.*
        case handshakeHeader(remaining: Int)
        /// In a record with `remaining` bytes, inside a body that spans records.
        /// *Can transition to: recordHeader, ended.*
        case body(remaining: Int)
        /// The body lies whole in this record. *Can transition to: ended.*
        case wholeBody(Range<Int>)
        /// *Final.*
        case ended(Outcome)
    }

    /// A reader at the start of a connection.
    package init() {}

    /// Reads on.
    ///
    /// - Parameters:
    ///   - input: Everything received so far, from the first record's first byte.
    ///   - body: Gets the handshake body piece by piece when it spans records; else left alone.
    /// - Returns: What the bytes so far amount to.
    /// - Complexity: O(bytes that are new), and O(*n*) once when the hello is whole.
    package mutating func read(
        _ input: Span<UInt8>, assembledInto body: inout [UInt8]
    ) -> Outcome {
        while true {
            switch self.state {
            case .ended(let outcome):
                return outcome
            case .recordHeader(let header, let count):
                guard self.position < input.count else { return .needMore }
                self.readRecordHeader(input[self.position], header, count)
            case .handshakeHeader(let remaining):
                guard self.position < input.count else { return .needMore }
                self.readHandshakeHeader(input[self.position], remaining)
            case .body(let remaining):
                guard self.position < input.count else { return .needMore }
                self.readBody(input, remaining, into: &body)
            case .wholeBody(let range):
                guard range.upperBound <= input.count else { return .needMore }
                self.bodyLocation = .input(range)
                self.finish(input.extracting(range))
            }
        }
    }

    // MARK: One step each

    /// Takes one of the 5 bytes: content type, two of version, two of length.
    private mutating func readRecordHeader(_ byte: UInt8, _ header: UInt64, _ count: Int) {
        guard self.position < Limits.peekBytesMax else { return self.refuse(.tooLarge) }
        self.position += 1
        let value = header << 8 | UInt64(byte)
        let isFirst = self.position <= 5
        switch count {
        case 0:
            // A first byte of 0x80 or more may begin a hello of SSL 2.0, which byte 2 tells.
            let mayBeSSLv2 = isFirst && byte >= 0x80
            guard byte == 22 || mayBeSSLv2 else { return self.refuse(.unexpectedRecord(byte)) }
        case 1:
            let mayBeSSLv2 = isFirst && header >= 0x80
            guard byte == 3 || mayBeSSLv2 else { return self.refuse(.recordVersion(byte)) }
        case 2:
            if isFirst, value >> 16 >= 0x80 {
                let type = UInt8(truncatingIfNeeded: value >> 16)
                return self.refuse(byte == 1 ? .sslv2Hello : .unexpectedRecord(type))
            }
            if isFirst { self.legacyRecordVersion = UInt16(truncatingIfNeeded: value) }
        case 4:
            let length = Int(value & 0xFFFF)
            return self.beginRecord(length)
        default: break
        }
        self.state = .recordHeader(recordHeader: value, count: count + 1)
    }

    private mutating func beginRecord(_ length: Int) {
        guard length > 0 else { return self.refuse(.recordEmpty) }
        guard length <= Limits.tlsRecordBytesMax else { return self.refuse(.recordTooLong(length)) }
        guard self.headerCount == 4 else {
            self.state = .handshakeHeader(remaining: length)
            return
        }
        guard length <= self.bodyRemaining else { return self.refuse(.trailingBytes) }
        self.state = .body(remaining: length)
    }

    /// Takes one of the 4 bytes: message type, three of length.
    private mutating func readHandshakeHeader(_ byte: UInt8, _ remaining: Int) {
        guard self.headerCount > 0 || byte == 1 else {
            return self.refuse(.unexpectedHandshake(byte))
        }
        self.position += 1
        self.header = self.header << 8 | UInt32(byte)
        self.headerCount += 1
        let left = remaining - 1
        guard self.headerCount == 4 else {
            self.state =
                left > 0
                ? .handshakeHeader(remaining: left) : .recordHeader(recordHeader: 0, count: 0)
            return
        }
        let length = Int(self.header & 0xFF_FFFF)
        guard length + 4 <= Limits.clientHelloBytesMax else { return self.refuse(.tooLarge) }
        guard left <= length else { return self.refuse(.trailingBytes) }
        guard length > 0 else { return self.refuse(.malformed(.legacyVersion)) }
        self.bodyRemaining = length
        if left == length, self.position == 9 {
            self.state = .wholeBody(self.position..<(self.position + length))
        } else if left > 0 {
            self.state = .body(remaining: left)
        } else {
            self.state = .recordHeader(recordHeader: 0, count: 0)
        }
    }

    /// Takes what is there of this record.
    private mutating func readBody(
        _ input: Span<UInt8>, _ remaining: Int, into body: inout [UInt8]
    ) {
        let count = min(remaining, input.count - self.position)
        for index in self.position..<(self.position + count) { body.append(input[index]) }
        self.position += count
        self.bodyRemaining -= count
        if self.bodyRemaining == 0 {
            self.bodyLocation = .assembled
            self.finish(body.span)
        } else if remaining > count {
            self.state = .body(remaining: remaining - count)
        } else {
            self.state = .recordHeader(recordHeader: 0, count: 0)
        }
    }

    // MARK: The end

    private mutating func finish(_ body: Span<UInt8>) {
        do throws(HelloProblem) {
            self.state = .ended(.done(try ClientHello(body: body)))
        } catch {
            self.refuse(error)
        }
    }

    private mutating func refuse(_ problem: HelloProblem) {
        self.state = .ended(.malformed(problem))
    }
}
