// What fuzzing makes of its seeds, the same in each run of a seed.

/// Changes seeds a little, or a lot.
package struct Mutator {
    private var random: SplitMix64
    private let seeds: [[UInt8]]
    private let dictionary: [[UInt8]]

    /// Those that belong to `seed`; `dictionary` has words to put in.
    package init(seed: UInt64, seeds: [[UInt8]], dictionary: [[UInt8]]) {
        self.random = SplitMix64(seed: seed)
        self.seeds = seeds
        self.dictionary = dictionary
    }

    /// The next input: one of the seeds, with up to four changes.
    package mutating func next() -> [UInt8] {
        var input = self.seeds[self.random.below(self.seeds.count)]
        for _ in 0..<self.random.below(5) { self.mutate(&input) }
        return input
    }

    private mutating func mutate(_ input: inout [UInt8]) {
        let place = self.random.below(input.count)
        switch self.random.below(9) {
        case 0 where !input.isEmpty: input[place] ^= 1 << UInt8(self.random.below(8))
        case 1 where !input.isEmpty: input[place] = [0, 1, 0x7F, 0x80, 0xFF][self.random.below(5)]
        case 2 where !input.isEmpty: input[place] &+= self.random.below(2) == 0 ? 1 : .max
        case 3: input.insert(UInt8(self.random.below(256)), at: place)
        case 4 where !input.isEmpty:
            input.removeSubrange(
                place..<(place + 1 + self.random.below(min(4, input.count - place))))
        case 5: input = Array(input[..<place])
        case 6 where !input.isEmpty:
            let end = place + self.random.below(min(40, input.count - place))
            input.insert(contentsOf: Array(input[place..<end]), at: place)
        case 7:
            let other = self.seeds[self.random.below(self.seeds.count)]
            input = Array(input[..<place]) + other[self.random.below(other.count)...]
        default:
            guard !self.dictionary.isEmpty else { return }
            let word = self.dictionary[self.random.below(self.dictionary.count)]
            let end = self.random.below(2) == 0 ? place : min(input.count, place + word.count)
            input.replaceSubrange(place..<end, with: word)
        }
    }
}
