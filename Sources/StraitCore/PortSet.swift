// A set of TCP ports, a bit each, so that ten thousand tenants' ports are searched word by word.

/// Ports 0 to 65,535, each in or out; 8 KiB, and no more for many.
package struct PortSet: Hashable, Sendable {
    /// How many ports there are.
    package static let capacity = 65_536

    private var words = [UInt64](repeating: 0, count: capacity / 64)

    /// No port.
    package init() {}

    /// These ports.
    package init(_ ports: some Sequence<UInt16>) { for port in ports { self.insert(port) } }

    /// Adds a port.
    package mutating func insert(_ port: UInt16) {
        self.words[Int(port) / 64] |= 1 << (UInt64(port) % 64)
    }

    /// Takes a port out.
    package mutating func remove(_ port: UInt16) {
        self.words[Int(port) / 64] &= ~(1 << (UInt64(port) % 64))
    }

    /// Adds all ports of another set.
    package mutating func formUnion(_ other: PortSet) {
        for index in self.words.indices { self.words[index] |= other.words[index] }
    }

    /// Takes all ports of another set out.
    package mutating func subtract(_ other: PortSet) {
        for index in self.words.indices { self.words[index] &= ~other.words[index] }
    }

    /// Whether a port is in.
    package func contains(_ port: UInt16) -> Bool {
        self.words[Int(port) / 64] & 1 << (UInt64(port) % 64) != 0
    }

    /// How many ports are in.
    package var count: Int { self.words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// Whether no port is in.
    package var isEmpty: Bool { self.words.allSatisfy { $0 == 0 } }

    /// The lowest port from `start` on; nil where there is none, or `start` is beyond the last.
    package func first(from start: Int = 0) -> UInt16? {
        let found = self.position(from: start, of: true)
        return found < Self.capacity ? UInt16(found) : nil
    }

    /// The next run of ports in a row from `start` on: as long as it goes.
    ///
    /// - Complexity: O(*w*) in words of 64 ports that are passed.
    package func run(from start: Int = 0) -> Range<Int>? {
        let lower = self.position(from: start, of: true)
        guard lower < Self.capacity else { return nil }
        return lower..<self.position(from: lower, of: false)
    }

    /// How many ports the longest run has; 0 for no port.
    package var longestRun: Int {
        var longest = 0
        var start = 0
        while let run = self.run(from: start) {
            longest = max(longest, run.count)
            start = run.upperBound
        }
        return longest
    }

    /// All ports that are in, from the lowest to the highest.
    package var ports: [UInt16] {
        var found: [UInt16] = []
        var start = 0
        while let run = self.run(from: start) {
            found += run.lazy.map(UInt16.init)
            start = run.upperBound
        }
        return found
    }

    /// The first port from `start` on that is in, or out; ``capacity`` where there is none.
    private func position(from start: Int, of isIn: Bool) -> Int {
        guard start < Self.capacity else { return Self.capacity }
        var index = max(start, 0) / 64
        let turn: UInt64 = isIn ? 0 : ~0
        var word = (self.words[index] ^ turn) & ~0 << (UInt64(max(start, 0)) % 64)
        while word == 0 {
            index += 1
            guard index < self.words.count else { return Self.capacity }
            word = self.words[index] ^ turn
        }
        return index * 64 + word.trailingZeroBitCount
    }
}
