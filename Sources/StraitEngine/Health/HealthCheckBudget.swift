// How many checks are under way, and whose: one's that hang do not keep another's from beginning.

internal import StraitCore

/// Places for checks, shared by tenants.
package struct HealthCheckBudget<Payer: Hashable & Sendable>: Sendable {
    private let placesMax: Int
    private var taken = 0
    private var takenBy: [Payer: Int] = [:]

    /// - Parameter placesMax: Checks that may be under way, 1 and more.
    package init(placesMax: Int = Limits.healthChecksMax) { self.placesMax = placesMax }

    /// Takes a place for `payer`; false where it is to wait.
    ///
    /// Nobody has more than is free: half of all where it is alone; beside five that take all that
    /// they can, one that has none finds a place.
    package mutating func take(for payer: Payer) -> Bool {
        let own = self.takenBy[payer, default: 0]
        guard own < self.placesMax - self.taken else { return false }
        self.taken += 1
        self.takenBy[payer] = own + 1
        return true
    }

    /// Gives a place back that was taken for `payer`.
    package mutating func giveBack(_ payer: Payer) {
        self.taken -= 1
        let left = self.takenBy[payer, default: 1] - 1
        self.takenBy[payer] = left > 0 ? left : nil
    }
}
