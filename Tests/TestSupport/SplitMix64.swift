// A generator of numbers that a seed repeats exactly. Used by every suite that makes up its inputs,
// and by the fuzz targets; so it imports nothing.

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers on every machine.
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    /// The sequence that belongs to `seed`.
    package init(seed: UInt64) { self.state = seed }

    /// The next number of the sequence.
    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// A number in `0..<bound`; 0 when `bound` is 0.
    package mutating func below(_ bound: Int) -> Int {
        bound > 0 ? Int(self.next() % UInt64(bound)) : 0
    }
}
