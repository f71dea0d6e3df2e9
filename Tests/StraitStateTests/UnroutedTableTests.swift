// Whom a flood drives out.

import StraitCore
import StraitState
import Testing

@Suite("UnroutedTable") struct UnroutedTableTests {
    private func source(_ number: UInt32) -> SourcePrefix {
        SourcePrefix(IPAddress(v4: 0x0A00_0000 | number))
    }

    @Test("a source that floods drives out its own, the oldest first")
    func sameSource() {
        var table = UnroutedTable()
        table.insert(0, group: 0, source: self.source(1))
        for slot in 1...1000 { table.insert(slot, group: 0, source: self.source(2)) }
        // Where both sources share a place the one from before is the oldest of it.
        var evicted: [Int] = []
        for _ in 0..<500 {
            guard let victim = table.victim() else { break }
            evicted.append(victim)
            table.remove(victim)
        }
        let own = evicted.filter { $0 > 0 }
        #expect(own == Array(1...own.count))
        #expect(own.count >= 499)
        #expect(table.count == 501)
    }

    @Test("one that floods from everywhere drives out what came by its listener")
    func sameListener() {
        // Of ten others at most a few share the flooded listener's group.
        var table = UnroutedTable()
        for slot in 0..<64 { table.insert(slot, group: slot, source: self.source(UInt32(slot))) }
        for slot in 64..<5064 {
            table.insert(slot, group: 1_000_000, source: self.source(UInt32(slot)))
        }
        var lost = 0
        for _ in 0..<4000 {
            guard let victim = table.victim() else { break }
            if victim < 64 { lost += 1 }
            table.remove(victim)
        }
        #expect(lost < 32, "of 64 listeners in \(UnroutedTable.groups) groups 2 share one")
        #expect(table.count == 1064)
    }

    @Test("the oldest of one place goes first, and one that is listed again is the newest")
    func order() {
        var table = UnroutedTable()
        for slot in [5, 3, 9] { table.insert(slot, group: 0, source: self.source(1)) }
        table.insert(5, group: 0, source: self.source(1))
        var order: [Int] = []
        while let victim = table.victim() {
            order.append(victim)
            table.remove(victim)
        }
        #expect(order == [3, 9, 5])
        #expect(table.count == 0)
        table.remove(3)
        table.remove(1_000_000)
        #expect(table.count == 0)
        #expect(!table.contains(3))
    }

    @Test("one that moves to another group leaves the first")
    func moves() {
        var table = UnroutedTable()
        for slot in 0..<100 { table.insert(slot, group: 0, source: self.source(1)) }
        for slot in 0..<100 { table.insert(slot, group: slot, source: self.source(1)) }
        #expect(table.count == 100)
        for slot in 0..<100 { table.remove(slot) }
        #expect(table.victim() == nil)
    }
}
