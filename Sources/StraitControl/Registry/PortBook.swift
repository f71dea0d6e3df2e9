// Who has which port in this router's region, as far as this process knows: the rows of the
// registry, and what was answered and is on its way there. Rows decide: what is planned here counts
// once a commit has it, under the condition that nobody changed those rows meanwhile.

internal import Foundation
package import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitStore
internal import Synchronization

/// A row of a port.
struct PortRow: Codable, Hashable, Sendable {
    var tenant: String
    var kind: String
    /// Seconds since 1970: in quarantine until then, and the tenant is who had it.
    var until: UInt64?

    /// Nil for what a newer program wrote, or somebody by hand.
    init?(_ value: [UInt8]) {
        // Who reads it says so, with the key.
        guard let row = try? JSONDecoder().decode(PortRow.self, from: Data(value)) else {
            return nil
        }
        self = row
    }

    init(_ lease: PortLease, until: UInt64? = nil) {
        self.tenant = lease.tenant
        self.kind = lease.kind.name
        self.until = until
    }

    var lease: PortLease? { PortKind(self.kind).map { PortLease(tenant: self.tenant, kind: $0) } }
}

/// Writes that give a tenant its ports, or take some; noted in the book until they are settled.
struct PortChange: Sendable {
    fileprivate(set) var rows: [UInt16: PortRow] = [:]
    fileprivate(set) var writes: [StoreWrite] = []
    fileprivate(set) var conditions: [StoreCondition] = []
}

/// How many ports there are of each sort.
package struct PortCounts: Hashable, Sendable {
    /// Tenants'.
    package var leased: Int
    /// Anybody's who asks.
    package var free: Int
    /// Given back a short while ago.
    package var quarantined: Int
}

/// A port that is leased or in quarantine.
package struct PortListing: Codable, Hashable, Sendable {
    /// The port.
    package var port: UInt16
    /// The router's region.
    package var region: String
    /// `leased` or `quarantined`.
    package var state: String
    /// Who has it, or had it.
    package var tenant: String
    /// What it is or was for.
    package var kind: String
    /// When the quarantine ends, RFC 3339.
    package var until: String?
}

/// The ports of one region.
package final class PortBook: Sendable {
    /// The router's.
    package let region: String
    let ranges: PortRanges
    private let quarantineSeconds: UInt64
    private let isUsedByHost: @Sendable (UInt16) -> Bool
    private let state: Mutex<State>

    private struct State {
        var planner: PortPlanner
        /// The revision that wrote a row last, by port.
        var changed: [UInt16: UInt64] = [:]
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
        self.isUsedByHost = isUsedByHost ?? { PortProbe.obstacle(address, port: $0) != nil }
        self.state = Mutex(State(planner: PortPlanner(ranges: ranges)))
    }

    // MARK: Rows

    /// Reads all rows anew.
    ///
    /// - Returns: Keys of rows that cannot be read.
    func load(from store: any Store) async throws(StoreError) -> [RowKey] {
        let found = Mutex<[StoredRow]>([])
        _ = try await store.load(prefix: RegistryKey.ports(self.region)) { row in
            found.withLock { $0.append(row) }
        }
        let rows = found.withLock { $0 }
        return self.state.withLock { state in
            state = State(planner: PortPlanner(ranges: self.ranges))
            return rows.filter { row in
                guard let port = RegistryKey.port(of: row.key, self.region) else { return true }
                let content = PortRow(row.value)
                Self.set(port, content, row.changed, &state)
                return content?.lease == nil
            }.map(\.key)
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
                Self.set(port, row, change.value == nil ? nil : revision, &state)
            }
            return tenants
        }
    }

    private static func set(
        _ port: UInt16, _ row: PortRow?, _ changed: UInt64?, _ state: inout State
    ) {
        state.changed[port] = changed
        guard let row, let lease = row.lease else { return state.planner.free(port) }
        // A quarantine is only of what was leased.
        state.planner.lease(port, to: lease)
        if let until = row.until { state.planner.release(port, until: until) }
    }

    // MARK: Changes

    /// What gives a tenant the ports of `wish` and takes those that it has besides.
    ///
    /// It is noted at once, so that others plan around it.
    ///
    /// - Parameters:
    ///   - tenant: Its name.
    ///   - wish: Nil: it has none from now on.
    ///   - now: Seconds since 1970.
    /// - Returns: To be committed, and then settled or undone.
    /// - Throws: ``PortRefusal``, why it cannot have them.
    func plan(_ tenant: String, _ wish: PortWish?, now: UInt64) throws(PortRefusal) -> PortChange {
        try self.state.withLock { state throws(PortRefusal) in
            var change = PortChange()
            let has = state.planner.ports(of: tenant)
            let wanted = wish.map { $0.kinds.union($0.fixed.keys) } ?? []
            for (port, kind) in state.planner.leases(of: tenant) {
                let isKept =
                    wanted.contains(kind) && has[kind] == port
                    && (wish?.fixed[kind] ?? port) == port
                let until = now + self.quarantineSeconds
                guard !isKept, let row = state.planner.release(port, until: until) else { continue }
                change.rows[port] = PortRow(row.lease, until: until)
            }
            if let wish {
                do throws(PortRefusal) {
                    let has = state.planner.ports(of: tenant)
                    let ports = try state.planner.plan(
                        wish, now: now, isUsedByHost: self.isUsedByHost)
                    for (kind, port) in ports where has[kind] != port {
                        let lease = PortLease(tenant: tenant, kind: kind)
                        state.planner.lease(port, to: lease)
                        change.rows[port] = PortRow(lease)
                    }
                } catch {
                    for (port, row) in change.rows {
                        if let lease = row.lease { state.planner.lease(port, to: lease) }
                    }
                    throw error
                }
            }
            self.addWrites(to: &change, state)
            return change
        }
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

    /// The change did not come about: its rows are read again.
    func undo(_ change: PortChange, _ store: any Store) async {
        for port in change.rows.keys.sorted() {
            do throws(StoreError) {
                let row = try await store.row(try RegistryKey.port(port, self.region))
                self.state.withLock {
                    Self.set(port, row.flatMap { PortRow($0.value) }, row?.changed, &$0)
                }
            } catch {
                // The store is away: what is noted stays, nobody else gets it, until it is
                // followed again or read anew.
                continue
            }
        }
    }

    // MARK: Asking

    /// What a tenant wants here.
    func wish(of tenant: Configuration.Tenant) -> PortWish {
        let asked = tenant.ports.compactMap { port in
            PortKind(port.kind).map { ($0, port.port) }
        }
        return PortWish(
            tenant: tenant.name, kinds: PortKind.standard + asked.map(\.0),
            fixed: Dictionary(
                asked.compactMap { kind, port in port.map { (kind, $0) } },
                uniquingKeysWith: { first, _ in first }))
    }

    /// What a tenant has.
    func ports(of tenant: String) -> [PortKind: UInt16] {
        self.state.withLock { $0.planner.ports(of: tenant) }
    }

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
            var found: [PortListing] = []
            for number in Int(port) + 1..<PortSet.capacity {
                guard let item = self.listing(UInt16(number), state.planner, now),
                    tenant == nil || item.tenant == tenant
                else { continue }
                guard found.count < limit else { return (found, true) }
                found.append(item)
            }
            return (found, false)
        }
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
                until: Timestamp(nanoseconds: row.until * 1_000_000_000).description)
        }
    }
}

extension RegistryKey {
    /// Before all rows of a region's ports.
    static func ports(_ region: String) -> String { "port/\(region)/" }

    static func port(_ port: UInt16, _ region: String) throws(StoreError) -> RowKey {
        try RowKey(self.ports(region) + "\(port)")
    }

    /// Which port of the region a row is about; nil where it is none of its ports.
    static func port(of key: RowKey, _ region: String) -> UInt16? {
        let prefix = self.ports(region)
        guard key.description.hasPrefix(prefix) else { return nil }
        return UInt16(key.description.dropFirst(prefix.count)).flatMap { $0 > 0 ? $0 : nil }
    }
}
