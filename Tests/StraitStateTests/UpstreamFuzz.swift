// The fuzz targets of what upstreams are judged and chosen by. No test library in this file.

import StraitCore
import StraitState

enum UpstreamFuzz {
    // MARK: Health

    /// The first four bytes choose the rules, each further one an event and the time before it;
    /// what happens is compared with what the rules promise.
    static func health(_ script: [UInt8]) -> String? {
        guard script.count > 4 else { return nil }
        let rules = HealthRules(
            rise: Int(script[0] % 4), fall: Int(script[1] % 4), interval: 1000,
            ejection: UInt64(script[2]) * 10, ejectionMax: UInt64(script[2]) * 80,
            slowStart: UInt64(script[3]) * 16)
        var machine = UpstreamHealthMachine(rules)
        var now = Instant(nanoseconds: 1_000_000)
        var failedInRow = 0
        var passedInRow = 0
        var wasChecked = false
        for byte in script.dropFirst(4) {
            let before = machine
            now = now.advanced(byNanoseconds: UInt64(byte >> 2) * UInt64(byte >> 2) * 4)
            let action: HealthAction
            switch byte & 3 {
            case 0:
                action = machine.checkPassed(at: now)
                passedInRow += 1
                failedInRow = 0
                wasChecked = true
            case 1:
                action = machine.checkFailed()
                failedInRow += 1
                passedInRow = 0
                if failedInRow >= rules.fall || !wasChecked, machine.health != .down {
                    return "\(machine.health) after \(failedInRow) failed checks"
                }
                wasChecked = true
            case 2:
                action = machine.connectsFailed(at: now)
                if machine.health.isHealthy { return "healthy after connects failed" }
            default:
                action = machine.timePassed(to: now)
                if machine.nextDeadline <= now { return "a deadline stays behind" }
            }
            if let violation = Self.promise(before, machine, action) { return violation }
            if machine.health == .down, before.health != .down { passedInRow = 0 }
            if before.health == .down, machine.health.isHealthy, passedInRow < rules.rise {
                return "back after \(passedInRow) passed checks"
            }
        }
        return nil
    }

    /// What holds after every event.
    private static func promise(
        _ before: UpstreamHealthMachine, _ after: UpstreamHealthMachine, _ action: HealthAction
    ) -> String? {
        let share = after.share
        if (share > 0) != after.health.isHealthy || share > UpstreamHealth.wholeShare {
            return "share \(share) while \(after.health)"
        }
        if after.health == .up, share != UpstreamHealth.wholeShare { return "up, in part" }
        switch action {
        case .turn(let health):
            if health != after.health || before.health == health { return "turns \(health)" }
        case .share:
            if after.health != .returning || share <= before.share { return "share \(share)" }
        case .proceed:
            if before.health != after.health || share != before.share { return "turns silently" }
        }
        let delay = after.delayBeforeCheck(random: UInt64(share) &* 0x9E37_79B9_7F4A_7C15)
        if delay < 225 || delay > 1100 { return "next check after \(delay)" }
        return nil
    }

    // MARK: Choice

    /// Eight bytes are the random number, one the addresses tried; then four bytes an address.
    static func choice(_ script: [UInt8]) -> String? {
        guard script.count >= 10 else { return nil }
        var random: UInt64 = 0
        for byte in script[..<8] { random = random << 8 | UInt64(byte) }
        let tried = UInt64(script[8]) | UInt64(script[9]) << 56
        var candidates: [UpstreamCandidate] = []
        for start in stride(from: 10, to: script.count - 3, by: 4) where candidates.count < 70 {
            let share = script[start + 1]
            let open = script[start + 2]
            candidates.append(
                UpstreamCandidate(
                    weight: UInt32(script[start]), share: share & 1 == 0 ? 0 : UInt32(share),
                    open: open == 255 ? Int.max : Int(open) - 1,
                    isBackup: script[start + 3] & 1 == 1))
        }
        let picked = UpstreamChoice.pick(candidates, tried: tried, random: random)
        let free = candidates.indices.filter { $0 < 64 && tried >> UInt64($0) & 1 == 0 }
        guard let picked else { return free.isEmpty ? nil : "nothing of \(free)" }
        guard free.contains(picked) else { return "\(picked), which is not free" }
        let one = candidates[picked]
        for index in free {
            let other = candidates[index]
            if one.share == 0, other.share > 0 { return "\(picked), and \(index) is healthy" }
            if (one.share > 0) == (other.share > 0), one.isBackup, !other.isBackup {
                return "\(picked), a backup of \(index)"
            }
        }
        return nil
    }
}
