// When timers fire: a hierarchical timing wheel (Varghese and Lauck, 1987) over dense keys.
//
// Pure: the loop reads the clock and passes the value in. Eleven levels of 64 slots hold every
// deadline that 64 bits can name; a timer lies on the level of the highest digit (base 64, in
// ticks) in which its deadline differs from now, so it moves at most ten times in its life and no
// step depends on how far time jumps.

package import StraitCore

/// One timer per key; arming, moving and cancelling cost O(1), and allocate only for a key never
/// seen before.
package struct TimerWheel: ~Copyable, Sendable {
    /// A key's timer and its place in the list of a slot.
    private struct Node {
        /// When to fire, in ticks; the slot's begin is never later, but may be earlier, see `arm`.
        var deadline: UInt64 = 0
        var previous = TimerWheel.none
        var next = TimerWheel.none
        /// Index of the slot; `none` while the timer is not armed.
        var slot = TimerWheel.none
    }

    private static let none = UInt32.max
    private static let slotBits: UInt64 = 6
    private static let slotsPerLevel = 64
    /// 11 digits of 6 bits hold 64 bits.
    private static let levels = 11
    /// The slot of timers that are due already.
    private static let dueSlot = levels * slotsPerLevel

    private let tickNanoseconds: UInt64
    /// The tick up to which everything has fired.
    private var tick: UInt64
    /// By key.
    private var nodes: [Node] = []
    /// The first key of each slot's list.
    private var heads: [UInt32]
    /// One word a level; a bit for each slot that is not empty.
    private var occupied: [UInt64]

    /// - Parameters:
    ///   - now: The current instant.
    ///   - tickNanoseconds: How late a timer may fire; at least 1.
    package init(now: Instant, tickNanoseconds: UInt64 = 10_000_000) {
        precondition(tickNanoseconds > 0, "a tick has a length")
        self.tickNanoseconds = tickNanoseconds
        self.tick = now.nanoseconds / tickNanoseconds
        self.heads = Array(repeating: Self.none, count: Self.dueSlot + 1)
        self.occupied = Array(repeating: 0, count: Self.levels)
    }

    /// Makes room for keys below `keys`, so that arming them allocates nothing.
    package mutating func reserve(keys: Int) {
        precondition(keys < Int(Self.none), "a key fits 32 bits")
        guard keys > self.nodes.count else { return }
        self.nodes.append(contentsOf: repeatElement(Node(), count: keys - self.nodes.count))
    }

    /// Sets the timer of `key`, armed or not, to fire at `instant`; ``StraitCore/Instant/never``
    /// cancels it.
    ///
    /// To move a deadline further away is one store: the timer stays where it is and is put right
    /// when its slot comes up. So a deadline that moves with every byte costs next to nothing.
    package mutating func arm(_ key: Int, at instant: Instant) {
        precondition(key >= 0, "keys are indices")
        guard instant != .never else {
            self.cancel(key)
            return
        }
        if key >= self.nodes.count { self.reserve(keys: key + 1) }
        let isPartial = instant.nanoseconds % self.tickNanoseconds != 0
        let deadline = instant.nanoseconds / self.tickNanoseconds + (isPartial ? 1 : 0)
        if self.nodes[key].slot != Self.none {
            guard deadline < self.nodes[key].deadline else {
                self.nodes[key].deadline = deadline
                return
            }
            self.unlink(key)
        }
        self.nodes[key].deadline = deadline
        self.link(key)
    }

    /// Unsets the timer of `key`; without effect when it is not armed.
    package mutating func cancel(_ key: Int) {
        guard self.nodes.indices.contains(key), self.nodes[key].slot != Self.none else { return }
        self.unlink(key)
    }

    /// Moves time on and appends the keys whose timers fired, earlier ticks first.
    ///
    /// A timer fires once, never early, and at most one tick late. A key that fired is not armed
    /// any more: to cancel it while `expired` is being worked off comes too late.
    ///
    /// - Parameters:
    ///   - now: The current instant; one that lies before an earlier one counts as that.
    ///   - expired: Gets the keys; what it holds stays.
    package mutating func advance(to now: Instant, expired: inout [Int]) {
        let target = max(now.nanoseconds / self.tickNanoseconds, self.tick)
        self.empty(slot: Self.dueSlot, expired: &expired)
        while let (slot, begin) = self.earliestSlot(), begin <= target {
            self.tick = begin
            self.empty(slot: slot, expired: &expired)
        }
        self.tick = target
    }

    /// No timer fires before this; nil when none is armed.
    ///
    /// A far deadline is met in a few steps: advance to this instant, and ask again.
    package func nextDeadline() -> Instant? {
        if self.heads[Self.dueSlot] != Self.none {
            return Instant(nanoseconds: self.tick * self.tickNanoseconds)
        }
        guard let (_, begin) = self.earliestSlot() else { return nil }
        let (product, overflow) = begin.multipliedReportingOverflow(by: self.tickNanoseconds)
        return overflow ? .never : Instant(nanoseconds: product)
    }

    /// The slot that comes up first, and its first tick.
    ///
    /// On each level the slots in use lie ahead of the current one and within its turn of the level
    /// above, so the lowest level in use has the earliest, and its lowest bit says which.
    private func earliestSlot() -> (slot: Int, begin: UInt64)? {
        for level in 0..<Self.levels where self.occupied[level] != 0 {
            let digit = self.occupied[level].trailingZeroBitCount
            let shift = UInt64(level) * Self.slotBits
            let above = shift + Self.slotBits
            let turn = above >= 64 ? 0 : self.tick & (.max << above)
            return (level * Self.slotsPerLevel + digit, turn | UInt64(digit) << shift)
        }
        return nil
    }

    /// Fires what is due in a slot whose turn has come, and puts the rest where it belongs now.
    private mutating func empty(slot: Int, expired: inout [Int]) {
        var cursor = self.heads[slot]
        self.heads[slot] = Self.none
        if slot != Self.dueSlot {
            self.occupied[slot / Self.slotsPerLevel] &= ~(1 << UInt64(slot % Self.slotsPerLevel))
        }
        while cursor != Self.none {
            let key = Int(cursor)
            cursor = self.nodes[key].next
            if self.nodes[key].deadline <= self.tick {
                self.nodes[key].slot = Self.none
                expired.append(key)
            } else {
                self.link(key)
            }
        }
    }

    /// Puts a timer at the head of the slot that its deadline belongs to.
    private mutating func link(_ key: Int) {
        let deadline = self.nodes[key].deadline
        var slot = Self.dueSlot
        if deadline > self.tick {
            let highestBit = UInt64(63 - (deadline ^ self.tick).leadingZeroBitCount)
            let level = Int(highestBit / Self.slotBits)
            let digit = deadline >> (UInt64(level) * Self.slotBits) & 63
            self.occupied[level] |= 1 << digit
            slot = level * Self.slotsPerLevel + Int(digit)
        }
        let head = self.heads[slot]
        self.nodes[key].slot = UInt32(slot)
        self.nodes[key].previous = Self.none
        self.nodes[key].next = head
        if head != Self.none { self.nodes[Int(head)].previous = UInt32(key) }
        self.heads[slot] = UInt32(key)
    }

    private mutating func unlink(_ key: Int) {
        let node = self.nodes[key]
        let slot = Int(node.slot)
        self.nodes[key].slot = Self.none
        if node.next != Self.none { self.nodes[Int(node.next)].previous = node.previous }
        guard node.previous == Self.none else {
            self.nodes[Int(node.previous)].next = node.next
            return
        }
        self.heads[slot] = node.next
        if node.next == Self.none, slot != Self.dueSlot {
            self.occupied[slot / Self.slotsPerLevel] &= ~(1 << UInt64(slot % Self.slotsPerLevel))
        }
    }
}
