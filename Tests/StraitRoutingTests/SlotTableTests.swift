// A list that shares with its older versions what did not change, beside a dictionary.

import StraitRouting
import Testing

@Suite("SlotTable") struct SlotTableTests {
    /// A table beside what it must hold.
    private struct Pair {
        var table = SlotTable<Int>()
        var reference: [Int: Int] = [:]

        mutating func step(_ random: inout SystemRandomNumberGenerator) {
            let value = Int.random(in: 0..<1_000_000, using: &random)
            guard let known = self.reference.keys.randomElement(using: &random),
                Int.random(in: 0..<10, using: &random) < 4
            else {
                let number = self.table.add(value)
                #expect(self.reference[number] == nil)
                self.reference[number] = value
                return
            }
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                self.table.remove(known)
                self.reference[known] = nil
            case 1:
                self.table.change(known) { $0 = value }
                self.reference[known] = value
            default:
                self.table.set(known, to: value)
                self.reference[known] = value
            }
        }

        func check() {
            #expect(self.table.count == self.reference.count)
            var seen: [Int: Int] = [:]
            self.table.visit { seen[$0] = $1 }
            #expect(seen == self.reference)
            let inOrder = self.reference.sorted { $0.key < $1.key }.map(\.value)
            #expect(self.table.elements == inOrder)
            #expect(self.table.element(-1) == nil)
            #expect(self.table.element(1_000_000) == nil)
        }
    }

    @Test("holds what a dictionary holds, over chunks and groups")
    func likeADictionary() {
        var random = SystemRandomNumberGenerator()
        var pair = Pair()
        for number in 0..<5000 {
            #expect(pair.table.add(number) == number)
            pair.reference[number] = number
        }
        for _ in 0..<2000 { pair.step(&random) }
        pair.check()
        for (number, value) in pair.reference { #expect(pair.table[number] == value) }
    }

    @Test("an older version stays as it was, and every difference to it is told")
    func versions() {
        var random = SystemRandomNumberGenerator()
        var pair = Pair()
        for _ in 0..<5000 { pair.step(&random) }
        let older = pair
        for _ in 0..<50 { pair.step(&random) }
        older.check()
        pair.check()

        var rebuilt = older.table.elements
        var told = 0
        var gone: [Int] = []
        var come: [Int] = []
        pair.table.forEachChange(since: older.table) { old, new in
            told += 1
            if let old { gone.append(old) }
            if let new { come.append(new) }
        }
        for value in gone { rebuilt.remove(at: rebuilt.firstIndex(of: value) ?? 0) }
        #expect((rebuilt + come).sorted() == pair.table.elements.sorted())
        // Few chunks have changed, so few elements were looked at.
        #expect(told < 50 * 32 + 32)
    }

    @Test("of tables that are not related, everything is told")
    func unrelated() {
        let older: SlotTable<Int> = [1, 2, 3]
        let newer: SlotTable<Int> = [1, 4]
        var pairs: [[Int?]] = []
        newer.forEachChange(since: older) { pairs.append([$0, $1]) }
        #expect(pairs == [[1, 1], [2, 4], [3, nil]])
    }

    @Test("a number that was given back is given again")
    func numbersComeBack() {
        var table: SlotTable<String> = ["a", "b", "c"]
        table.remove(1)
        #expect(table.element(1) == nil)
        #expect(table.count == 2)
        #expect(table.add("d") == 1)
        #expect(table.add("e") == 3)
    }
}
