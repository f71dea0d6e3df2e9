// What sources use, and who is forgotten.

import StraitCore
import StraitSnapshot
import TestSupport
import Testing

@Suite("SourceTable") struct SourceTableTests {
    private func source(_ number: UInt32) -> SourcePrefix {
        SourcePrefix(IPAddress(v4: 0x0A00_0000 | number))
    }

    private func time(_ seconds: UInt64) -> Instant {
        Instant(nanoseconds: seconds * 1_000_000_000)
    }

    @Test("open connections are counted by source and tenant, up and down")
    func open() {
        let table = SourceTable(sets: 16)
        let (one, other) = (table.newOwner(), table.newOwner())
        let first = table.opened(self.source(1), of: one, at: self.time(1))
        #expect(first.open == 1)
        #expect(table.opened(self.source(1), of: one, at: self.time(1)).open == 2)
        #expect(table.opened(self.source(2), of: one, at: self.time(1)).open == 1)
        #expect(table.opened(self.source(1), of: other, at: self.time(1)).open == 1)
        table.closed(first.place)
        #expect(table.opened(self.source(1), of: one, at: self.time(2)).open == 2)
        for _ in 0..<5 { table.closed(first.place) }
        #expect(table.opened(self.source(1), of: one, at: self.time(2)).open == 1)
    }

    @Test("all addresses of an IPv6 /64 are one source")
    func prefix() {
        let table = SourceTable(sets: 16)
        let owner = table.newOwner()
        for low in 1...5 as ClosedRange<UInt64> {
            let source = SourcePrefix(IPAddress(high: 0x2001_0db8_0000_0001, low: low))
            #expect(table.opened(source, of: owner, at: self.time(1)).open == Int(low))
        }
        let other = SourcePrefix(IPAddress(high: 0x2001_0db8_0000_0002, low: 1))
        #expect(table.opened(other, of: owner, at: self.time(1)).open == 1)
    }

    @Test("each rate is charged by itself", arguments: SourceTable.Rate.allCases)
    func rates(rate: SourceTable.Rate) {
        let table = SourceTable(sets: 16)
        let owner = table.newOwner()
        let limit = RateLimit(perSecond: 2, burst: 3)
        let place = table.opened(self.source(1), of: owner, at: self.time(1)).place
        let neighbour = table.opened(self.source(2), of: owner, at: self.time(1)).place
        for _ in 0..<3 { #expect(table.admits(1, limit, rate, place, at: self.time(1))) }
        #expect(!table.admits(1, limit, rate, place, at: self.time(1)))
        #expect(table.available(limit, rate, place, at: self.time(1)) == 0)
        #expect(table.available(limit, rate, place, at: self.time(2)) == 2)
        #expect(table.admits(3, limit, rate, neighbour, at: self.time(1)))
        for other in SourceTable.Rate.allCases where other != rate {
            #expect(table.available(limit, other, place, at: self.time(1)) == 3)
        }
        table.charge(10, limit, rate, place, at: self.time(2))
        #expect(table.available(limit, rate, place, at: self.time(6)) == 0)
        #expect(table.admits(100, .none, rate, place, at: self.time(2)))
    }

    @Test("at its bound the least recently used goes, those with open connections last")
    func bound() {
        let table = SourceTable(sets: 1)
        let owners = [table.newOwner(), table.newOwner()]
        var places: [SourceTable.Place] = []
        for number in 0..<8 as Range<UInt32> {
            let owner = owners[Int(number) % 2]
            places.append(
                table.opened(self.source(number), of: owner, at: self.time(UInt64(number))).place)
        }
        for number in [2, 4, 6] { table.closed(places[number]) }
        // Of the first tenant: 0 is open, 2 the longest without use.
        _ = table.opened(self.source(100), of: owners[0], at: self.time(50))
        #expect(table.opened(self.source(0), of: owners[0], at: self.time(50)).open == 2)
        #expect(table.opened(self.source(4), of: owners[0], at: self.time(51)).open == 1)
        #expect(table.opened(self.source(6), of: owners[0], at: self.time(52)).open == 1)
        #expect(table.opened(self.source(100), of: owners[0], at: self.time(53)).open == 2)
        table.closed(places[2])  // forgotten; nobody else is charged
        #expect(table.opened(self.source(100), of: owners[0], at: self.time(54)).open == 3)
    }

    @Test("a million sources of one tenant make the table forget none of another's")
    func flood() {
        let table = SourceTable(sets: 4)
        let (quiet, flooded) = (table.newOwner(), table.newOwner())
        let places = (0..<4 as Range<UInt32>).map {
            table.opened(self.source($0), of: quiet, at: self.time(1)).place
        }
        for place in places { table.closed(place) }
        let limit = RateLimit(perSecond: 1, burst: 5)
        for place in places {
            #expect(table.admits(5, limit, .handshakes, place, at: self.time(1)))
        }
        for number in 0..<100_000 as Range<UInt32> {
            let place = table.opened(self.source(number), of: flooded, at: self.time(2)).place
            if number % 2 == 0 { table.closed(place) }
        }
        for place in places {
            #expect(!table.admits(5, limit, .handshakes, place, at: self.time(3)))
        }
    }

    @Test("workers that count at the same time lose nothing")
    func concurrent() async {
        let table = SourceTable(sets: 2)
        let owner = table.newOwner()
        let source = self.source(7)
        let limit = RateLimit(perSecond: 1, burst: 100)
        let admitted = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<2000).count { number in
                        let place = table.opened(
                            source, of: owner, at: Instant(nanoseconds: 1 << 40)
                        ).place
                        if number & 1 == 1 { table.closed(place) }
                        return table.admits(
                            1, limit, .newConnections, place, at: Instant(nanoseconds: 1 << 40))
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(admitted == 100)
        let open = table.opened(source, of: owner, at: Instant(nanoseconds: 1 << 40)).open
        #expect(open == 8 * 1000 + 1)
    }

    @Test("whatever comes and goes, a set beside a model of it", arguments: 1...200 as ClosedRange)
    func model(seed: UInt64) {
        // Four sources of each of two tenants fill a set, and none is ever forgotten.
        let table = SourceTable(sets: 1)
        let owners = [table.newOwner(), table.newOwner()]
        let limit = RateLimit(perSecond: 1000, burst: 7)
        var places: [Int: [SourceTable.Place]] = [:]
        var taken = [Int](repeating: 0, count: 8)
        var random = SplitMix64(seed: seed)
        for step in 0..<300 as Range<UInt64> {
            let who = random.below(8)
            let source = self.source(UInt32(who % 4))
            // Less than what brings one, from the first step to the last.
            let now = Instant(nanoseconds: 1 << 40 + step * 1000)
            switch random.below(3) {
            case 0:
                let (place, open) = table.opened(source, of: owners[who / 4], at: now)
                places[who, default: []].append(place)
                #expect(open == places[who]?.count)
            case 1:
                if let place = places[who]?.popLast() { table.closed(place) }
            default:
                guard let place = places[who]?.last else { continue }
                let isAdmitted = table.admits(1, limit, .handshakes, place, at: now)
                #expect(isAdmitted == (taken[who] < 7))
                if isAdmitted { taken[who] += 1 }
            }
        }
    }

    @Test("a million open connections of one source are that many")
    func many() {
        let table = SourceTable(sets: 1)
        let owner = table.newOwner()
        var open = 0
        for _ in 0..<1_000_000 { open = table.opened(self.source(1), of: owner, at: .zero).open }
        #expect(open == 1_000_000)
    }
}
