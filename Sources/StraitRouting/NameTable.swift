// A map from host names to numbers that is read without allocating, and shares with its older
// versions what did not change: a change of one name copies one of many parts.
//
// Open addressing with linear probing at a load of at most one half. The hash is seeded, so that
// whoever chooses names cannot choose collisions; where it matches, the bytes are compared all the
// same.

/// Maps byte strings of at most 255 bytes to 32-bit values.
package struct NameTable: Sendable {
    /// Bits of the hash that choose the part, in two steps: of a million names, a part has a
    /// thousand, and a change copies two lists of 32 beside it.
    private static let stepBits: UInt64 = 5

    private var parts: [[Part]]
    private let seed: UInt64
    /// How many names there are.
    package private(set) var count = 0

    /// - Parameter seed: Any value; the same names with another seed map to the same.
    package init(seed: UInt64) {
        let count = 1 << Int(Self.stepBits)
        self.parts = Array(repeating: Array(repeating: Part(), count: count), count: count)
        self.seed = seed
    }

    /// Puts a key in unless it is there.
    ///
    /// - Returns: The value that the key had before, and keeps; nil when it is new.
    package mutating func insert(_ key: ArraySlice<UInt8>, _ value: UInt32) -> UInt32? {
        precondition(key.count <= 255, "a host name has at most 253 bytes")
        let hash = Self.hash(key.span, seed: self.seed)
        let (first, second) = Self.steps(to: hash)
        if let known = self.parts[first][second].value(hash, key.span, from: 0) { return known }
        self.parts[first][second].append(hash, key, value, seed: self.seed)
        self.count += 1
        return nil
    }

    /// Takes a key out.
    ///
    /// - Returns: The value that it had; nil where it was not there.
    package mutating func remove(_ key: ArraySlice<UInt8>) -> UInt32? {
        let hash = Self.hash(key.span, seed: self.seed)
        let (first, second) = Self.steps(to: hash)
        guard let known = self.parts[first][second].value(hash, key.span, from: 0) else {
            return nil
        }
        self.parts[first][second].remove(hash, key.span, seed: self.seed)
        self.count -= 1
        return known
    }

    /// The value of the key that is `name` without its first `start` bytes; nil when there is none.
    package func value(of name: Span<UInt8>, from start: Int = 0) -> UInt32? {
        let hash = Self.hash(name, from: start, seed: self.seed)
        let (first, second) = Self.steps(to: hash)
        return self.parts[first][second].value(hash, name, from: start)
    }

    /// Every key with its value, in no order.
    package func visit(_ body: (ArraySlice<UInt8>, UInt32) -> Void) {
        for part in self.parts.joined() { part.visit(body) }
    }

    /// Not the bits that choose a slot, which are the low ones, nor those that are compared.
    private static func steps(to hash: UInt64) -> (Int, Int) {
        let mask: UInt64 = 1 << Self.stepBits - 1
        return (
            Int(truncatingIfNeeded: hash >> (32 - Self.stepBits) & mask),
            Int(truncatingIfNeeded: hash >> (32 - 2 * Self.stepBits) & mask)
        )
    }

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

/// The names whose hashes have some bits in common.
private struct Part: Sendable {
    /// Where a key's bytes lie, and what it maps to.
    private struct Entry: Sendable {
        /// Offset in `bytes` << 8 | length.
        var location: UInt64
        var value: UInt32
    }

    /// Hash's upper half << 32 | index of the entry + 1, or 0 where empty; none or a power of two.
    private var slots: [UInt64] = []
    private var entries: [Entry] = []
    private var bytes: [UInt8] = []

    func value(_ hash: UInt64, _ name: Span<UInt8>, from start: Int) -> UInt32? {
        guard !self.slots.isEmpty else { return nil }
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

    func visit(_ body: (ArraySlice<UInt8>, UInt32) -> Void) {
        for entry in self.entries { body(self.key(entry), entry.value) }
    }

    /// Puts a key in that is not there.
    mutating func append(_ hash: UInt64, _ key: ArraySlice<UInt8>, _ value: UInt32, seed: UInt64) {
        if (self.entries.count + 1) * 2 > self.slots.count { self.grow(seed: seed) }
        // Arrays double, which is more than so many parts should have for nothing.
        if self.entries.count == self.entries.capacity {
            self.entries.reserveCapacity(self.entries.count + self.entries.count / 8 + 1)
        }
        if self.bytes.count + key.count > self.bytes.capacity {
            self.bytes.reserveCapacity(self.bytes.count + self.bytes.count / 8 + key.count)
        }
        self.entries.append(
            Entry(location: UInt64(self.bytes.count) << 8 | UInt64(key.count), value: value))
        self.bytes.append(contentsOf: key)
        self.occupy(hash, entry: self.entries.count - 1)
    }

    /// Takes a key out that is there: what is left is put into a part of its own.
    mutating func remove(_ hash: UInt64, _ name: Span<UInt8>, seed: UInt64) {
        var rest = Part()
        rest.entries.reserveCapacity(self.entries.count)
        rest.bytes.reserveCapacity(self.bytes.count)
        for entry in self.entries where !self.isEqual(entry, name, from: 0) {
            let key = self.key(entry)
            rest.append(NameTable.hash(key.span, seed: seed), key, entry.value, seed: seed)
        }
        self = rest
    }

    private func key(_ entry: Entry) -> ArraySlice<UInt8> {
        let offset = Int(entry.location >> 8)
        return self.bytes[offset..<(offset + Int(entry.location & 255))]
    }

    private mutating func grow(seed: UInt64) {
        self.slots = Array(repeating: 0, count: max(8, self.slots.count * 2))
        for (index, entry) in self.entries.enumerated() {
            self.occupy(NameTable.hash(self.key(entry).span, seed: seed), entry: index)
        }
    }

    private mutating func occupy(_ hash: UInt64, entry: Int) {
        let mask = self.slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while self.slots[slot] != 0 { slot = (slot + 1) & mask }
        self.slots[slot] = (hash & 0xFFFF_FFFF_0000_0000) | UInt64(entry + 1)
    }

    private func isMatch(
        _ slot: UInt64, _ hash: UInt64, _ name: Span<UInt8>, from start: Int
    ) -> Bool {
        slot >> 32 == hash >> 32
            && self.isEqual(self.entries[Self.entryIndex(slot)], name, from: start)
    }

    private func isEqual(_ entry: Entry, _ name: Span<UInt8>, from start: Int) -> Bool {
        let count = Int(entry.location & 255)
        guard count == name.count - start else { return false }
        let offset = Int(entry.location >> 8)
        let key = self.bytes.span.extracting(offset..<(offset + count))
        let asked = name.extracting(start...)
        for index in 0..<count where key[index] != asked[index] { return false }
        return true
    }

    private static func entryIndex(_ slot: UInt64) -> Int { Int(slot & 0xFFFF_FFFF) - 1 }
}
