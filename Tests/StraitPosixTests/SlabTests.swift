// Slots by number, and tokens that name nothing any more.

import StraitPosix
import Testing

/// An element that is not blank until it is told so, and counts its ends.
private struct Slot: ~Copyable, SlabElement {
    final class Ends {
        var count = 0
    }

    var value = 0
    var ends: Ends?

    init() {}

    deinit { self.ends?.count += 1 }
}

extension Slab where Element: ~Copyable {
    /// A slot that must be free.
    fileprivate mutating func taken() throws -> SlabToken {
        let token = self.take()
        return try #require(token)
    }
}

@Suite("Slab") struct SlabTests {
    @Test("slots are given until the capacity, and not beyond", arguments: [0, 1, 3, 1000])
    func capacity(count: Int) throws {
        var slab = try Slab<Slot>(capacity: count)
        #expect(slab.capacity == count)
        #expect(slab.touched == 0)
        var indices: Set<UInt32> = []
        for taken in 0..<count {
            let token = try slab.taken()
            indices.insert(token.index)
            #expect(slab.count == taken + 1)
        }
        #expect(indices == Set(0..<UInt32(count)))
        let none = slab.take()
        #expect(none == nil)
        #expect(slab.count == count)
        #expect(slab.touched == count)
    }

    @Test("a token names its slot while it is in use, and nothing once it is released")
    func tokens() throws {
        var slab = try Slab<Slot>(capacity: 4)
        let first = try slab.taken()
        let second = try slab.taken()
        #expect(slab.index(of: first) == Int(first.index))
        #expect(slab.token(Int(first.index)) == first)
        slab.release(Int(first.index))
        #expect(slab.index(of: first) == nil)
        let ofFree = slab.token(Int(first.index))
        #expect(slab.index(of: ofFree) == nil, "a free slot has no name")
        #expect(slab.index(of: second) == Int(second.index))
        #expect(slab.count == 1)
        let again = try slab.taken()
        #expect(again.index == first.index, "the slot that was released last comes first")
        #expect(again != first)
        #expect(slab.index(of: first) == nil, "an event that is late finds nobody")
        #expect(slab.index(of: again) == Int(first.index))
    }

    @Test("a token of a slot that was never taken names nothing")
    func strangers() throws {
        var slab = try Slab<Slot>(capacity: 4)
        _ = try slab.taken()
        for index in [1, 3, 4, UInt32.max] {
            for generation in [0, 1, UInt32.max] {
                let token = SlabToken(index: index, generation: generation)
                #expect(slab.index(of: token) == nil)
            }
        }
    }

    @Test("no token of a slot's uses is given twice")
    func generations() throws {
        var slab = try Slab<Slot>(capacity: 1)
        var seen: Set<SlabToken> = []
        for _ in 0..<1000 {
            let token = try slab.taken()
            #expect(seen.insert(token).inserted)
            slab.release(Int(token.index))
            #expect(slab.index(of: token) == nil)
        }
        #expect(slab.touched == 1)
    }

    @Test("a released slot is blank, and what it owned has ended once")
    func blank() throws {
        let ends = Slot.Ends()
        var slab = try Slab<Slot>(capacity: 2)
        let token = try slab.taken()
        let slot = slab.reference(Int(token.index))
        slot.value.value = 7
        slot.value.ends = ends
        #expect(slab.reference(Int(token.index)).value.value == 7)
        slab.release(Int(token.index))
        #expect(ends.count == 1)
        #expect(
            slot.value.value == 0, "a reference that was kept sees a blank slot, not freed memory")
        _ = slab.take()
        #expect(slab.reference(Int(token.index)).value.value == 0)
        #expect(ends.count == 1)
    }

    @Test("what is in use ends with the slab")
    func end() throws {
        let ends = Slot.Ends()
        do {
            var slab = try Slab<Slot>(capacity: 8)
            for _ in 0..<5 {
                let token = try slab.taken()
                slab.reference(Int(token.index)).value.ends = ends
            }
            slab.release(2)
            #expect(ends.count == 1)
        }
        #expect(ends.count == 5)
    }

    @Test("many takes and releases in any order keep the count and the tokens straight")
    func anyOrder() throws {
        var slab = try Slab<Slot>(capacity: 16)
        var used: [SlabToken] = []
        var gone: [SlabToken] = []
        var number: UInt64 = 1
        for round in 0..<5000 {
            number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let choice = Int(number >> 33)
            if choice & 1 == 0, let token = slab.take() {
                slab.reference(Int(token.index)).value.value = round
                used.append(token)
            } else if !used.isEmpty {
                let token = used.remove(at: choice / 2 % used.count)
                slab.release(Int(token.index))
                gone.append(token)
            }
            #expect(slab.count == used.count)
        }
        #expect(used.allSatisfy { slab.index(of: $0) == Int($0.index) })
        #expect(gone.allSatisfy { slab.index(of: $0) == nil })
        #expect(Set(used.map(\.index)).count == used.count)
    }

    @Test("releasing a slot twice stops the process: two owners would follow")
    func releasedTwice() async {
        await #expect(processExitsWith: .failure) {
            var slab = try Slab<Slot>(capacity: 2)
            _ = slab.take()
            _ = slab.take()
            slab.release(0)
            guard slab.count == 1 else { return }
            slab.release(0)
        }
    }

    @Test(
        "releasing or reaching a slot that was never taken stops the process",
        arguments: [-1, 1, 7])
    func neverTaken(index: Int) async {
        await #expect(processExitsWith: .failure) { [index] in
            var slab = try Slab<Slot>(capacity: 2)
            _ = slab.take()
            slab.release(index)
        }
        await #expect(processExitsWith: .failure) { [index] in
            var slab = try Slab<Slot>(capacity: 2)
            _ = slab.take()
            _ = slab.reference(index).value.value
        }
    }
}
