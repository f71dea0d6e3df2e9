// Turns of flows.

import StraitState
import Testing

@Suite("FairQueue") struct FairQueueTests {
    @Test("a flow with thousands delays another's only one by one step")
    func fair() {
        var queue = FairQueue<String, Int>()
        for number in 0..<5000 { queue.append(number, of: "flood") }
        queue.append(-1, of: "quiet")
        #expect(queue.popFirst() == 0)
        #expect(queue.popFirst() == -1)
        #expect(queue.popFirst() == 1)
        #expect(queue.count == 4998)
        #expect(queue.flowCount == 1)
    }

    @Test("within a flow the first come is the first served")
    func order() {
        var queue = FairQueue<Int, Int>()
        for number in 0..<9 { queue.append(number, of: number % 3) }
        var got: [Int] = []
        while let next = queue.popFirst() { got.append(next) }
        #expect(got == [0, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(queue.isEmpty)
        #expect(queue.nextTurn() == nil)
    }

    @Test("who has had a step and comes again waits for all the other flows")
    func again() {
        var queue = FairQueue<String, String>()
        for flow in ["a", "b", "c"] { queue.append(flow, of: flow) }
        var got = ""
        for _ in 0..<9 {
            guard let next = queue.popFirst() else { break }
            got += next
            queue.append(next, of: next)
        }
        #expect(got == "abcabcabc")
    }

    @Test("one flow can be emptied out of turn")
    func outOfTurn() {
        var queue = FairQueue<String, Int>()
        queue.append(1, of: "a")
        queue.append(2, of: "b")
        queue.append(3, of: "a")
        #expect(queue.nextTurn() == "a")
        #expect(queue.popFirst(of: "b") == 2)
        #expect(queue.popFirst(of: "b") == nil)
        #expect(queue.popFirst(of: "nobody") == nil)
        #expect(queue.flowCount == 1)
        #expect(queue.popFirst() == 1)
        #expect(queue.popFirst() == 3)
        #expect(queue.popFirst() == nil)
    }
}
