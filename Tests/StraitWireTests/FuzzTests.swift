// Every fuzz target over mutated seeds, the same ones in each run. STRAIT_FUZZ_SECONDS=60 goes on
// with other seeds for that long.

import Foundation
import StraitCore
import StraitWire
import TestSupport
import Testing

@Suite("Fuzzing") struct FuzzTests {
    @Test("no input of a seeded run breaks an invariant or traps", arguments: FuzzTarget.allCases)
    func seeded(target: FuzzTarget) {
        self.run(target, seed: 1, iterations: target.iterations)
        let end = ContinuousClock.now + .seconds(Self.seconds)
        var seed = UInt64.random(in: 0 ... .max)
        while Self.seconds > 0, ContinuousClock.now < end {
            self.run(target, seed: seed, iterations: 500)
            seed &+= 1
        }
    }

    /// How long each target goes on with other seeds; 0: not at all.
    private static let seconds =
        ProcessInfo.processInfo.environment["STRAIT_FUZZ_SECONDS"].flatMap { Int($0) } ?? 0

    private func run(_ target: FuzzTarget, seed: UInt64, iterations: Int) {
        let seeds = target.seeds
        var mutator = Mutator(seed: seed, seeds: seeds, dictionary: target.dictionary)
        #expect(!seeds.isEmpty)
        for iteration in 0..<iterations {
            let input = iteration < seeds.count ? seeds[iteration] : mutator.next()
            guard let violation = target.violation(input) else { continue }
            let hex = input.map { String($0, radix: 16) }.joined(separator: " ")
            Issue.record(
                "\(target), seed \(seed), iteration \(iteration): \(violation); input \(hex)")
            return
        }
    }
}

extension FuzzTarget {
    /// How many inputs a seeded run takes; each target's run stays around a second in a debug
    /// build.
    var iterations: Int {
        switch self {
        case .clientHello: 500
        case .helloBody: 10_000
        case .proxy: 1000
        case .httpHead, .postgresStream, .postgresStartup: 2000
        case .httpStatus, .dnsAnswer: 3000
        case .address, .hostName, .sshBanner, .firstBytes: 3000
        case .connectionID, .mysqlPacket: 3000
        }
    }

    /// Inputs to start from: the target's file in Corpus/seeds, one input a line, where what was
    /// found once is added; and the recorded hellos of usual size.
    var seeds: [[UInt8]] {
        let hellos = CorpusHello.all.map(\.bytes).filter { $0.count < 2500 }
        let kept = CorpusSeeds(.module).read(self.rawValue)
        return switch self {
        case .clientHello: kept + hellos
        case .helloBody: hellos.map { Array(Records.content($0).dropFirst(4)) }
        default: kept
        }
    }

    /// What mutations like to insert.
    var dictionary: [[UInt8]] {
        switch self {
        case .clientHello:
            [
                [22, 3, 1, 0, 1], [22, 3, 1], [0, 0], [21, 3, 3, 0, 2],
                [0, 16, 0, 5, 0, 3, 2, 104, 50],
            ]
        case .helloBody:
            [
                [0, 0, 0, 5, 0, 3, 0, 0, 0], [0, 16], [0, 43, 0, 3, 2, 3, 4], [0, 41, 0, 0],
                [0xFE, 0x0D, 0, 0],
            ]
        case .proxy:
            [
                "PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "\r\n", "::ffff:", "256", "0", " ", "65536",
                "1.2.3.4",
            ].map {
                Array($0.utf8)
            } + [
                [3, 0, 4], [4, 0, 0], [0x21, 0x11, 0, 12], [0x21, 0x21, 0, 36], [0x20, 0, 0, 0],
                [5, 0, 129],
            ]
        case .postgresStartup:
            [[0x04, 0xD2, 0x16], [0x2E], [0, 3, 0, 0], Array("user\0".utf8), [0]]
        case .postgresStream: [[0x4B, 0, 0, 0, 12], [0x5A], [0, 0, 0, 4], [0x52, 0, 0, 0]]
        case .firstBytes: [[0, 0, 0, 16], [0, 0, 0x27, 0x10], [0x80, 0x2E, 1, 3]]
        case .sshBanner: ["SSH-", "\r\n", "\r", " "].map { Array($0.utf8) }
        case .httpStatus: ["HTTP/1.", " 200 ", "\r\n"].map { Array($0.utf8) }
        case .dnsAnswer: [[0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4], [0xC0, 12], [0, 28, 0, 1]]
        case .httpHead:
            ["\r\n", "Host: ", ":", " ", "http://", "//", "HTTP/1.1", "\\", "é"].map {
                Array($0.utf8)
            }
        case .address:
            ["::", ":", ".", "0", "ffff:", "255", "/", "[", "]:", "00"].map { Array($0.utf8) }
        case .hostName: [".", "0x", "-", "xn--", "0", "A", "f"].map { Array($0.utf8) }
        case .connectionID: ["c-", "0", "z", "g"].map { Array($0.utf8) }
        case .mysqlPacket: [[0], [10], [0xFC], [0xFD], [0xFE], [0, 0, 0, 1], [0xFF, 0xFF, 0xFF]]
        }
    }
}
