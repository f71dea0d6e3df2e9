// A map from host names to numbers that is built once and then only read, without allocating.
//
// Open addressing with linear probing at a load of at most one half. The hash is seeded, so that
// whoever chooses names cannot choose collisions; where it matches, the bytes are compared all the
// same.

/// Maps byte strings of at most 255 bytes to 32-bit values.
package struct NameTable: Sendable {
    /// Where a key's bytes lie, and what it maps to.
    private struct Entry: Sendable {
        /// Offset in `bytes` << 8 | length.
        var location: UInt64
        var value: UInt32
    }

    /// Hash's upper half << 32 | index of the entry + 1, or 0 where empty; a power of two of them.
    private var slots: [UInt64]
    private var entries: [Entry]
    private var bytes: [UInt8]
    private let seed: UInt64

    /// - Parameters:
    ///   - capacity: How many keys are put in at most.
    ///   - seed: Any value; the same rules with another seed decide the same.
    init(capacity: Int, seed: UInt64) {
        var count = 8
        while count < capacity * 2 { count *= 2 }
        self.slots = Array(repeating: 0, count: count)
        self.entries = []
        self.entries.reserveCapacity(capacity)
        self.bytes = []
        self.seed = seed
    }

    /// Puts a key in unless it is there.
    ///
    /// - Returns: The value that the key had before, and keeps; nil when it is new.
    mutating func insert(_ key: ArraySlice<UInt8>, _ value: UInt32) -> UInt32? {
        precondition(key.count <= 255, "a host name has at most 253 bytes")
        precondition(self.entries.count * 2 < self.slots.count, "the table was sized for its keys")
        let hash = Self.hash(key.span, seed: self.seed)
        var slot = Int(truncatingIfNeeded: hash) & (self.slots.count - 1)
        while self.slots[slot] != 0 {
            if self.isMatch(self.slots[slot], hash, key.span, from: 0) {
                return self.entries[Self.entryIndex(self.slots[slot])].value
            }
            slot = (slot + 1) & (self.slots.count - 1)
        }
        self.entries.append(
            Entry(location: UInt64(self.bytes.count) << 8 | UInt64(key.count), value: value))
        self.bytes.append(contentsOf: key)
        self.slots[slot] = (hash & 0xFFFF_FFFF_0000_0000) | UInt64(self.entries.count)
        return nil
    }

    /// The value of the key that is `name` without its first `start` bytes; nil when there is none.
    func value(of name: Span<UInt8>, from start: Int = 0) -> UInt32? {
        let hash = Self.hash(name, from: start, seed: self.seed)
        let mask = self.slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while self.slots[slot] != 0 {
            if self.isMatch(self.slots[slot], hash, name, from: start) {
                return self.entries[Self.entryIndex(self.slots[slot])].value
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func isMatch(
        _ slot: UInt64, _ hash: UInt64, _ name: Span<UInt8>, from start: Int
    ) -> Bool {
        guard slot >> 32 == hash >> 32 else { return false }
        let location = self.entries[Self.entryIndex(slot)].location
        let count = Int(location & 255)
        guard count == name.count - start else { return false }
        let offset = Int(location >> 8)
        let key = self.bytes.span.extracting(offset..<(offset + count))
        let asked = name.extracting(start...)
        for index in 0..<count where key[index] != asked[index] { return false }
        return true
    }

    private static func entryIndex(_ slot: UInt64) -> Int { Int(slot & 0xFFFF_FFFF) - 1 }

    /// The hash of a name without its first `start` bytes.
    ///
    /// Eight bytes at a time, each word folded in by a multiplication to 128 bits. Who knows the
    /// seed can make names collide, which is why the seed is random and why bytes are compared.
    package static func hash(_ name: Span<UInt8>, from start: Int = 0, seed: UInt64) -> UInt64 {
        let name = name.extracting(start...)
        var state = seed ^ UInt64(truncatingIfNeeded: name.count)
        var rest = name.count & 7
        var word: UInt64 = 0
        // The last bytes first, so that whole words follow in a loop without a remainder.
        while rest > 0 {
            word = word << 8 | UInt64(name[name.count - rest])
            rest -= 1
        }
        state = Self.folded(state ^ word)
        for start in stride(from: 0, to: name.count & ~7, by: 8) {
            word = 0
            for index in start..<(start + 8) { word = word << 8 | UInt64(name[index]) }
            state = Self.folded(state ^ word)
        }
        return Self.folded(state ^ seed)
    }

    private static func folded(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)  // 2^64 / golden ratio
        return product.high ^ product.low
    }
}
