// Which address of a service gets the next connection: of two that chance has picked by weight, the
// one with less to do. Over plain values; loads and randomness are passed in.

internal import StraitCore

/// An address as a choice sees it.
package struct UpstreamCandidate: Hashable, Sendable {
    /// 1 to 256.
    package var weight: UInt32
    /// What part of the weight counts, of ``UpstreamHealth/wholeShare``; 0: not healthy.
    package var share: UInt32
    /// Connections that are open or on their way, over all workers.
    package var open: Int
    /// Whether it is used only while no other is healthy.
    package var isBackup: Bool

    /// See the properties.
    package init(weight: UInt32, share: UInt32, open: Int, isBackup: Bool) {
        self.weight = weight
        self.share = share
        self.open = open
        self.isBackup = isBackup
    }

    /// Where it stands in line: the healthy, healthy backups, and then, as nothing better is left,
    /// the others and their backups.
    fileprivate var tier: Int { (self.share > 0 ? 0 : 2) + (self.isBackup ? 1 : 0) }

    /// Whether it is given less than its whole weight, and more than nothing.
    fileprivate var isReturning: Bool {
        self.share > 0 && self.share < UpstreamHealth.wholeShare
    }

    /// What chance and comparison go by; of those that are not healthy, the whole weight.
    fileprivate var effectiveWeight: UInt64 {
        let share = self.share > 0 ? self.share : UpstreamHealth.wholeShare
        return UInt64(max(self.weight, 1)) * UInt64(share)
    }

    /// Whether it has less to do, for its weight, than `other`.
    fileprivate func isLighter(than other: UpstreamCandidate) -> Bool {
        UInt64(clamping: min(self.open, Int(Int32.max))) * other.effectiveWeight
            < UInt64(clamping: min(other.open, Int(Int32.max))) * self.effectiveWeight
    }
}

/// Power of two choices, with weights.
package enum UpstreamChoice {
    /// The address that gets the connection; nil when each was tried.
    ///
    /// Both of the two are picked by weight, the second among the others. On equal loads the first
    /// gets it, so that connections that end at once are spread by weight. An address that comes
    /// back has nothing to do, and would win every comparison: it wins none as the second, so that
    /// it gets its share and no more.
    ///
    /// - Parameters:
    ///   - candidates: At most ``Limits/upstreamAddressesMax``; those beyond are not looked at.
    ///   - tried: A bit for each address that has failed this connection.
    ///   - random: All bits are used.
    /// - Returns: An index into `candidates` whose bit in `tried` is 0.
    /// - Complexity: O(*n*), no allocation.
    package static func pick(
        _ candidates: [UpstreamCandidate], tried: UInt64, random: UInt64
    ) -> Int? {
        var best = Int.max
        var sum: UInt64 = 0
        var count = 0
        var last: Int?
        let end = min(candidates.count, Limits.upstreamAddressesMax)
        for index in 0..<end where tried >> UInt64(index) & 1 == 0 {
            let tier = candidates[index].tier
            guard tier <= best else { continue }
            if tier < best { (best, sum, count) = (tier, 0, 0) }
            sum += candidates[index].effectiveWeight
            count += 1
            last = index
        }
        guard count > 1 else { return last }
        let line = Line(tier: best, tried: tried, end: end)
        let first = line.member(candidates, at: ((random & 0xFFFF_FFFF) * sum) >> 32, without: nil)
        let rest = sum - candidates[first].effectiveWeight
        let second = line.member(candidates, at: ((random >> 32) * rest) >> 32, without: first)
        let mayWin = !candidates[second].isReturning
        return mayWin && candidates[second].isLighter(than: candidates[first]) ? second : first
    }

    /// Those that stand in the first tier that has any.
    private struct Line {
        let tier: Int
        let tried: UInt64
        let end: Int

        /// The member at a place in the line, where each is as wide as its weight.
        func member(
            _ candidates: [UpstreamCandidate], at place: UInt64, without other: Int?
        ) -> Int {
            var left = place
            var last = 0
            for index in 0..<self.end
            where index != other && self.tried >> UInt64(index) & 1 == 0
                && candidates[index].tier == self.tier
            {
                let weight = candidates[index].effectiveWeight
                if left < weight { return index }
                left -= weight
                last = index
            }
            return last
        }
    }
}
