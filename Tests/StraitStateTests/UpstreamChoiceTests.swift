// Who gets the next connection, over many of them.

import StraitCore
import StraitState
import TestSupport
import Testing

@Suite("Choosing an address") struct UpstreamChoiceTests {
    private func candidate(
        _ weight: UInt32 = 1, share: UInt32 = 256, open: Int = 0, isBackup: Bool = false
    ) -> UpstreamCandidate {
        UpstreamCandidate(weight: weight, share: share, open: open, isBackup: isBackup)
    }

    /// What part of many connections each gets that end at once.
    private func shares(_ candidates: [UpstreamCandidate], tried: UInt64 = 0) -> [Double] {
        var random = SplitMix64(seed: 5)
        var counts = [Int](repeating: 0, count: candidates.count)
        for _ in 0..<40_000 {
            guard
                let picked = UpstreamChoice.pick(
                    candidates, tried: tried, random: random.next())
            else { return [] }
            counts[picked] += 1
        }
        return counts.map { Double($0) / 40_000 }
    }

    /// Connections that stay: how many each has after `count` of them.
    private func kept(_ count: Int, _ start: [UpstreamCandidate]) -> [Int] {
        var random = SplitMix64(seed: 9)
        var candidates = start
        for _ in 0..<count {
            guard
                let picked = UpstreamChoice.pick(candidates, tried: 0, random: random.next())
            else { return [] }
            candidates[picked].open += 1
        }
        return candidates.map(\.open)
    }

    @Test("there is none among none, and none when each was tried")
    func none() {
        let none: [UpstreamCandidate] = []
        #expect(UpstreamChoice.pick(none, tried: 0, random: 1) == nil)
        let two = [self.candidate(), self.candidate()]
        #expect(UpstreamChoice.pick(two, tried: 3, random: 1) == nil)
        #expect(UpstreamChoice.pick(two, tried: 1, random: 1) == 1)
    }

    @Test("connections that end at once are spread by weight")
    func byWeight() {
        let shares = self.shares([self.candidate(1), self.candidate(2), self.candidate(5)])
        for (share, expected) in zip(shares, [0.125, 0.25, 0.625]) {
            #expect(abs(share - expected) < 0.01, "\(shares)")
        }
    }

    @Test("connections that stay are spread by weight")
    func keptByWeight() {
        let counts = self.kept(8000, [self.candidate(1), self.candidate(2), self.candidate(5)])
        #expect(abs(counts[0] - 1000) <= 60, "\(counts)")
        #expect(abs(counts[1] - 2000) <= 60, "\(counts)")
    }

    @Test("of two, the one with less to do gets it, however chance falls")
    func lighter() {
        let shares = self.shares([self.candidate(open: 10), self.candidate(open: 9)])
        #expect(shares == [0, 1])
        #expect(self.shares([self.candidate(3, open: 10), self.candidate(open: 9)]) == [1, 0])
    }

    @Test("one that hangs on to its connections among three gets none while it has the most")
    func slow() {
        let shares = self.shares(
            [self.candidate(open: 500), self.candidate(open: 3), self.candidate(open: 3)])
        #expect(shares[0] == 0)
        #expect(abs(shares[1] - 0.5) < 0.02)
    }

    @Test("one that comes back has nothing to do, and still gets its share and no more")
    func noHerd() {
        let busy = self.candidate(open: 200)
        var before = 0.0
        for step in 1...16 {
            let back = self.candidate(share: UInt32(step * 16), open: 0)
            let share = self.shares([busy, busy, back])[2]
            #expect(share > before, "step \(step)")
            let fair = Double(step) / Double(32 + step)
            if step < 16 { #expect(abs(share - fair) < 0.01, "step \(step): \(share)") }
            before = share
        }
        #expect(before < 0.68, "then, too, it must be among the two")
    }

    @Test("a backup gets nothing while another is healthy, and all when none is")
    func backup() {
        let backup = self.candidate(200, isBackup: true)
        #expect(self.shares([backup, self.candidate(open: 1000)]) == [0, 1])
        #expect(self.shares([backup, self.candidate(share: 16)]) == [0, 1])
        #expect(self.shares([backup, self.candidate(share: 0)]) == [1, 0])
        #expect(self.shares([backup, self.candidate()], tried: 2) == [1, 0])
    }

    @Test("when none is healthy all are tried, backups last")
    func panic() {
        let down = self.candidate(share: 0)
        let downBackup = self.candidate(share: 0, isBackup: true)
        let shares = self.shares([downBackup, down, down])
        #expect(shares[0] == 0)
        #expect(abs(shares[1] - 0.5) < 0.02)
        #expect(self.shares([downBackup, down, down], tried: 6) == [1, 0, 0])
    }

    @Test("the bit of each of 64 addresses is its own, and what lies beyond is not looked at")
    func sixtyFour() {
        let many = [UpstreamCandidate](repeating: self.candidate(), count: 80)
        for index in 0..<64 {
            let tried = ~(UInt64(1) << UInt64(index))
            #expect(UpstreamChoice.pick(many, tried: tried, random: 7) == index)
        }
        #expect(UpstreamChoice.pick(many, tried: .max, random: 7) == nil)
    }

    @Test("the largest of all numbers do not trap")
    func largest() {
        let huge = [UpstreamCandidate](repeating: self.candidate(256, open: .max), count: 64)
        #expect(UpstreamChoice.pick(huge, tried: 0, random: .max) != nil)
    }
}
