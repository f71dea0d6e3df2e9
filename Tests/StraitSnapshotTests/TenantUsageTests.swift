// How much of its limits a tenant uses.

import StraitSnapshot
import Testing

@Suite("TenantUsage") struct TenantUsageTests {
    @Test("open connections are counted up and down")
    func open() {
        let usage = TenantUsage()
        #expect(usage.openConnections == 0)
        #expect(usage.opened() == 1)
        #expect(usage.opened() == 2)
        usage.closed()
        #expect(usage.openConnections == 1)
        #expect(usage.opened() == 2)
        usage.closed()
        usage.closed()
        #expect(usage.openConnections == 0)
    }

    @Test("arrivals are counted by the second, and a new second begins at one")
    func arrivals() {
        let usage = TenantUsage()
        for second in [0, 1, 7, 8, 100_000] as [UInt32] {
            for count in 1...5 { #expect(usage.arrived(atSecond: second) == count) }
        }
    }

    @Test("refusals that cost a handshake are counted apart, by the second")
    func refusals() {
        let usage = TenantUsage()
        for second in [7, 8] as [UInt32] {
            for count in 1...5 { #expect(usage.refusedInside(atSecond: second) == count) }
        }
        #expect(usage.arrived(atSecond: 8) == 1)
    }

    @Test("a worker whose second is not over yet adds to the new one, and takes nothing back")
    func lateWorker() {
        let usage = TenantUsage()
        for _ in 0..<10 { _ = usage.arrived(atSecond: 41) }
        #expect(usage.arrived(atSecond: 42) == 1)
        #expect(usage.arrived(atSecond: 41) == 2)
        #expect(usage.arrived(atSecond: 42) == 3)
        #expect(usage.arrived(atSecond: 41) == 4)
        #expect(usage.arrived(atSecond: 43) == 1)
    }

    @Test("the seconds may wrap around")
    func wraps() {
        let usage = TenantUsage()
        for second in [0x7FFF_FFFF, 0x8000_0000, .max - 1, .max] as [UInt32] {
            #expect(usage.arrived(atSecond: second) == 1)
            #expect(usage.arrived(atSecond: second) == 2)
        }
        #expect(usage.arrived(atSecond: 0) == 1)
        #expect(usage.arrived(atSecond: .max) == 2)
        #expect(usage.arrived(atSecond: 0) == 3)
    }

    @Test("open and arrived connections do not mix")
    func apart() {
        let usage = TenantUsage()
        _ = usage.opened()
        #expect(usage.arrived(atSecond: 1) == 1)
        #expect(usage.openConnections == 1)
    }

    @Test("workers that count at the same time lose nothing, and no number comes twice")
    func concurrent() async {
        let usage = TenantUsage()
        let taskCount = 8
        let each = 5000
        let arrivals = await withTaskGroup(of: [Int].self) { group in
            for _ in 0..<taskCount {
                group.addTask {
                    (0..<each).map { number in
                        _ = usage.opened()
                        if number & 1 == 1 { usage.closed() }
                        return usage.arrived(atSecond: 5)
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(usage.openConnections == taskCount * each / 2)
        #expect(arrivals.sorted() == Array(1...(taskCount * each)))
    }
}
