// Rates of tenants, and who comes first.

import StraitControl
import StraitSnapshot
import Testing

@Suite("The tenants that use the most") struct TopTests {
    private static let before = TenantReading(
        open: 9, connections: 100, refusals: 10, bytesIn: 1000, bytesOut: 5000)

    @Test("have rates from two readings, over the time between them")
    func rates() {
        let now = TenantReading(
            open: 3, connections: 110, refusals: 11, bytesIn: 1000, bytesOut: 8000)
        let tenant = TopAnswer.Tenant("acme", now, before: Self.before, seconds: 3)
        #expect(tenant.connections == 3 && tenant.connectionsTotal == 110)
        #expect(tenant.newPerSecond == 3.333 && tenant.refusalsPerSecond == 0.333)
        #expect(tenant.bytesInPerSecond == 0 && tenant.bytesOutPerSecond == 1000)
    }

    @Test("have none from one reading, and never a rate below 0")
    func once() {
        let tenant = TopAnswer.Tenant("acme", Self.before, before: nil, seconds: 2)
        #expect(tenant.newPerSecond == nil && tenant.bytesInTotal == 1000)
        let back = TopAnswer.Tenant("a", TenantReading(), before: Self.before, seconds: 1)
        #expect(back.newPerSecond == 0 && back.bytesOutPerSecond == 0)
        #expect(
            TopAnswer.Tenant("a", Self.before, before: Self.before, seconds: 0).newPerSecond == nil)
    }

    @Test("are ordered by what is asked for: rates where there are some, else totals")
    func order() {
        let idle = TenantReading(open: 5, connections: 900, refusals: 90, bytesIn: 1, bytesOut: 1)
        let busy = TenantReading(open: 1, connections: 20, refusals: 2, bytesIn: 5, bytesOut: 5)
        let tenants = [("busy", busy, TenantReading()), ("idle", idle, idle)]
        func first(_ order: TopOrder, isOnce: Bool) -> String? {
            var ranking = TopRanking(order, limit: 1)
            for (name, now, before) in tenants {
                ranking.add(
                    TopAnswer.Tenant(name, now, before: isOnce ? nil : before, seconds: 1))
            }
            return ranking.finish().first?.tenant
        }
        #expect(
            TopOrder.allCases.map { first($0, isOnce: false) } == ["idle", "busy", "busy", "busy"])
        #expect(
            TopOrder.allCases.map { first($0, isOnce: true) } == ["idle", "busy", "idle", "idle"])
    }

    @Test(
        "are the first of all, by name where they are even, whichever comes when", arguments: 1...9)
    func ranking(limit: Int) {
        let all = (0..<50).map { ($0 * 7) % 50 }
        var ranking = TopRanking(.connections, limit: limit)
        for number in all {
            let reading = TenantReading(open: number / 2)
            ranking.add(TopAnswer.Tenant("t\(100 + number)", reading, before: nil, seconds: 0))
        }
        let expected = all.sorted { ($0 / 2, -$0) > ($1 / 2, -$1) }.prefix(limit)
        #expect(ranking.finish().map(\.tenant) == expected.map { "t\(100 + $0)" })
    }
}
