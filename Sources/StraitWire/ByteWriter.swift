// The writing twin of ByteReader.

/// Appends big-endian integers, bytes and length-prefixed blocks to an array.
package struct ByteWriter: Sendable {
    /// What was written so far.
    package private(set) var bytes: [UInt8]

    /// - Parameter capacity: How many bytes will be written, where that is known.
    package init(capacity: Int = 64) {
        self.bytes = []
        self.bytes.reserveCapacity(capacity)
    }

    /// How many bytes were written.
    package var count: Int { self.bytes.count }

    /// Appends one byte.
    package mutating func append(_ value: UInt8) { self.bytes.append(value) }

    /// Appends two bytes, most significant first.
    package mutating func append(_ value: UInt16) {
        self.bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        self.bytes.append(UInt8(truncatingIfNeeded: value))
    }

    /// Appends four bytes, most significant first.
    package mutating func append(_ value: UInt32) {
        self.append(UInt16(truncatingIfNeeded: value >> 16))
        self.append(UInt16(truncatingIfNeeded: value))
    }

    /// Appends eight bytes, most significant first.
    package mutating func append(_ value: UInt64) {
        self.append(UInt32(truncatingIfNeeded: value >> 32))
        self.append(UInt32(truncatingIfNeeded: value))
    }

    /// Appends bytes as they are.
    package mutating func append(contentsOf bytes: some Sequence<UInt8>) {
        self.bytes.append(contentsOf: bytes)
    }

    /// Appends the bytes of a span as they are.
    package mutating func append(span: Span<UInt8>) {
        for index in span.indices { self.bytes.append(span[index]) }
    }

    /// Appends a block behind its length in `lengthBytes` bytes; `bias` is added to the length that
    /// is written (Postgres counts the length field itself).
    ///
    /// A block that its length field cannot hold is a mistake of ours, never a peer's.
    package mutating func block<Problem: Error>(
        lengthBytes: Int, bias: Int = 0, _ write: (inout ByteWriter) throws(Problem) -> Void
    ) throws(Problem) {
        let start = self.bytes.count
        for _ in 0..<lengthBytes { self.bytes.append(0) }
        try write(&self)
        let length = self.bytes.count - start - lengthBytes + bias
        precondition(
            length >= 0 && length < 1 << (8 * lengthBytes), "a block fits its length field")
        for index in 0..<lengthBytes {
            let shift = 8 * (lengthBytes - 1 - index)
            self.bytes[start + index] = UInt8(truncatingIfNeeded: length >> shift)
        }
    }

    /// Overwrites bytes that were written before; what lies outside is a mistake of ours.
    package mutating func overwrite(at offset: Int, with value: UInt32) {
        for index in 0..<4 {
            self.bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index))
        }
    }
}
