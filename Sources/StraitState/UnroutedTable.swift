// Which connection goes when too many have not yet got anywhere: the oldest of whoever has most of
// them, so that a flood drives out itself.
//
// They lie in places by hash: a group for the listener that they came by, or the tenant that they
// are for, and in it a place for their source. Of the largest group the longest place loses its
// oldest. A source that floods a listener loses its own; one that comes from ever so many addresses
// loses what came by that listener or for that tenant. Whose hashes are equal share a place; the
// hash is keyed at random when the process starts, so that nobody can aim at somebody else's.

package import StraitCore

/// The connections of a worker that may yet be driven out, by their slots.
package struct UnroutedTable: Sendable {
    /// For listeners and tenants.
    package static let groups = 32
    /// For sources, in each group; with 12 bytes each.
    package static let placesPerGroup = 128

    private struct Node {
        var place = UnroutedTable.none
        var older = UnroutedTable.none
        var newer = UnroutedTable.none
    }
    private struct Place {
        var oldest = UnroutedTable.none
        var newest = UnroutedTable.none
        var count: Int32 = 0
    }

    private static let none: Int32 = -1

    /// By slot.
    private var nodes: [Node] = []
    private var places = Array(repeating: Place(), count: groups * placesPerGroup)
    private var groupCounts = [Int](repeating: 0, count: groups)

    /// How many there are.
    package private(set) var count = 0

    /// Nobody is in it.
    package init() {}

    /// Whether the connection in this slot is in it.
    package func contains(_ slot: Int) -> Bool {
        slot < self.nodes.count && self.nodes[slot].place != Self.none
    }

    /// Puts a connection in as the newest; one that is in it moves.
    ///
    /// - Parameters:
    ///   - slot: Its slot, a small number.
    ///   - group: What they have in common: a flood of one drives no others out.
    ///   - source: Who dialled.
    package mutating func insert(_ slot: Int, group: some Hashable, source: SourcePrefix) {
        precondition(slot >= 0 && slot < Int(Int32.max), "a slot's index fits 31 bits")
        self.remove(slot)
        while self.nodes.count <= slot { self.nodes.append(Node()) }
        let groupIndex = Self.hash(group) % Self.groups
        let index = groupIndex * Self.placesPerGroup + Self.hash(source) % Self.placesPerGroup
        let newest = self.places[index].newest
        self.nodes[slot] = Node(place: Int32(index), older: newest, newer: Self.none)
        if newest == Self.none {
            self.places[index].oldest = Int32(slot)
        } else {
            self.nodes[Int(newest)].newer = Int32(slot)
        }
        self.places[index].newest = Int32(slot)
        self.places[index].count += 1
        self.groupCounts[groupIndex] += 1
        self.count += 1
    }

    /// Takes a connection out; without effect when it is not in it.
    package mutating func remove(_ slot: Int) {
        guard self.contains(slot) else { return }
        let node = self.nodes[slot]
        let index = Int(node.place)
        self.nodes[slot].place = Self.none
        if node.older == Self.none {
            self.places[index].oldest = node.newer
        } else {
            self.nodes[Int(node.older)].newer = node.newer
        }
        if node.newer == Self.none {
            self.places[index].newest = node.older
        } else {
            self.nodes[Int(node.newer)].older = node.older
        }
        self.places[index].count -= 1
        self.groupCounts[index / Self.placesPerGroup] -= 1
        self.count -= 1
    }

    /// Whom to drive out: the slot of the oldest in the longest place of the largest group.
    ///
    /// Nil: nobody is in it. It looks at every group and at every place of one.
    package func victim() -> Int? {
        var group = 0
        for other in 1..<Self.groups where self.groupCounts[other] > self.groupCounts[group] {
            group = other
        }
        guard self.groupCounts[group] > 0 else { return nil }
        var longest = group * Self.placesPerGroup
        for index in longest..<longest + Self.placesPerGroup
        where self.places[index].count > self.places[longest].count {
            longest = index
        }
        return Int(self.places[longest].oldest)
    }

    private static func hash(_ value: some Hashable) -> Int {
        Int(UInt(bitPattern: value.hashValue) >> 1)
    }
}
