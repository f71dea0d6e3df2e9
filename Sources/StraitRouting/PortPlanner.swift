// Which ports a tenant gets. Pure: rows come in, an answer goes out; the store makes it last, in a
// transaction, and who loses a race over it asks again.

internal import StraitCore

/// All ports of a region's address, and who has them.
///
/// The same rows give the same answers, in whatever order they came. Promises: a port has one
/// holder; in quarantine it goes to nobody but the tenant that had it; a tenant that comes back
/// within the quarantine gets its ports back, those that the host has not taken meanwhile.
package struct PortPlanner: Sendable {
    private let ranges: PortRanges
    private var leases: [UInt16: PortLease] = [:]
    private var quarantines: [UInt16: PortQuarantine] = [:]
    /// Ports by tenant, from the lowest to the highest, leased and in quarantine; none is empty.
    private var held: [String: [UInt16]] = [:]
    private var former: [String: [UInt16]] = [:]
    /// Allowed, not leased, and in no quarantine that is known.
    private var free: PortSet
    /// No quarantine ends before.
    private var nextEnd = UInt64.max

    /// The rows as they are.
    ///
    /// A lease outside the ranges stays good: ranges may have become narrower since. Where a tenant
    /// has two ports for one kind, both are taken, and the lower one counts.
    package init(
        ranges: PortRanges, leases: [UInt16: PortLease] = [:],
        quarantines: [UInt16: PortQuarantine] = [:]
    ) {
        self.ranges = ranges
        self.free = ranges.allowed
        for (port, lease) in leases { self.lease(port, to: lease) }
        for (port, quarantine) in quarantines where leases[port] == nil {
            self.quarantine(port, quarantine)
        }
    }

    // MARK: What became of an answer

    /// Notes that a port is leased now, whatever it was before.
    package mutating func lease(_ port: UInt16, to lease: PortLease) {
        self.forget(port)
        self.leases[port] = lease
        self.free.remove(port)
        Self.add(port, to: &self.held, lease.tenant)
    }

    /// Notes that a port was given back, and is in quarantine until `until` (seconds since 1970).
    ///
    /// - Returns: The row of the quarantine; nil, and nothing happens, where it was not leased.
    @discardableResult
    package mutating func release(_ port: UInt16, until: UInt64) -> PortQuarantine? {
        guard let lease = self.leases[port] else { return nil }
        let quarantine = PortQuarantine(lease: lease, until: until)
        self.forget(port)
        self.quarantine(port, quarantine)
        return quarantine
    }

    /// Notes that there is no row of a port, whatever it was before.
    package mutating func free(_ port: UInt16) { self.forget(port) }

    // MARK: Answers

    /// The ports for `wish`, those that the tenant has already included, or why there are none.
    ///
    /// One block in a row where there is one, the lowest; else the lowest single ports. Nothing is
    /// noted: that is for ``lease(_:to:)``, once the store has it.
    ///
    /// - Parameters:
    ///   - wish: Who wants what.
    ///   - now: Seconds since 1970; quarantines that end by then are dropped.
    ///   - isUsedByHost: Whether another process has a port; asked at most once for each port that
    ///     would be the tenant's.
    /// - Returns: A port for each kind that is wanted.
    /// - Throws: ``PortRefusal``.
    package mutating func plan(
        _ wish: PortWish, now: UInt64, isUsedByHost: (UInt16) -> Bool
    ) throws(PortRefusal) -> [PortKind: UInt16] {
        self.dropEnded(now)
        let has = self.ports(of: wish.tenant)
        let wanted = wish.kinds.union(wish.fixed.keys)
        let count = wanted.union(has.keys).count
        guard count <= Limits.portsPerTenantMax else { throw .tooMany(count) }
        let former = self.former[wish.tenant] ?? []
        var answer = has.filter { wanted.contains($0.key) }
        var search = PortSearch(self.free)
        for port in former where self.ranges.allowed.contains(port) { search.giveBack(port) }
        for (kind, port) in wish.fixed.sorted(by: { $0.key < $1.key }) {
            try self.check(kind, port, wish, has)
            guard answer[kind] == nil else { continue }
            guard search.take(port, isUsedByHost) else { throw .usedByHost(kind, port) }
            answer[kind] = port
        }
        for kind in wanted.sorted() where answer[kind] == nil {
            for port in self.former(of: former, for: kind) where search.take(port, isUsedByHost) {
                answer[kind] = port
                break
            }
        }
        let rest = wanted.filter { answer[$0] == nil }.sorted()
        let found = search.ports(rest.count, isUsedByHost)
        guard found.count == rest.count else {
            let largestRun = PortSet(found).longestRun
            throw .exhausted(wanted: rest.count, free: found.count, largestRun: largestRun)
        }
        for (kind, port) in zip(rest, found) { answer[kind] = port }
        let before = Set(former).union(self.held[wish.tenant] ?? [])
        let kept = before.union(answer.values).count
        guard kept <= max(wish.keptMax, before.count) else {
            throw .keepsTooMany(kept, most: wish.keptMax)
        }
        return answer
    }

    /// What a port is; a quarantine that has ended is none.
    package func state(_ port: UInt16, now: UInt64) -> PortState {
        if let lease = self.leases[port] { return .leased(lease) }
        if let quarantine = self.quarantines[port], quarantine.until > now {
            return .quarantined(quarantine)
        }
        return self.ranges.allowed.contains(port) ? .free : .outside
    }

    /// What a tenant has; the lower port where rows give it two for one kind.
    package func ports(of tenant: String) -> [PortKind: UInt16] {
        let ports = (self.held[tenant] ?? []).compactMap { port in
            self.leases[port].map { ($0.kind, port) }
        }
        return Dictionary(ports, uniquingKeysWith: min)
    }

    /// Who has any.
    package var tenants: Set<String> { Set(self.held.keys) }

    /// All that is leased to a tenant, from the lowest port to the highest.
    package func leases(of tenant: String) -> [(port: UInt16, kind: PortKind)] {
        (self.held[tenant] ?? []).compactMap { port in
            self.leases[port].map { (port, $0.kind) }
        }
    }

    /// All that is leased to a tenant, or in quarantine because it had it, from the lowest port to
    /// the highest.
    package func known(of tenant: String) -> [UInt16] {
        ((self.held[tenant] ?? []) + (self.former[tenant] ?? [])).sorted()
    }

    /// How many ports are leased.
    package var leasedCount: Int { self.leases.count }

    /// How many ports are in quarantine, as far as quarantines were dropped by the last answer.
    package var quarantinedCount: Int { self.quarantines.count }

    /// How many ports anybody could get, as far as quarantines were dropped by the last answer.
    package var freeCount: Int { self.free.count }

    // MARK: Private

    /// Whether a fixed port may be the tenant's; what the host does with it is not asked.
    private func check(
        _ kind: PortKind, _ port: UInt16, _ wish: PortWish, _ has: [PortKind: UInt16]
    ) throws(PortRefusal) {
        if let has = has[kind], has != port { throw .hasPort(kind, fixed: port, has: has) }
        let others = wish.fixed.filter { $0.value == port && $0.key != kind }.keys
        if let other = others.min() {
            throw .fixedTwice(min(kind, other), max(kind, other), port)
        }
        guard has[kind] == nil else { return }
        if let lease = self.leases[port] { throw .leased(kind, port, lease) }
        guard self.ranges.allowed.contains(port) else { throw .outside(kind, port) }
        if let quarantine = self.quarantines[port], quarantine.lease.tenant != wish.tenant {
            throw .quarantined(kind, port, quarantine)
        }
    }

    /// Those of a tenant's former ports that were for `kind`, the last to be given back first.
    private func former(of ports: [UInt16], for kind: PortKind) -> [UInt16] {
        let fitting = ports.compactMap { port -> (UInt64, UInt16)? in
            guard let row = self.quarantines[port], row.lease.kind == kind else { return nil }
            return (row.until, port)
        }
        return fitting.sorted { $0.0 == $1.0 ? $0.1 < $1.1 : $0.0 > $1.0 }.map(\.1)
    }

    private mutating func quarantine(_ port: UInt16, _ quarantine: PortQuarantine) {
        self.quarantines[port] = quarantine
        self.free.remove(port)
        Self.add(port, to: &self.former, quarantine.lease.tenant)
        self.nextEnd = min(self.nextEnd, quarantine.until)
    }

    /// Drops quarantines that have ended.
    ///
    /// Looks at all of them, but only when one has: at most once for each second of the clock.
    private mutating func dropEnded(_ now: UInt64) {
        guard now >= self.nextEnd else { return }
        self.nextEnd = .max
        for (port, quarantine) in self.quarantines {
            if quarantine.until <= now {
                self.forget(port)
            } else {
                self.nextEnd = min(self.nextEnd, quarantine.until)
            }
        }
    }

    /// Makes a port what it is without a row.
    private mutating func forget(_ port: UInt16) {
        if let lease = self.leases.removeValue(forKey: port) {
            Self.remove(port, from: &self.held, lease.tenant)
        } else if let quarantine = self.quarantines.removeValue(forKey: port) {
            Self.remove(port, from: &self.former, quarantine.lease.tenant)
        }
        if self.ranges.allowed.contains(port) { self.free.insert(port) }
    }

    private static func add(_ port: UInt16, to ports: inout [String: [UInt16]], _ tenant: String) {
        let place = ports[tenant]?.firstIndex { $0 > port } ?? ports[tenant]?.count ?? 0
        ports[tenant, default: []].insert(port, at: place)
    }

    private static func remove(
        _ port: UInt16, from ports: inout [String: [UInt16]], _ tenant: String
    ) {
        ports[tenant]?.removeAll { $0 == port }
        if ports[tenant]?.isEmpty == true { ports[tenant] = nil }
    }
}

/// One search among free ports: what is taken, or used by the host, leaves them.
private struct PortSearch {
    private var free: PortSet
    /// Of those, which the host does not use: nobody is asked twice.
    private var asked = PortSet()

    init(_ free: PortSet) { self.free = free }

    mutating func giveBack(_ port: UInt16) { self.free.insert(port) }

    /// Takes a port; false where it is not to be had.
    mutating func take(_ port: UInt16, _ isUsedByHost: (UInt16) -> Bool) -> Bool {
        guard self.isUsable(port, isUsedByHost) else { return false }
        self.free.remove(port)
        return true
    }

    /// The lowest `count` in a row; else the lowest single ones, fewer where there are not so many.
    mutating func ports(_ count: Int, _ isUsedByHost: (UInt16) -> Bool) -> [UInt16] {
        var start = 0
        while count > 0, let run = self.free.run(from: start) {
            guard run.count >= count else {
                start = run.upperBound
                continue
            }
            let block = (run.lowerBound..<run.lowerBound + count).map(UInt16.init)
            guard let used = block.first(where: { !self.isUsable($0, isUsedByHost) }) else {
                return block
            }
            start = Int(used) + 1
        }
        var singles: [UInt16] = []
        start = 0
        while singles.count < count, let port = self.free.first(from: start) {
            start = Int(port) + 1
            if self.isUsable(port, isUsedByHost) { singles.append(port) }
        }
        return singles
    }

    private mutating func isUsable(_ port: UInt16, _ isUsedByHost: (UInt16) -> Bool) -> Bool {
        guard self.free.contains(port) else { return false }
        if self.asked.contains(port) { return true }
        guard !isUsedByHost(port) else {
            self.free.remove(port)
            return false
        }
        self.asked.insert(port)
        return true
    }
}
