// How much of its limits a tenant uses.

import StraitCore
import StraitSnapshot
import Testing

@Suite("TenantUsage") struct TenantUsageTests {
    private func limits(perSecond: UInt64, burst: UInt64) -> LimitSet {
        var limits = LimitSet()
        limits.newConnections = RateLimit(perSecond: perSecond, burst: burst)
        limits.handshakes = RateLimit(perSecond: perSecond, burst: burst)
        limits.bytesIn = RateLimit(perSecond: perSecond, burst: burst)
        limits.bytesOut = RateLimit(perSecond: perSecond, burst: burst)
        return limits
    }

    private let now = Instant(nanoseconds: 100_000_000_000)

    @Test("open connections are counted up and down")
    func open() {
        let usage = TenantUsage()
        #expect(usage.openConnections == 0)
        #expect(usage.opened() == 1)
        #expect(usage.opened() == 2)
        usage.closed()
        #expect(usage.openConnections == 1)
        usage.closed()
        #expect(usage.openConnections == 0)
    }

    @Test("what a tenant has had only rises, whatever is open")
    func totals() {
        let usage = TenantUsage()
        #expect(usage.reading == TenantReading())
        for _ in 0..<3 { _ = usage.opened() }
        usage.closed()
        usage.countRefusal()
        usage.moved(bytesIn: 5, bytesOut: 0)
        usage.moved(bytesIn: 1, bytesOut: 70)
        #expect(
            usage.reading
                == TenantReading(open: 2, connections: 3, refusals: 1, bytesIn: 6, bytesOut: 70))
    }

    @Test("without a limit there is nothing to ask")
    func none() {
        #expect(TenantUsage().limits(LimitSet()) == nil)
    }

    @Test("limits that stay the same keep what was counted over revisions; others begin anew")
    func revisions() throws {
        let usage = TenantUsage()
        let first = try #require(usage.limits(self.limits(perSecond: 1, burst: 2)))
        usage.use(first)
        #expect(first.admitsConnection(at: self.now))
        #expect(first.admitsConnection(at: self.now))
        let same = try #require(usage.limits(self.limits(perSecond: 1, burst: 2)))
        #expect(!same.admitsConnection(at: self.now))
        let tried = try #require(usage.limits(self.limits(perSecond: 9, burst: 9)))
        #expect(tried.admitsConnection(at: self.now))
        let still = try #require(usage.limits(self.limits(perSecond: 1, burst: 2)))
        #expect(!still.admitsConnection(at: self.now), "what was only tried changes nothing")
        let other = try #require(usage.limits(self.limits(perSecond: 1, burst: 1)))
        #expect(other.admitsConnection(at: self.now))
        #expect(!other.admitsConnection(at: self.now))
    }

    @Test("connections, handshakes and bytes each way do not mix")
    func apart() throws {
        let limits = try #require(TenantUsage().limits(self.limits(perSecond: 1, burst: 3)))
        #expect(limits.admitsHandshake(at: self.now))
        limits.chargeBytes(2, isUp: true, nil, at: self.now)
        limits.chargeBytes(9, isUp: false, nil, at: self.now)
        #expect(limits.availableBytes(isUp: true, nil, at: self.now).count == 1)
        #expect(limits.availableBytes(isUp: false, nil, at: self.now).count == 0)
        for _ in 0..<2 { #expect(limits.admitsHandshake(at: self.now)) }
        #expect(!limits.admitsHandshake(at: self.now))
        for _ in 0..<3 { #expect(limits.admitsConnection(at: self.now)) }
    }

    @Test("of a tenant's limit and its source's the smaller one holds, and is named")
    func source() throws {
        let table = SourceTable(sets: 2)
        let limits = try #require(
            TenantUsage().limits(
                self.limits(perSecond: 10, burst: 10),
                perSource: self.limits(perSecond: 5, burst: 5), table: table))
        let source = SourcePrefix(IPAddress(v4: 192, 0, 2, 1))
        let place = try #require(limits.opened(source, at: self.now)).place
        #expect(limits.availableBytes(isUp: true, place, at: self.now) == (5, true))
        limits.chargeBytes(4, isUp: true, place, at: self.now)
        #expect(limits.availableBytes(isUp: true, place, at: self.now) == (1, true))
        limits.chargeBytes(6, isUp: true, nil, at: self.now)
        #expect(limits.availableBytes(isUp: true, place, at: self.now) == (0, false))
        for _ in 0..<5 { #expect(limits.admitsConnection(of: place, at: self.now)) }
        #expect(!limits.admitsConnection(of: place, at: self.now))
        #expect(limits.admitsHandshake(of: place, at: self.now))
    }

    @Test("refusals that cost a handshake have a budget of their own")
    func refusals() {
        let usage = TenantUsage()
        for _ in 0..<Limits.refusalHandshakesPerSecondMax {
            #expect(usage.mayRefuseInside(at: self.now))
        }
        #expect(!usage.mayRefuseInside(at: self.now))
        #expect(usage.mayRefuseInside(at: self.now.advanced(byNanoseconds: 1_000_000_000)))
    }

    @Test("workers that count at the same time admit no more than the burst")
    func concurrent() async throws {
        let usage = TenantUsage()
        let limits = try #require(usage.limits(self.limits(perSecond: 1, burst: 777)))
        let now = self.now
        let admitted = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<5000).count { number in
                        _ = usage.opened()
                        if number & 1 == 1 { usage.closed() }
                        return limits.admitsConnection(at: now)
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(usage.openConnections == 8 * 5000 / 2)
        #expect(admitted == 777)
    }
}
