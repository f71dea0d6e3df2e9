// The fuzz target of port leases: bytes choose wishes, releases, time, and what the host does. The
// answers must be those of a reference that looks at port after port. No test library in this file.

import StraitCore
import StraitRouting

/// Rows as the store would have them, and a planner that has followed them.
struct PortFuzz {
    static let tenants = ["a", "b", "c", "d"]
    static let kinds = PortKind.standard + ["mongo", "redis"].compactMap(PortKind.init)
    /// Two words of the planner's bits, a hole, and a port for itself.
    static let span: ClosedRange<UInt16> = 60...80
    static let excluded: UInt16 = 70
    static let alone: UInt16 = 90

    var now: UInt64 = 1000
    var leases: [UInt16: PortLease] = [:]
    var quarantines: [UInt16: PortQuarantine] = [:]
    var host: Set<UInt16> = []
    /// What has happened, so that a test can tell whether it looked everywhere.
    var sights: Set<String> = []

    /// The promise that a script breaks; nil for none.
    mutating func violation(_ script: [UInt8]) -> String? {
        guard let ranges = PortRanges([Self.span, 90...90], excluding: [Self.excluded]) else {
            return "legal ranges are refused"
        }
        var planner = PortPlanner(ranges: ranges)
        var bytes = script[...]
        while let first = bytes.popFirst(), let second = bytes.popFirst() {
            let port = self.port(second)
            switch first & 7 {
            case 0: self.now += UInt64(second)
            case 1:
                self.host = self.host.symmetricDifference([port])
            case 2, 3:
                let until = self.now + UInt64(first >> 3)
                let row = planner.release(port, until: until)
                guard row == self.release(port, until: until) else { return "released otherwise" }
            default:
                let wish = self.wish(first, second, &bytes)
                if let found = self.violation(wish, ranges, &planner) { return "\(found): \(wish)" }
            }
            for port in Self.span where planner.state(port, now: self.now) != self.state(port) {
                return "port \(port) is \(planner.state(port, now: self.now))"
            }
        }
        return nil
    }

    // MARK: One wish

    private mutating func violation(
        _ wish: PortWish, _ ranges: PortRanges, _ planner: inout PortPlanner
    ) -> String? {
        let expected = self.reference(wish)
        var fresh = PortPlanner(
            ranges: ranges, leases: self.leases, quarantines: self.quarantines)
        let found = self.asked(&planner, wish)
        guard found == self.asked(&fresh, wish) else { return "it depends on what was before" }
        guard found == expected else { return "\(found), not \(expected)" }
        guard case .success(let answer) = found else {
            self.sights.insert(expected.word)
            return nil
        }
        if Set(answer.values).count != answer.count { return "a port for two kinds" }
        for (kind, port) in answer {
            let lease = PortLease(tenant: wish.tenant, kind: kind)
            if let holder = self.leases[port], holder != lease { return "\(port) is another's" }
            if let row = self.quarantines[port], row.until > self.now,
                row.lease.tenant != wish.tenant
            {
                return "\(port) is in quarantine"
            }
            if self.leases[port] == nil, self.host.contains(port) { return "\(port) is the host's" }
            planner.lease(port, to: lease)
            self.leases[port] = lease
            self.quarantines[port] = nil
        }
        return nil
    }

    private func asked(_ planner: inout PortPlanner, _ wish: PortWish) -> PortAnswer {
        var asked: Set<UInt16> = []
        var isAskedTwice = false
        let host = self.host
        let answer: PortAnswer
        do throws(PortRefusal) {
            answer = .success(
                try planner.plan(wish, now: self.now) { port in
                    isAskedTwice = isAskedTwice || !asked.insert(port).inserted
                    return host.contains(port)
                })
        } catch {
            answer = .failure(error)
        }
        return isAskedTwice ? .success([:]) : answer
    }

    // MARK: The reference

    private mutating func reference(_ wish: PortWish) -> PortAnswer {
        let has = Dictionary(
            uniqueKeysWithValues: self.leases.filter { $0.value.tenant == wish.tenant }
                .map { ($0.value.kind, $0.key) })
        let wanted = wish.kinds.union(wish.fixed.keys)
        var answer = has.filter { wanted.contains($0.key) }
        if wanted == Set(answer.keys), wish.fixed.isEmpty { self.sights.insert("kept") }
        for (kind, port) in wish.fixed.sorted(by: { $0.key < $1.key }) {
            if let has = has[kind] {
                if has != port { return .failure(.hasPort(kind, fixed: port, has: has)) }
            }
            if let other = wish.fixed.filter({ $0.value == port && $0.key != kind }).keys.min() {
                return .failure(.fixedTwice(min(kind, other), max(kind, other), port))
            }
            if has[kind] != nil { continue }
            switch self.state(port) {
            case .leased(let lease): return .failure(.leased(kind, port, lease))
            case .outside: return .failure(.outside(kind, port))
            case .quarantined(let row) where row.lease.tenant != wish.tenant:
                return .failure(.quarantined(kind, port, row))
            case .quarantined, .free: break
            }
            if self.host.contains(port) { return .failure(.usedByHost(kind, port)) }
            self.sights.insert("fixed")
            answer[kind] = port
        }
        for kind in wanted.sorted() where answer[kind] == nil {
            let own = self.quarantines.filter {
                $0.value.lease == PortLease(tenant: wish.tenant, kind: kind)
                    && $0.value.until > self.now && !self.host.contains($0.key)
                    && !answer.values.contains($0.key)
            }
            let latest = own.max {
                ($0.value.until, $1.key) < ($1.value.until, $0.key)
            }
            if let port = latest?.key {
                answer[kind] = port
                self.sights.insert("own again")
            }
        }
        return self.rest(wanted.filter { answer[$0] == nil }.sorted(), wish.tenant, answer)
    }

    /// The lowest block; else the lowest single ports.
    private mutating func rest(
        _ kinds: [PortKind], _ tenant: String, _ answer: [PortKind: UInt16]
    ) -> PortAnswer {
        var answer = answer
        let fitting = Array(Self.span) + [Self.alone]
        let usable = fitting.filter { port in
            if self.host.contains(port) || answer.values.contains(port) { return false }
            return switch self.state(port) {
            case .free: true
            case .quarantined(let row): row.lease.tenant == tenant
            case .outside, .leased: false
            }
        }
        let block = usable.first { start in
            (0..<kinds.count).allSatisfy { usable.contains(start + UInt16($0)) }
        }
        if block == nil, usable.count < kinds.count {
            let runs = usable.map { start in
                (0..<usable.count).first { !usable.contains(start + UInt16($0)) } ?? usable.count
            }
            return .failure(
                .exhausted(
                    wanted: kinds.count, free: usable.count, largestRun: runs.max() ?? 0))
        }
        if kinds.count > 1 { self.sights.insert(block == nil ? "singles" : "block") }
        for (index, kind) in kinds.enumerated() {
            answer[kind] = block.map { $0 + UInt16(index) } ?? usable[index]
        }
        return .success(answer)
    }

    private func state(_ port: UInt16) -> PortState {
        if let lease = self.leases[port] { return .leased(lease) }
        if let row = self.quarantines[port], row.until > self.now { return .quarantined(row) }
        let isAllowed = Self.span.contains(port) && port != Self.excluded || port == Self.alone
        return isAllowed ? .free : .outside
    }

    // MARK: What bytes mean

    private mutating func release(_ port: UInt16, until: UInt64) -> PortQuarantine? {
        guard let lease = self.leases.removeValue(forKey: port) else { return nil }
        let row = PortQuarantine(lease: lease, until: until)
        self.quarantines[port] = row
        return row
    }

    private func port(_ byte: UInt8) -> UInt16 {
        let offset = UInt16(byte % 24)
        return offset < 22 ? Self.span.lowerBound + offset : offset == 22 ? Self.alone : 7
    }

    private func wish(_ first: UInt8, _ second: UInt8, _ bytes: inout ArraySlice<UInt8>) -> PortWish
    {
        let chosen = Self.kinds.indices.filter { second & 1 << $0 != 0 }.map { Self.kinds[$0] }
        var wish = PortWish(tenant: Self.tenants[Int(first >> 3) % 4], kinds: chosen)
        guard second & 128 != 0 else { return wish }
        for _ in 0..<(first & 32 == 0 ? 1 : 2) {
            guard let kind = bytes.popFirst(), let port = bytes.popFirst() else { break }
            wish.fixed[Self.kinds[Int(kind) % Self.kinds.count]] = self.port(port)
        }
        return wish
    }
}

/// An answer, or why there is none.
typealias PortAnswer = Result<[PortKind: UInt16], PortRefusal>

extension PortAnswer {
    /// The case of the refusal.
    var word: String {
        switch self {
        case .success: "answer"
        case .failure(let refusal):
            switch refusal {
            case .exhausted: "exhausted"
            case .tooMany: "too many"
            case .keepsTooMany: "keeps too many"
            case .outside: "outside"
            case .leased: "leased"
            case .quarantined: "quarantined"
            case .usedByHost: "used by host"
            case .fixedTwice: "fixed twice"
            case .hasPort: "has port"
            }
        }
    }
}
