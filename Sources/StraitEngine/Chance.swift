// Random numbers where nobody gains by guessing them: SplitMix64, a few instructions a number and
// no call into the kernel.

/// A sequence that begins anywhere.
struct Chance {
    private var state = UInt64.random(in: 0 ... .max)

    /// The next number; all bits are used.
    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
