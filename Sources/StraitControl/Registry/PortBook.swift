// Who has which port in this router's region, as far as this process knows: the rows of the
// registry, and what was answered and is on its way there. Rows decide: what is planned here counts
// once a commit has it, under the condition that nobody changed those rows meanwhile.

package import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitStore
internal import Synchronization

/// Writes that give a tenant its ports, or take some; until they are settled, nobody has those.
struct PortChange: Sendable {
    fileprivate(set) var rows: [UInt16: PortRow] = [:]
    fileprivate(set) var writes: [StoreWrite] = []
    fileprivate(set) var conditions: [StoreCondition] = []
}

/// What came of reading all rows.
struct PortsLoaded: Sendable {
    /// Rows that say nothing.
    var unreadable: [RowKey] = []
    /// Tenants that have other ports than before.
    var tenants: Set<String> = []
}

/// The ports of one region.
package final class PortBook: Sendable {
    /// The router's.
    package let region: String
    let ranges: PortRanges
    let quarantineSeconds: UInt64
    private let isUsedByHost: @Sendable (UInt16) -> Bool
    private let state: Mutex<State>

    private struct State {
        /// The rows.
        var planner: PortPlanner
        /// The revision that wrote a row last, by port.
        var changed: [UInt16: UInt64] = [:]
        /// The last revision that was followed in which a row went: only somebody by hand does so.
        var lastGone: UInt64 = 0
        /// What is on its way to the store, or was when that went away: others plan around it, and
        /// nobody has it.
        var planned: [UInt16: PortRow] = [:]
        /// Those of the latter, which are to be read again.
        var doubtful: Set<UInt16> = []
        /// Which the host uses, as far as it was asked since ``forgetUsed()``.
        var used = PortSet()
    }

    /// - Parameters:
    ///   - settings: What tenants may get.
    ///   - region: The router's.
    ///   - isUsedByHost: Whether another process of the host has a port.
    package init?(
        _ settings: Configuration.Ports, region: String,
        isUsedByHost: (@Sendable (UInt16) -> Bool)? = nil
    ) {
        guard
            let ranges = PortRanges(settings.ranges, excluding: settings.excluded.flatMap { $0 })
        else { return nil }
        self.region = region
        self.ranges = ranges
        self.quarantineSeconds = UInt64(settings.quarantine.components.seconds)
        let address = settings.address
        self.isUsedByHost = isUsedByHost ?? { PortProbe.isTaken(address, port: $0) }
        self.state = Mutex(State(planner: PortPlanner(ranges: ranges)))
    }

    // MARK: Rows

    /// Reads all rows anew.
    ///
    /// - Parameters:
    ///   - store: Where they lie.
    ///   - copied: The revision of the registry that `store` is a copy of; its own mean nothing.
    /// - Returns: What is wrong with them, and what is different.
    /// - Throws: ``StoreError`` where the store cannot be read.
    func load(
        from store: any Store, copyOf copied: UInt64? = nil
    ) async throws(StoreError) -> PortsLoaded {
        let rows = try await store.collect(prefix: RegistryKey.ports(self.region)) { $0 }.values
        return self.state.withLock { state in
            let before = state.planner
            state = State(planner: PortPlanner(ranges: self.ranges))
            var loaded = PortsLoaded()
            for row in rows {
                let port = RegistryKey.port(of: row.key, self.region)
                let content = PortRow(row.value)
                if let port { Self.set(port, content, copied ?? row.changed, &state) }
                if port == nil || content?.lease == nil { loaded.unreadable.append(row.key) }
            }
            for port in 1...UInt16.max {
                let states = [before, state.planner].map { $0.state(port, now: 0) }
                guard states[0] != states[1] else { continue }
                for case .leased(let lease) in states { loaded.tenants.insert(lease.tenant) }
            }
            return loaded
        }
    }

    /// Takes what others have written since, without waiting until it is followed; what this
    /// process has on its way is left as it is.
    func refresh(from store: any Store) async throws(StoreError) {
        let (rows, revision) = try await store.collect(
            prefix: RegistryKey.ports(self.region)
        ) { $0 }
        self.state.withLock { state in
            var gone = Set(state.changed.keys)
            for row in rows {
                guard let port = RegistryKey.port(of: row.key, self.region) else { continue }
                gone.remove(port)
                guard row.changed > state.changed[port] ?? state.lastGone else { continue }
                Self.set(port, PortRow(row.value), row.changed, &state)
            }
            // What has come since the rows were read is no row of them.
            for port in gone where state.changed[port] ?? .max <= revision {
                Self.set(port, nil, nil, &state)
            }
        }
    }

    /// Takes what a commit did to a row.
    ///
    /// - Returns: The tenants that are concerned; none where it is no row of this region's ports.
    func follow(_ change: StoreChange, revision: UInt64) -> [String] {
        guard let port = RegistryKey.port(of: change.key, self.region) else { return [] }
        let row = change.value.flatMap(PortRow.init)
        return self.state.withLock { state in
            var tenants = row.map { [$0.tenant] } ?? []
            if case .leased(let lease) = state.planner.state(port, now: 0) {
                tenants.append(lease.tenant)
            }
            if revision > state.changed[port] ?? 0 {
                if change.value == nil { state.lastGone = revision }
                Self.set(port, row, change.value == nil ? nil : revision, &state)
            }
            return tenants
        }
    }

    private static func set(
        _ port: UInt16, _ row: PortRow?, _ changed: UInt64?, _ state: inout State
    ) {
        state.changed[port] = changed
        state.planned[port] = nil
        state.doubtful.remove(port)
        guard let row, let lease = row.lease else { return state.planner.free(port) }
        // A quarantine is only of what was leased.
        state.planner.lease(port, to: lease)
        if let until = row.until { state.planner.release(port, until: until) }
    }

    // MARK: Changes

    /// What gives a tenant the ports of `wish` and takes those that it has besides.
    ///
    /// It is noted as planned at once, so that others plan around it.
    ///
    /// - Parameters:
    ///   - tenant: Its name.
    ///   - wish: Nil: it has none from now on.
    ///   - now: Seconds since 1970.
    ///   - isTried: Whether it is only tried: then nothing is noted.
    /// - Returns: To be committed, and then settled or undone.
    /// - Throws: ``PortRefusal``, why it cannot have them.
    func plan(
        _ tenant: String, _ wish: PortWish?, now: UInt64, isTried: Bool = false
    ) throws(PortRefusal) -> PortChange {
        // Who asks for a port wants to know how it is now.
        self.state.withLock { state in
            for port in wish?.fixed.values.sorted() ?? [] { state.used.remove(port) }
        }
        var free = PortSet()
        while true {
            // What the host uses is asked without the lock: it takes system calls.
            var unasked: [UInt16] = []
            let change = try self.state.withLock { state throws(PortRefusal) -> PortChange? in
                var asked: Set<UInt16> = []
                let outcome = self.planned(tenant, wish, now, &state, &asked)
                unasked = asked.filter { !free.contains($0) && !state.used.contains($0) }.sorted()
                guard unasked.isEmpty else { return nil }
                let change = try outcome.get()
                if !isTried { state.planned.merge(change.rows) { $1 } }
                return change
            }
            if let change { return change }
            // Each port is asked for once, so this ends.
            for port in unasked {
                if self.isUsedByHost(port) {
                    self.state.withLock { $0.used.insert(port) }
                } else {
                    free.insert(port)
                }
            }
        }
    }

    /// The host may have let go of what it used: it is asked again.
    func forgetUsed() { self.state.withLock { $0.used = PortSet() } }

    private typealias Outcome = Result<PortChange, PortRefusal>

    /// A plan that holds if the host uses nothing of `asked` but what is known.
    private func planned(
        _ tenant: String, _ wish: PortWish?, _ now: UInt64, _ state: inout State,
        _ asked: inout Set<UInt16>
    ) -> Outcome {
        var change = PortChange()
        let has = state.planner.ports(of: tenant)
        let wanted = wish.map { $0.kinds.union($0.fixed.keys) } ?? []
        let until = now + self.quarantineSeconds
        for (port, kind) in state.planner.leases(of: tenant) {
            let isKept =
                wanted.contains(kind) && has[kind] == port
                && (wish?.fixed[kind] ?? port) == port
            guard !isKept else { continue }
            change.rows[port] = PortRow(PortLease(tenant: tenant, kind: kind), until: until)
        }
        if let wish {
            do throws(PortRefusal) {
                let coming = try self.coming(wish, besides: change.rows, now, &state, &asked)
                for (port, kind) in coming {
                    change.rows[port] = PortRow(PortLease(tenant: tenant, kind: kind))
                }
            } catch {
                return .failure(error)
            }
        }
        self.addWrites(to: &change, state)
        return .success(change)
    }

    /// What a tenant gets that gives back the ports `going`.
    private func coming(
        _ wish: PortWish, besides going: [UInt16: PortRow], _ now: UInt64, _ state: inout State,
        _ asked: inout Set<UInt16>
    ) throws(PortRefusal) -> [UInt16: PortKind] {
        // For the answer alone: the rows are as they were afterwards.
        for (port, row) in going { state.planner.release(port, until: row.until ?? now) }
        defer {
            for (port, row) in going {
                if let lease = row.lease { state.planner.lease(port, to: lease) }
            }
        }
        let has = state.planner.ports(of: wish.tenant)
        // What is on its way to the same tenant may be asked for again: one of both gets there.
        let others = state.planned.filter { $0.value.tenant != wish.tenant }
        let used = state.used
        let ports: [PortKind: UInt16]
        do throws(PortRefusal) {
            ports = try state.planner.plan(wish, now: now) { port in
                guard others[port] == nil else { return true }
                asked.insert(port)
                return used.contains(port)
            }
        } catch {
            guard case .usedByHost(let kind, let port) = error, let lease = others[port]?.lease
            else { throw error }
            throw .leased(kind, port, lease)
        }
        return Dictionary(
            ports.filter { has[$0.key] != $0.value }.map { ($0.value, $0.key) },
            uniquingKeysWith: { first, _ in first })
    }

    private func addWrites(to change: inout PortChange, _ state: borrowing State) {
        for (port, row) in change.rows.sorted(by: { $0.key < $1.key }) {
            let key: RowKey
            let value: [UInt8]
            do {
                key = try RegistryKey.port(port, self.region)
                value = try AnswerJSON.encode(row)
            } catch {
                preconditionFailure("names and numbers are a key, and JSON: \(error)")
            }
            change.writes.append(.put(key, value))
            change.conditions.append(
                state.changed[port].map { .unchanged(key, since: $0) } ?? .absent(key))
        }
    }

    /// A commit has the change.
    func settle(_ change: PortChange, revision: UInt64) {
        self.state.withLock { state in
            for (port, row) in change.rows where revision >= state.changed[port] ?? 0 {
                Self.set(port, row, revision, &state)
            }
        }
    }

    /// A commit has given ports to another tenant; rows of other regions do nothing.
    func moved(_ rows: [(key: RowKey, row: PortRow)], revision: UInt64) {
        self.state.withLock { state in
            for (key, row) in rows {
                guard let port = RegistryKey.port(of: key, self.region),
                    revision >= state.changed[port] ?? 0
                else { continue }
                Self.set(port, row, revision, &state)
            }
        }
    }

    /// Nobody knows whether the change came about: its rows are read again, now, or where the store
    /// does not answer, by ``readDoubtful(from:)``.
    func undo(_ change: PortChange, _ store: any Store) async {
        self.state.withLock { $0.doubtful.formUnion(change.rows.keys) }
        // Its reason is that of the commit, which is told.
        try? await self.readDoubtful(from: store)
    }

    /// Reads the rows of changes of which nobody knows whether they came about.
    func readDoubtful(from store: any Store) async throws(StoreError) {
        for port in self.state.withLock({ $0.doubtful }).sorted() {
            let before = self.state.withLock { $0.changed[port] }
            let row = try await store.row(try RegistryKey.port(port, self.region))
            self.state.withLock { state in
                // Else it was followed meanwhile, and is known.
                guard state.changed[port] == before, state.doubtful.contains(port) else { return }
                Self.set(port, row.flatMap { PortRow($0.value) }, row?.changed, &state)
            }
        }
    }

    // MARK: Asking

    /// Ports that a tenant may keep from others where a change of its own administrator brings
    /// them: few enough that nobody but operators can use a region's up by changes.
    private var administratorsKeptMax: Int {
        let share = self.ranges.allowed.count / Self.administratorsShare
        return min(
            max(share, Self.administratorsKeptMin), Limits.portsKeptPerTenantMax)
    }

    /// The usual ports twice, and some.
    private static let administratorsKeptMin = 16
    private static let administratorsShare = 16

    /// What a tenant wants here, and how much it may, by who asks.
    func wish(
        of tenant: Configuration.Tenant, as role: Caller.Role = .operator
    ) -> PortWish {
        let asked = tenant.ports.compactMap { port in
            PortKind(port.kind).map { ($0, port.port) }
        }
        // Its usual ports are those of its home.
        let isHome = tenant.homeRegion.map { $0.value == self.region } ?? true
        return PortWish(
            tenant: tenant.name, kinds: (isHome ? PortKind.standard : []) + asked.map(\.0),
            fixed: Dictionary(
                asked.compactMap { kind, port in port.map { (kind, $0) } },
                uniquingKeysWith: { first, _ in first }),
            keptMax: role == .operator
                ? Limits.portsKeptPerTenantMax : self.administratorsKeptMax)
    }

    /// What a tenant has.
    func ports(of tenant: String) -> [PortKind: UInt16] {
        self.state.withLock { $0.planner.ports(of: tenant) }
    }

    /// Who has any.
    var tenants: Set<String> { self.state.withLock { $0.planner.tenants } }

    /// Whether a tenant has exactly what it wants.
    func fulfils(_ wish: PortWish) -> Bool {
        self.state.withLock { state in
            let has = state.planner.ports(of: wish.tenant)
            return Set(has.keys) == wish.kinds.union(wish.fixed.keys)
                && state.planner.leases(of: wish.tenant).count == has.count
                && wish.fixed.allSatisfy { has[$0.key] == $0.value }
        }
    }

    /// How many there are of each sort.
    package var counts: PortCounts {
        self.state.withLock {
            PortCounts(
                leased: $0.planner.leasedCount, free: $0.planner.freeCount,
                quarantined: $0.planner.quarantinedCount)
        }
    }

    /// Ports that are leased or in quarantine, the lowest first, behind `port`, at most `limit`.
    package func list(
        after port: UInt16, limit: Int, tenant: String? = nil, now: UInt64
    ) -> (ports: [PortListing], hasMore: Bool) {
        self.state.withLock { state in
            guard let tenant else {
                let all = (port..<UInt16.max).lazy.map { $0 + 1 }
                return self.list(all, limit, state.planner, now)
            }
            let own = state.planner.known(of: tenant).drop { $0 <= port }
            return self.list(own, limit, state.planner, now)
        }
    }

    private func list(
        _ ports: some Sequence<UInt16>, _ limit: Int, _ planner: borrowing PortPlanner,
        _ now: UInt64
    ) -> (ports: [PortListing], hasMore: Bool) {
        var found: [PortListing] = []
        for port in ports {
            guard let item = self.listing(port, planner, now) else { continue }
            guard found.count < limit else { return (found, true) }
            found.append(item)
        }
        return (found, false)
    }

    private func listing(
        _ port: UInt16, _ planner: borrowing PortPlanner, _ now: UInt64
    ) -> PortListing? {
        switch planner.state(port, now: now) {
        case .free, .outside: nil
        case .leased(let lease):
            PortListing(
                port: port, region: self.region, state: "leased", tenant: lease.tenant,
                kind: lease.kind.name)
        case .quarantined(let row):
            PortListing(
                port: port, region: self.region, state: "quarantined", tenant: row.lease.tenant,
                kind: row.lease.kind.name,
                until: Timestamp(seconds: Int64(clamping: row.until)).description)
        }
    }
}

extension RegistryKey {
    /// Before all rows of ports, of every region.
    static let allPorts = "port/"

    /// Before all rows of a region's ports.
    static func ports(_ region: String) -> String { "\(self.allPorts)\(region)/" }

    static func port(_ port: UInt16, _ region: String) throws(StoreError) -> RowKey {
        try RowKey(self.ports(region) + "\(port)")
    }

    /// Which port of which region a row is about; nil where it is none.
    static func portPlace(_ key: RowKey) -> (region: String, port: UInt16)? {
        let parts = key.description.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let port = Self.port(of: key, String(parts[1])) else {
            return nil
        }
        return (String(parts[1]), port)
    }

    /// Which port of the region a row is about; nil where it is none of its ports.
    static func port(of key: RowKey, _ region: String) -> UInt16? {
        let prefix = self.ports(region)
        guard key.description.hasPrefix(prefix) else { return nil }
        return UInt16(key.description.dropFirst(prefix.count)).flatMap { $0 > 0 ? $0 : nil }
    }
}
