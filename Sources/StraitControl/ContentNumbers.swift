// Identity by content: equal things share a number, different things never do, for the life of the
// process.

/// Numbers for contents.
///
/// What a compilation no longer uses is forgotten; its number is not given again.
struct ContentNumbers<Content: Hashable & Sendable>: Sendable {
    private var numbers: [Content: UInt64] = [:]
    private var used: Set<UInt64> = []
    private var last: UInt64 = 0

    /// The number of `content`, from 1.
    mutating func number(of content: Content) -> UInt64 {
        if let known = self.numbers[content] {
            self.used.insert(known)
            return known
        }
        self.last += 1
        self.numbers[content] = self.last
        self.used.insert(self.last)
        return self.last
    }

    /// Ends a compilation: forgets contents that it did not ask for, private keys among them.
    mutating func forgetUnused() {
        let used = self.used
        self.numbers = self.numbers.filter { used.contains($0.value) }
        self.used = []
    }
}
