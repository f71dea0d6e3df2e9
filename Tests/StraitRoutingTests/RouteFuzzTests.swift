// Random rules and questions, replayed: the table against the linear reference.

import StraitCore
import StraitRouting
import TestSupport
import Testing

@Suite("RouteTable, against a linear reference") struct RouteFuzzTests {
    @Test(
        "random rules and questions get the reference's answers",
        arguments: 0..<8 as Range<UInt64>)
    func agrees(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var sights = RouteFuzzSights()
        for _ in 0..<60 {
            let count = Int.random(in: 0...700, using: &random)
            var input = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            fuzzRouteTable(input, &sights)
            for _ in 0..<4 where !input.isEmpty {
                input[Int.random(in: 0..<input.count, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
                fuzzRouteTable(input, &sights)
            }
        }
        #expect(sights.violations.first == nil, "seed \(seed)")
        // A comparison that never gets anywhere proves nothing.
        #expect(sights.compiled > 50)
        #expect(sights.contradictory > 50)
        let all: Set = [
            "service none", "service exact", "service wildcard", "service alias",
            "nameMissing untold", "nameMissing told", "nameUnknown untold", "nameUnknown told",
            "alpnMismatch told", "noDefaultService untold", "noDefaultService told", "built in",
        ]
        #expect(sights.decisions == all)
    }

    @Test(
        "a table that is changed decides as one that is built anew",
        arguments: 0..<8 as Range<UInt64>)
    func changes(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var sights = RouteFuzzSights()
        for _ in 0..<120 {
            let count = Int.random(in: 0...900, using: &random)
            fuzzRouteChanges(
                (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }, &sights)
        }
        #expect(sights.violations.first == nil, "seed \(seed)")
        #expect(sights.compiled > 100)
        #expect(sights.contradictory > 50)
        #expect(sights.decisions.count > 8)
    }

    @Test(
        "the shortest and the most uniform inputs",
        arguments: [0, 1, 300], [0, 127, 255] as [UInt8])
    func uniform(count: Int, byte: UInt8) {
        var sights = RouteFuzzSights()
        fuzzRouteTable(Array(repeating: byte, count: count), &sights)
        #expect(sights.violations == [])
    }
    @Test("no input of the corpus breaks a promise", arguments: RouteFuzzTarget.allCases)
    func corpus(target: RouteFuzzTarget) {
        let seeds = CorpusSeeds(.module).read(target.rawValue)
        #expect(!seeds.isEmpty)
        for seed in seeds { #expect(target.violation(seed) == nil, "\(target): \(seed)") }
    }
}
