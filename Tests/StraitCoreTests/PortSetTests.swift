// Sets of ports against sets of numbers.

import StraitCore
import Testing

@Suite("PortSet") struct PortSetTests {
    @Test(
        "runs are found across words, and to either end",
        arguments: [
            [], [0], [65_535], [63, 64], [0, 1, 63, 64, 65, 127, 128, 65_534, 65_535],
            Array(60...70), Array(0...65_535),
        ] as [[UInt16]])
    func runs(ports: [UInt16]) {
        let set = PortSet(ports)
        #expect(set.ports == ports)
        #expect(set.count == ports.count)
        #expect(set.isEmpty == ports.isEmpty)
        #expect(set.first() == ports.first)
        let expected = Set(ports)
        var longest = 0
        var current = 0
        var wrong: [UInt16] = []
        for port in 0...UInt16.max {
            if set.contains(port) != expected.contains(port) { wrong.append(port) }
            current = expected.contains(port) ? current + 1 : 0
            longest = max(longest, current)
        }
        #expect(wrong == [])
        #expect(set.longestRun == longest)
    }

    @Test("from where one begins to look, a run is what is left of it")
    func from() {
        let set = PortSet([3, 4, 5, 130])
        #expect(set.run() == 3..<6)
        #expect(set.run(from: 4) == 4..<6)
        #expect(set.run(from: 6) == 130..<131)
        #expect(set.run(from: 131) == nil)
        #expect(set.run(from: PortSet.capacity) == nil)
        #expect(set.first(from: -1) == 3)
    }

    @Test("adding and taking out")
    func changes() {
        var set = PortSet([1, 2, 3])
        set.remove(2)
        set.remove(9)
        set.insert(1)
        #expect(set.ports == [1, 3])
        set.formUnion(PortSet([2, 700]))
        set.subtract(PortSet([1, 4]))
        #expect(set == PortSet([700, 3, 2]))
    }
}
