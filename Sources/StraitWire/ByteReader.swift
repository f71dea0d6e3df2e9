// A cursor over bytes that somebody else chose. It hands out ranges into its input, never copies.

/// Reads big-endian integers and length-prefixed vectors from a span, front to back.
///
/// Nothing here traps: what is not there is a ``ParseError``. Offsets are those of the whole input,
/// also in a reader over a part of it.
package struct ByteReader: ~Copyable, ~Escapable {
    private let input: Span<UInt8>
    private let end: Int
    /// Where the next byte is read, as an offset into the whole input.
    package private(set) var offset: Int

    /// A reader over all of `input`.
    @_lifetime(copy input)
    package init(_ input: Span<UInt8>) {
        self.input = input
        self.offset = 0
        self.end = input.count
    }

    /// A reader over `range` of `input`; what lies outside of the input is cut off.
    @_lifetime(copy input)
    package init(_ input: Span<UInt8>, in range: Range<Int>) {
        self.input = input
        self.end = Swift.min(Swift.max(range.upperBound, 0), input.count)
        self.offset = Swift.min(Swift.max(range.lowerBound, 0), self.end)
    }

    /// How many bytes are left.
    package var remaining: Int { self.end - self.offset }

    /// Whether every byte was read.
    package var isAtEnd: Bool { self.offset == self.end }

    /// Reads one byte.
    package mutating func uint8(_ field: WireField) throws(ParseError) -> UInt8 {
        guard self.remaining >= 1 else { throw .malformed(field) }
        let value = self.input[self.offset]
        self.offset += 1
        return value
    }

    /// Reads two bytes, most significant first.
    package mutating func uint16(_ field: WireField) throws(ParseError) -> UInt16 {
        guard self.remaining >= 2 else { throw .malformed(field) }
        let value = UInt16(self.input[self.offset]) << 8 | UInt16(self.input[self.offset + 1])
        self.offset += 2
        return value
    }

    /// Reads four bytes, most significant first.
    package mutating func uint32(_ field: WireField) throws(ParseError) -> UInt32 {
        let high = try self.uint16(field)
        let low = try self.uint16(field)
        return UInt32(high) << 16 | UInt32(low)
    }

    /// Reads eight bytes, most significant first.
    package mutating func uint64(_ field: WireField) throws(ParseError) -> UInt64 {
        let high = try self.uint32(field)
        let low = try self.uint32(field)
        return UInt64(high) << 32 | UInt64(low)
    }

    /// Steps over `count` bytes and returns where they lie.
    @discardableResult
    package mutating func bytes(_ count: Int, _ field: WireField) throws(ParseError) -> Range<Int> {
        guard count >= 0, self.remaining >= count else { throw .malformed(field) }
        let start = self.offset
        self.offset += count
        return start..<self.offset
    }

    /// Steps over a vector whose length stands before it in `lengthBytes` bytes (RFC 8446 §3.4).
    ///
    /// - Returns: where its content lies.
    /// - Throws: when the length lies outside `bounds` or beyond the end.
    @discardableResult
    package mutating func vector(
        lengthBytes: Int, in bounds: ClosedRange<Int>, _ field: WireField
    ) throws(ParseError) -> Range<Int> {
        var count = 0
        for _ in 0..<lengthBytes { count = count << 8 | Int(try self.uint8(field)) }
        guard bounds.contains(count) else { throw .malformed(field) }
        return try self.bytes(count, field)
    }
}

extension ByteReader {
    /// Whether the bytes at `range`, which this reader handed out, are exactly `known`.
    package func matches(_ range: Range<Int>, _ known: [UInt8]) -> Bool {
        guard range.count == known.count, range.upperBound <= self.input.count else { return false }
        for index in 0..<known.count where self.input[range.lowerBound + index] != known[index] {
            return false
        }
        return true
    }
}
