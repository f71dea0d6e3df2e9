// The last good state of every tenant, in a file of its own: what a restart serves while the
// registry is away. It is written behind the changes, and lost without harm.

internal import Foundation
internal import StraitCore
package import StraitStore

/// A copy of the rows that tenants were compiled from.
package struct RegistrySnapshot: Sendable {
    /// Tenants, and commits, that are copied at a time.
    private static let copyCount = 200
    /// How often its mark is written while nothing changes: the age of what is served from it is as
    /// good as that.
    private static let markInterval = Duration.seconds(60)

    /// The copy; its own revisions mean nothing.
    package let store: SQLiteStore
    /// Of its private keys, which are sealed as in the registry; nil where nobody needs them.
    private let keys: RegistryKeys?
    private let ports: PortBook?

    /// Which revision of the registry it is of, and when it was up to date last.
    package struct Mark: Hashable, Sendable {
        /// The registry's.
        package var revision: UInt64
        /// When it was up to date.
        package var time: Timestamp
    }

    /// Whether there is a copy.
    static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Opens the copy at `path`, or makes it; nothing is unsealed.
    package init(path: String, ports: PortBook?) throws(StoreError) {
        try self.init(path: path, keys: nil, ports: ports)
    }

    /// Opens the copy at `path`, or makes it.
    init(path: String, keys: RegistryKeys?, ports: PortBook?) throws(StoreError) {
        self.store = try SQLiteStore(path: path)
        self.keys = keys
        self.ports = ports
    }

    /// What to read it with.
    var registry: Registry {
        Registry(store: self.store, keys: self.keys, ports: self.ports)
    }

    private static func key() throws(StoreError) -> RowKey { try RowKey("copy/of") }

    /// What it is of; nil while it is not whole.
    package func mark() async throws(StoreError) -> Mark? {
        guard let row = try await self.store.row(try Self.key()) else { return nil }
        let words = String(decoding: row.value, as: UTF8.self).split(separator: " ")
        guard words.count == 2, let revision = UInt64(words[0]), let time = UInt64(words[1]) else {
            return nil
        }
        return Mark(revision: revision, time: Timestamp(nanoseconds: time))
    }

    private func setMark(_ mark: Mark) async throws(StoreError) {
        let text = "\(mark.revision) \(mark.time.nanoseconds)"
        let revision = try await self.store.commit(
            [.put(try Self.key(), Array(text.utf8))], if: [])
        try await self.store.compact(through: revision)
    }

    // MARK: Copying

    /// Brings the copy up to what is live.
    ///
    /// Rows are read as they are now: whose were changed behind `live` keep the copies that they
    /// have until that is live, too, as it may be nothing good.
    ///
    /// - Parameters:
    ///   - registry: What is copied.
    ///   - live: The revision up to which every change is obeyed.
    ///   - known: Up to there this was done before.
    ///   - refused: Tenants whose rows come to nothing: the copies of what was good stay.
    ///   - now: For its mark.
    /// - Throws: ``StoreError``, of either of both; the copy is of what it was then, or newer.
    package func follow(
        _ registry: Registry, through live: UInt64, knownThrough known: UInt64 = 0,
        refused: Set<String>, now: Timestamp
    ) async throws(StoreError) {
        var mark = try await self.mark()
        if let older = mark, older.revision > live {
            // Another registry lies there now, perhaps an older copy of it: what is kept serves
            // until all is copied, and who starts from it follows from the beginning.
            mark = nil
            try await self.setMark(Mark(revision: 0, time: older.time))
        }
        if let mark, mark.revision > 0 || live == 0 {
            var isChanged = false
            do throws(StoreError) {
                let since = known <= live ? max(mark.revision, known) : mark.revision
                isChanged = try await self.copyChanges(
                    since: since, through: live, registry, refused)
            } catch {
                guard case .compacted = error else { throw error }
                try await self.copyAll(registry, live, refused)
                isChanged = true
            }
            // What routers say of themselves is no reason to write.
            let end = mark.time.seconds + UInt64(Self.markInterval.components.seconds)
            guard isChanged || now.seconds >= end else { return }
        } else {
            try await self.copyAll(registry, live, refused)
        }
        try await self.setMark(Mark(revision: live, time: now))
    }

    /// False where nothing of that is copied.
    private func copyChanges(
        since older: UInt64, through live: UInt64, _ registry: Registry, _ refused: Set<String>
    ) async throws(StoreError) -> Bool {
        var later = LaterChanges(after: live)
        var revision = older
        var isChanged = false
        while revision < live {
            let commits = try await registry.store.commits(after: revision, limit: Self.copyCount)
                .prefix { $0.revision <= live }
            guard let last = commits.last else { return isChanged }
            let changes = commits.flatMap(\.changes)
            let names = Set(changes.compactMap { RegistryKey.tenant(of: $0.key) })
            let ports = changes.filter { $0.key.description.hasPrefix(RegistryKey.allPorts) }
            let tenants = try await registry.tenants(
                named: names.map(String.init).filter { !refused.contains($0) })
            try await later.read(registry.store)
            try await self.copy(tenants.filter { !later.tenants.contains($0.name) })
            try await self.copyPorts(ports)
            isChanged = isChanged || !names.isEmpty || !ports.isEmpty
            revision = last.revision
        }
        return isChanged
    }

    /// Where this is not carried to its end, what was there is still there, a part of it newer.
    private func copyAll(
        _ registry: Registry, _ live: UInt64, _ refused: Set<String>
    ) async throws(StoreError) {
        var later = LaterChanges(after: live)
        var known = refused
        var after: String?
        var hasMore = true
        while hasMore {
            let page = try await registry.tenants(after: after, limit: Self.copyCount)
            try await later.read(registry.store)
            known.formUnion(page.tenants.map(\.name))
            try await self.copy(
                page.tenants.filter {
                    !refused.contains($0.name) && !later.tenants.contains($0.name)
                })
            after = page.tenants.last?.name
            hasMore = page.hasMore
        }
        known.formUnion(later.tenants)
        after = nil
        hasMore = true
        while hasMore {
            let page = try await self.registry.tenants(after: after, limit: Self.copyCount)
            let gone = page.tenants.map(\.name).filter { !known.contains($0) }
            try await self.copy(gone.map { RegisteredTenant(name: $0) })
            after = page.tenants.last?.name
            hasMore = page.hasMore
        }
        try await self.copyPorts(of: registry, &later)
    }

    /// Makes the copies of tenants what `tenants` are; those without a document go.
    private func copy(_ tenants: [RegisteredTenant]) async throws(StoreError) {
        var writes: [StoreWrite] = []
        let copies = try await self.registry.tenants(named: tenants.map(\.name))
        for (tenant, copy) in zip(tenants, copies) {
            let older = copy.contents
            let newer = tenant.document == nil ? [:] : tenant.contents
            for (key, value) in newer where older[key] != value { writes.append(.put(key, value)) }
            for key in older.keys where newer[key] == nil { writes.append(.delete(key)) }
            // A tenant is copied whole or not at all, where it fits into a commit.
            guard writes.count > Limits.storeWritesMax / 2 else { continue }
            try await self.store.commitInSteps(writes)
            writes = []
        }
        try await self.store.commitInSteps(writes)
    }

    /// Does to the copies of leased ports what commits did to the rows.
    private func copyPorts(_ changes: [StoreChange]) async throws(StoreError) {
        var last: [RowKey: StoreWrite] = [:]
        for change in changes {
            last[change.key] = change.value.map { .put(change.key, $0) } ?? .delete(change.key)
        }
        try await self.store.commitInSteps(Array(last.values))
    }

    private func copyPorts(
        of registry: Registry, _ later: inout LaterChanges
    ) async throws(StoreError) {
        let older = try await Self.ports(self.store)
        let newer = try await Self.ports(registry.store)
        try await later.read(registry.store)
        let changes =
            newer.filter { older[$0.key] != $0.value }.map { StoreChange(key: $0, value: $1) }
            + older.keys.filter { newer[$0] == nil }.map { StoreChange(key: $0, value: nil) }
        try await self.copyPorts(changes.filter { [later] in !later.ports.contains($0.key) })
    }

    private static func ports(_ store: any Store) async throws(StoreError) -> [RowKey: [UInt8]] {
        let rows = try await store.collect(prefix: RegistryKey.allPorts) { $0 }.values
        return Dictionary(rows.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }
}

/// What was changed behind a revision, as far as was looked.
private struct LaterChanges: Sendable {
    private(set) var tenants: Set<String> = []
    /// Rows of leased ports, and others that are no tenants'.
    private(set) var ports: Set<RowKey> = []
    private var revision: UInt64

    init(after revision: UInt64) { self.revision = revision }

    /// Looks at all until now.
    mutating func read(_ store: any Store) async throws(StoreError) {
        let newest = try await store.revision()
        while self.revision < newest {
            let commits = try await store.commits(
                after: self.revision, limit: Limits.storePageRowsMax)
            guard let last = commits.last else { return }
            for change in commits.flatMap(\.changes) {
                if let tenant = RegistryKey.tenant(of: change.key) {
                    self.tenants.insert(String(tenant))
                } else {
                    self.ports.insert(change.key)
                }
            }
            self.revision = last.revision
        }
    }
}

extension RegisteredTenant {
    /// What each of its rows says.
    fileprivate var contents: [RowKey: [UInt8]] {
        var contents = Dictionary(
            self.rows.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        if let document { contents[document.key] = document.value }
        return contents
    }
}
