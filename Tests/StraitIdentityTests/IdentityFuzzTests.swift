// Every fuzz target over mutated seeds. STRAIT_FUZZ_SECONDS=60 goes on with other seeds for that
// long.

import Foundation
import TestSupport
import Testing

@Suite("Fuzzing identities") struct IdentityFuzzTests {
    @Test("no input of a seeded run breaks an invariant or traps", arguments: 0..<5)
    func seeded(number: Int) throws {
        let targets = try IdentityFuzzTarget.all()
        try #require(targets.count == 5)
        self.run(targets[number], seed: 1, iterations: targets[number].iterations)
        let end = ContinuousClock.now + .seconds(Self.seconds)
        var seed = UInt64.random(in: 0 ... .max)
        while Self.seconds > 0, ContinuousClock.now < end {
            self.run(targets[number], seed: seed, iterations: 200)
            seed &+= 1
        }
    }

    /// How long each target goes on with other seeds; 0: not at all.
    private static let seconds =
        ProcessInfo.processInfo.environment["STRAIT_FUZZ_SECONDS"].flatMap { Int($0) } ?? 0

    private func run(_ target: IdentityFuzzTarget, seed: UInt64, iterations: Int) {
        var mutator = Mutator(seed: seed, seeds: target.seeds, dictionary: [])
        for iteration in 0..<iterations {
            let input =
                iteration < target.seeds.count ? target.seeds[iteration] : mutator.next()
            guard let violation = target.violation(input) else { continue }
            let hex = input.map { String($0, radix: 16) }.joined(separator: " ")
            Issue.record(
                "\(target.name), seed \(seed), iteration \(iteration): \(violation); input \(hex)")
            return
        }
    }
}
