// Guesses are bounded by source and over all, and a genuine cancel comes through all the same.

import StraitCore
import StraitState
import TestSupport
import Testing

@Suite("A worker's budget of cancel misses") struct CancelBudgetTests {
    private let now = Instant(nanoseconds: 5_000_000_000)

    private func source(_ number: UInt32) -> SourcePrefix {
        SourcePrefix(IPAddress(v4: 0x0A00_0000 | number))
    }

    @Test("nobody is charged for hits, however many")
    func hitsAreFree() {
        var budget = CancelBudget()
        for _ in 0..<100_000 { #expect(budget.permit(self.source(1), at: self.now) == .anyKey) }
    }

    @Test("a source that has missed too often gets nothing until the next second")
    func oneSource() {
        var budget = CancelBudget()
        for _ in 0..<Limits.cancelMissesPerSourceMax {
            #expect(budget.permit(self.source(1), at: self.now) == .anyKey)
            budget.missed(self.source(1), at: self.now)
        }
        #expect(budget.permit(self.source(1), at: self.now) == .none)
        let last = Instant(nanoseconds: 5_999_999_999)
        #expect(budget.permit(self.source(1), at: last) == .none)
        #expect(budget.permit(self.source(1), at: last.advanced(byNanoseconds: 1)) == .anyKey)
    }

    @Test("one guesser leaves everybody else what they had")
    func othersGoOn() {
        var budget = CancelBudget()
        for _ in 0..<1000 where budget.permit(self.source(1), at: self.now) != .none {
            budget.missed(self.source(1), at: self.now)
        }
        let others = (2..<1002).map { budget.permit(self.source($0), at: self.now) }
        // The few that share its place in the table share its lot.
        #expect(others.count { $0 == .anyKey } > 980)
    }

    @Test("many guessers take other people's queries out of reach, and nobody's own")
    func manySources() {
        var budget = CancelBudget()
        for number in 1...UInt32(Limits.cancelMissesPerSecondMax) {
            #expect(budget.permit(self.source(number), at: self.now) == .anyKey)
            budget.missed(self.source(number), at: self.now)
        }
        #expect(budget.permit(self.source(100_000), at: self.now) == .ownKeys)
        let next = Instant(nanoseconds: 6_000_000_000)
        #expect(budget.permit(self.source(100_000), at: next) == .anyKey)
    }

    @Test("what goes to one listener's service counts for its source alone")
    func passedOn() {
        var budget = CancelBudget()
        for number in 1...UInt32(Limits.cancelMissesPerSecondMax) {
            budget.passedOn(self.source(number), at: self.now)
        }
        #expect(budget.permit(self.source(100_000), at: self.now) == .anyKey)
        for _ in 0..<Limits.cancelMissesPerSourceMax {
            budget.passedOn(self.source(7), at: self.now)
        }
        #expect(budget.permit(self.source(7), at: self.now) == .none)
    }

    @Test("an IPv6 /64 is one source, an IPv4 address is one, and what is unknown is one")
    func sources() {
        let host = IPAddress(high: 0x2001_0DB8_0000_0001, low: 1)
        #expect(SourcePrefix(host) == SourcePrefix(IPAddress(high: host.high, low: .max)))
        #expect(SourcePrefix(host) != SourcePrefix(IPAddress(high: host.high + 1, low: 1)))
        #expect(self.source(1) != self.source(2))
        #expect(SourcePrefix(nil) == SourcePrefix(nil))
        #expect(SourcePrefix(nil) != self.source(1))
        #expect(SourcePrefix(IPAddress(high: 0, low: 1)) != self.source(1))
    }

    @Test("a count never overflows, whatever comes")
    func bounded() {
        var budget = CancelBudget()
        for _ in 0..<70_000 { budget.missed(self.source(1), at: self.now) }
        #expect(budget.permit(self.source(1), at: self.now) == .none)
    }
}

@Suite("The owner of a cancel key") struct CancelKeyOwnerTests {
    @Test("a key leads to the worker that it was made for", arguments: [1, 2, 3, 128])
    func leadsHome(workers: Int) throws {
        let owner = CancelKeyOwner(workers: workers)
        var generator = SplitMix64(seed: 7)
        for worker in 0..<workers {
            for length in [4, 8, 32, 256] {
                let random = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
                let key = try #require(
                    owner.key(from: random, processID: 9, worker: worker) { _ in false })
                #expect(key.count == length)
                #expect(owner.worker(processID: 9, key: key) == worker)
                #expect(key[4...] == random[4...])
            }
        }
    }

    @Test("every byte of a 4-byte key takes every value: none is spent on the worker's number")
    func everyBitIsRandom() throws {
        let owner = CancelKeyOwner(workers: 2)
        var generator = SplitMix64(seed: 11)
        var seen = [Set<UInt8>](repeating: [], count: 4)
        for _ in 0..<8192 {
            let random = (0..<4).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let key = try #require(
                owner.key(from: random, processID: 1, worker: 1) { _ in false })
            for index in 0..<4 { seen[index].insert(key[index]) }
        }
        #expect(seen.map(\.count) == [256, 256, 256, 256])
    }

    @Test("a key that is in use is not given out again, and a carry goes on to the next byte")
    func taken() throws {
        let owner = CancelKeyOwner(workers: 1)
        let first = try #require(
            owner.key(from: [255, 255, 0, 0], processID: 1, worker: 0) { $0 == [255, 255, 0, 0] })
        #expect(first == [0, 0, 1, 0])
        #expect(owner.key(from: [1, 2, 3, 4], processID: 1, worker: 0) { _ in true } == nil)
    }
}
