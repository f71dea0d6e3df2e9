// Rates, turns and the table of who may be driven out, each beside a plain model, driven by a
// script of bytes. No test library in this file.

import StraitCore
import StraitState

enum FairnessFuzz {
    /// The first bytes choose rate and burst; then each byte charges, asks, or lets time pass.
    ///
    /// The model counts in billionths and adds up: what has been taken is never more than the burst
    /// and what the rate has brought, and what is available is all of the rest, but for one.
    static func rateLimit(_ script: [UInt8]) -> String? {
        guard script.count >= 3 else { return nil }
        let rates: [UInt64] = [1, 3, 1000, 1_000_003, 1_000_000_000, 9_999_999_999]
        let perSecond = rates[Int(script[0]) % rates.count]
        let limit = RateLimit(perSecond: perSecond, burst: UInt64(script[1]) * perSecond / 7 + 1)
        var now = Instant(nanoseconds: UInt64(script[2]) << 40)
        var arrival: UInt64 = 0
        var level: Double = 0
        for byte in script[3...] {
            let count = UInt64(byte >> 2) * (limit.burst / 32 + 1)
            let room = Double(limit.burst) - level
            let slack = 2 + level * 1e-9
            switch byte & 3 {
            case 0:
                if let next = limit.admitting(count, arrival, at: now) {
                    if Double(count) > room + slack { return "\(count) admitted, room for \(room)" }
                    arrival = next
                    level += Double(count)
                } else if Double(count) < room - slack {
                    return "\(count) refused, room for \(room)"
                }
            case 1:
                arrival = limit.charging(count, arrival, at: now)
                level += Double(min(count, 1 << 28))
                // The model is a number of 53 bits.
                guard level < 1e14 else { return nil }
            default:
                let step = UInt64(byte) << UInt64(byte & 31)
                now = now.advanced(byNanoseconds: step)
                level = max(0, level - Double(step) * Double(perSecond) / 1e9)
            }
            let available = Double(limit.available(arrival, at: now))
            let expected = max(0, Double(limit.burst) - level)
            guard abs(available - expected) <= 2 + (level + expected) * 1e-9 else {
                return "\(available) available, expected \(expected)"
            }
        }
        return nil
    }

    /// Each byte puts one of eight flows' next number in, takes one, or takes one of a flow.
    static func fairQueue(_ script: [UInt8]) -> String? {
        var queue = FairQueue<UInt8, Int>()
        var lines: [(flow: UInt8, numbers: [Int])] = []
        for (number, byte) in script.enumerated() {
            let flow = byte >> 2 & 7
            let index = lines.firstIndex { $0.flow == flow }
            switch byte & 3 {
            case 0, 1:
                queue.append(number, of: flow)
                if let index {
                    lines[index].numbers.append(number)
                } else {
                    lines.append((flow, [number]))
                }
            case 2:
                var expected: Int?
                if !lines.isEmpty {
                    var line = lines.removeFirst()
                    expected = line.numbers.removeFirst()
                    if !line.numbers.isEmpty { lines.append(line) }
                }
                let got = queue.popFirst()
                if got != expected {
                    return "\(String(describing: got)) instead of \(String(describing: expected))"
                }
            default:
                let got = queue.popFirst(of: flow)
                guard let index else {
                    if got != nil { return "an element of a flow without any" }
                    continue
                }
                if got != lines[index].numbers.removeFirst() { return "another than the first" }
                if lines[index].numbers.isEmpty { lines.remove(at: index) }
            }
            guard queue.count == lines.reduce(0, { $0 + $1.numbers.count }),
                queue.flowCount == lines.count
            else { return "\(queue.count) of \(queue.flowCount) flows" }
        }
        return nil
    }

    /// Each pair of bytes lists, moves, takes out, or drives out one of 32 slots.
    static func unroutedTable(_ script: [UInt8]) -> String? {
        var table = UnroutedTable()
        // Age by slot, group and source.
        var listed: [Int: (age: Int, key: UInt8)] = [:]
        for step in stride(from: 0, to: script.count - 1, by: 2) {
            let slot = Int(script[step] & 31)
            let key = script[step + 1]
            switch script[step] >> 6 {
            case 0, 1:
                let source = SourcePrefix(IPAddress(v4: UInt32(key & 3)))
                table.insert(slot, group: key >> 6, source: source)
                listed[slot] = (step, key & 0b1100_0011)
            case 2:
                table.remove(slot)
                listed[slot] = nil
            default:
                guard let victim = table.victim() else {
                    if !listed.isEmpty { return "nobody to drive out of \(listed.count)" }
                    continue
                }
                guard let found = listed[victim] else { return "slot \(victim) was not in it" }
                let isOlder = listed.contains {
                    $0.value.key == found.key && $0.value.age < found.age
                }
                if isOlder { return "slot \(victim) is not the oldest of its kind" }
                table.remove(victim)
                listed[victim] = nil
            }
            guard table.count == listed.count, table.contains(slot) == (listed[slot] != nil) else {
                return "\(table.count) listed, expected \(listed.count)"
            }
        }
        return nil
    }
}
