// "Did you mean": the word of a list that a misspelt one is closest to.

/// The word of `candidates` that takes the fewest edits from `word`; nil when none is near.
///
/// Edits are insertions, deletions, changes and swaps of neighbours (optimal string alignment).
/// Near is a third of the longer word, one at least. Words of fewer than 3 or more than 64 bytes
/// have no neighbours.
func nearestWord(to word: String, in candidates: [String]) -> String? {
    let folded = word.lowercased().replacing("-", with: "_")
    var best: (word: String, distance: Int)?
    for candidate in candidates {
        let plain = candidate.lowercased().replacing("-", with: "_")
        guard let distance = editDistance(Array(folded.utf8), Array(plain.utf8)) else { continue }
        let longer = max(word.utf8.count, candidate.utf8.count)
        guard distance <= (longer < 3 ? 0 : max(1, longer / 3)) else { continue }
        if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
    }
    return best?.word
}

/// The number of edits between two words of at most 64 bytes; nil for longer ones.
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int? {
    guard left.count <= 64, right.count <= 64 else { return nil }
    guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for row in 1...left.count {
        var current = [row]
        for column in 1...right.count {
            let change = left[row - 1] == right[column - 1] ? 0 : 1
            var least = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + change)
            if row > 1, column > 1, left[row - 1] == right[column - 2],
                left[row - 2] == right[column - 1]
            {
                least = min(least, beforeLast[column - 2] + 1)
            }
            current.append(least)
        }
        beforeLast = last
        last = current
    }
    return last[right.count]
}
