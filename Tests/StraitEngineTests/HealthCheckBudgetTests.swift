// Places for checks, when some tenants' checks hang.

import StraitEngine
import Testing

@Suite("HealthCheckBudget") struct HealthCheckBudgetTests {
    @Test("one alone has half of the places, and another one finds some")
    func alone() {
        var budget = HealthCheckBudget<Int>(placesMax: 48)
        var count = 0
        while budget.take(for: 1) { count += 1 }
        #expect(count == 24)
        let others = budget.take(for: 2)
        let own = budget.take(for: 1)
        #expect(others && !own)
    }

    @Test("where five have theirs hang, one that has none finds a place")
    func many() {
        var budget = HealthCheckBudget<Int>(placesMax: 48)
        for payer in 1...5 { while budget.take(for: payer) {} }
        let isTaken = budget.take(for: 0)
        #expect(isTaken)
    }

    @Test("what is given back is anybody's again")
    func givenBack() {
        var budget = HealthCheckBudget<Int>(placesMax: 4)
        let first = (0..<3).map { _ in budget.take(for: 1) }
        #expect(first == [true, true, false])
        budget.giveBack(1)
        let second = [2, 1].map { budget.take(for: $0) }
        #expect(second == [true, true])
        budget.giveBack(2)
        budget.giveBack(1)
        let third = (0..<2).map { _ in budget.take(for: 1) }
        #expect(third == [true, false])
    }
}
