// Every fuzz target over mutated scripts, the same ones in each run. STRAIT_FUZZ_SECONDS=60 goes on
// with other seeds for that long.

import Foundation
import StraitCore
import StraitState
import StraitWire
import TestSupport
import Testing

@Suite("Fuzzing of machines") struct StateFuzzTests {
    @Test(
        "no script of a seeded run breaks a promise or traps", arguments: StateFuzzTarget.allCases)
    func seeded(target: StateFuzzTarget) {
        self.run(target, seed: 1, count: target == .peek ? 400 : 3000)
        let end = ContinuousClock.now + .seconds(Self.seconds)
        var seed = UInt64.random(in: 0 ... .max)
        while Self.seconds > 0, ContinuousClock.now < end {
            self.run(target, seed: seed, count: 200)
            seed &+= 1
        }
    }

    @Test("no script of the corpus breaks a promise", arguments: StateFuzzTarget.allCases)
    func corpus(target: StateFuzzTarget) {
        let seeds = CorpusSeeds(.module).read(target.rawValue)
        #expect(!seeds.isEmpty)
        for seed in seeds { #expect(target.violation(seed) == nil, "\(target): \(seed)") }
    }

    @Test("the scripts come to every verdict that there is")
    func coverage() {
        var mutator = ScriptMutator(.peek, seed: 1)
        var seen: Set<String> = []
        for _ in 0..<400 {
            let script = mutator.next()
            guard script.count >= 4 else { continue }
            let isBehindProxy = script[0] & 32 != 0
            let rules = PeekRules.all(requiresProxyHeader: isBehindProxy)[Int(script[0] & 31)]
            seen.insert(Self.word(PeekRun(rules, Array(script[4...])).verdict))
        }
        let all: Set = [
            "undecided", "hello", "ssh", "cancel", "http", "raw", "protocol_unknown",
            "protocol_not_allowed", "plaintext_refused", "prelude_malformed", "hello_malformed",
            "proxy_header_missing", "proxy_header_malformed", "tls_version_unsupported",
        ]
        #expect(all.subtracting(seen) == [])
    }

    /// How long each target goes on with other seeds; 0: not at all.
    private static let seconds =
        ProcessInfo.processInfo.environment["STRAIT_FUZZ_SECONDS"].flatMap { Int($0) } ?? 0

    private func run(_ target: StateFuzzTarget, seed: UInt64, count: Int) {
        var mutator = ScriptMutator(target, seed: seed)
        for round in 0..<count {
            let script = mutator.next()
            guard let violation = target.violation(script) else { continue }
            let hex = script.map { String($0, radix: 16) }.joined(separator: " ")
            Issue.record("\(target), seed \(seed), round \(round): \(violation); script \(hex)")
            return
        }
    }

    private static func word(_ verdict: PeekSample.Verdict) -> String {
        switch verdict {
        case .undecided: "undecided"
        case .hello: "hello"
        case .ssh: "ssh"
        case .cancel: "cancel"
        case .http: "http"
        case .raw: "raw"
        case .refuse(let kind, _): kind.rawValue
        }
    }
}

/// Makes scripts: random ones, and for the peek machine mutations of what downstreams send.
struct ScriptMutator {
    private var random: SplitMix64
    private let target: StateFuzzTarget

    init(_ target: StateFuzzTarget, seed: UInt64) {
        self.random = SplitMix64(seed: seed)
        self.target = target
    }

    mutating func next() -> [UInt8] {
        guard self.target == .peek else {
            let bytesMax = self.target == .transferMode || self.target == .timerWheel ? 600 : 40
            let isMonotonous = self.random.below(4) == 0
            let byte = UInt8(self.random.below(256))
            return (0..<self.random.below(bytesMax)).map { _ in
                isMonotonous ? byte : UInt8(self.random.below(256))
            }
        }
        var input: [UInt8] = []
        let isBehindProxy = self.random.below(3) == 0
        if isBehindProxy { input = self.one(of: Self.headers) }
        for _ in 0...self.random.below(2) { input += self.one(of: PeekSample.all.map(\.bytes)) }
        for _ in 0..<self.random.below(4) { self.mutate(&input) }
        var rules = UInt8(isBehindProxy || self.random.below(16) == 0 ? 32 : 0)
        rules |= self.random.below(4) == 0 ? UInt8(self.random.below(32)) : 15
        return [rules] + (0..<3).map { _ in UInt8(self.random.below(256)) } + input
    }

    private static let headers: [[UInt8]] = {
        let end = SocketAddress.ip(IPAddress(v4: 192, 0, 2, 1), port: 443)
        let header = ProxyHeader(command: .proxy, source: end, destination: end)
        return [
            header.encodedV1(), header.encodedV2(withChecksum: true),
            ProxyHeader(command: .local).encodedV2(),
        ]
    }()

    private mutating func one(of choices: [[UInt8]]) -> [UInt8] {
        choices[self.random.below(choices.count)]
    }

    private mutating func mutate(_ input: inout [UInt8]) {
        let place = self.random.below(input.count)
        switch self.random.below(6) {
        case 0 where !input.isEmpty: input[place] ^= 1 << UInt8(self.random.below(8))
        case 1 where !input.isEmpty: input[place] = UInt8(self.random.below(256))
        case 2: input.insert(UInt8(self.random.below(256)), at: place)
        case 3 where !input.isEmpty: input.remove(at: place)
        case 4: input.removeSubrange(place...)
        default: input.insert(contentsOf: self.one(of: PeekSample.all.map(\.bytes)), at: place)
        }
    }
}
