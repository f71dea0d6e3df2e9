// Routers as rows: each says that it is there, and what of the registry is live on it.
//
// It is no desired state: no audit row tells of it, the copy of the last good state has none, and
// nothing is compiled because of it.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitStore

/// What a router says of itself.
package struct RouterRow: RegistryRow, Codable, Hashable, Sendable {
    /// As its file has it; unique in the installation.
    package var name: String
    /// As its file has it.
    package var region: String
    /// The release.
    package var version: String
    /// By which addresses it is reached.
    package var addresses: [String]
    /// Since when its process has each of them, RFC 3339; nil from an older program.
    package var since: [String]?
    /// When its process began, RFC 3339.
    package var started: String
    /// Of the registry: every change up to it is obeyed by every worker.
    package var revision: UInt64
    /// When it said so, in seconds since 1970.
    package var seen: UInt64

    init(
        name: String, region: String, version: String, addresses: [PublicAddress],
        started: String, revision: UInt64, seen: UInt64
    ) {
        self.name = name
        self.region = region
        self.version = version
        self.addresses = addresses.map(\.address.description)
        self.since = addresses.map(\.since)
        self.started = started
        self.revision = revision
        self.seen = seen
    }
}

/// A router, and whether it has said lately that it is there.
package struct RouterAnswer: Codable, Hashable, Sendable {
    /// What it says of itself.
    package var router: RouterRow
    /// `present`, or `away` where it has not said so for 90 s.
    package var state: String
    /// When it said so, RFC 3339.
    package var seen: String
}

/// A part of the list of routers.
package struct RoutersAnswer: Codable, Hashable, Sendable {
    /// By name.
    package var routers: [RouterAnswer]
    /// The last of them, where there are more behind it.
    package var next: String?
}

extension RouterAnswer {
    /// Longer than two of a router's intervals: one word may be late.
    private static let awaySeconds: UInt64 = 90

    /// Nil for what a newer program wrote.
    fileprivate init?(_ row: StoredRow, now: UInt64) {
        guard let router = RouterRow(row.value) else { return nil }
        self.router = router
        // A row may say any number.
        self.state = router.seen < now - min(now, Self.awaySeconds) ? "away" : "present"
        self.seen = Timestamp(seconds: Int64(clamping: router.seen)).description
    }
}

extension Registry {
    /// Routers behind `after`, at most `limit`; `now` in seconds since 1970.
    func routers(
        after: String?, limit: Int, now: UInt64
    ) async throws(StoreError) -> RoutersAnswer {
        let page = try await self.store.page(
            prefix: RegistryKey.routers,
            after: try after.map { name throws(StoreError) in try RegistryKey.router(name) },
            limit: limit)
        return RoutersAnswer(
            routers: page.rows.compactMap { RouterAnswer($0, now: now) },
            next: page.next(behind: RegistryKey.routers))
    }

    /// One router; `now` in seconds since 1970.
    func router(
        _ name: String, now: UInt64
    ) async throws(RegistryRefusal) -> RouterAnswer {
        guard RegisteredFile.isName(name) else {
            throw .store(.refused("a router's name has 1 to 63 of a-z, 0-9, - and _"))
        }
        let row: StoredRow?
        do throws(StoreError) {
            row = try await self.store.row(try RegistryKey.router(name))
        } catch {
            throw .store(error)
        }
        guard let row, let answer = RouterAnswer(row, now: now) else {
            throw .absent("there is no router \"\(name)\"")
        }
        return answer
    }

    /// Routers of a region, whether they are there or away.
    func routers(in region: String) async throws(StoreError) -> [String] {
        try await self.store.collect(prefix: RegistryKey.routers) { row in
            RouterRow(row.value).flatMap { $0.region == region ? $0.name : nil }
        }.values
    }

    /// The addresses of the other routers of its region: also of those that are away for a while,
    /// since who lets addresses pass keeps them.
    fileprivate func addresses(besides own: RouterRow) async throws(StoreError) -> [PublicAddress] {
        let page = try await self.routers(
            after: nil, limit: Limits.storePageRowsMax, now: own.seen)
        let oldest = own.seen - min(own.seen, Limits.routerAddressesKeptSeconds)
        return page.routers.map(\.router).filter { other in
            other.region == own.region && other.name != own.name && other.seen > oldest
        }.flatMap { other in
            other.addresses.enumerated().compactMap { index, text in
                let since = other.since ?? []
                return IPAddress(text).map {
                    PublicAddress(
                        address: $0, router: other.name,
                        since: index < since.count ? since[index] : other.started)
                }
            }
        }
    }

    /// A router says that it is there; its region comes with the first of its routers.
    func note(_ row: RouterRow) async throws {
        var writes = [
            StoreWrite.put(
                try RegistryKey.router(row.name), Array(try AnswerJSON.encode(row)))
        ]
        var conditions: [StoreCondition] = []
        let region = try RegistryKey.region(row.region)
        if try await self.store.row(region) == nil {
            let value = Array(try AnswerJSON.encode(RegionRow(name: row.region)))
            let entry = AuditEntry(
                "strait", "create", region.description, before: nil,
                after: String(decoding: value, as: UTF8.self))
            writes.append(.put(region, value))
            writes += try Self.auditWrites(entry)
            conditions.append(.absent(region))
        }
        _ = try await self.store.commit(writes, if: conditions)
    }

    /// A process of the router ends: its row goes, unless it is another process's by now.
    func leave(_ name: String, started: String) async throws(StoreError) {
        guard let row = try await self.store.row(try RegistryKey.router(name)),
            RouterRow(row.value)?.started == started
        else { return }
        _ = try await self.store.commit(
            [.delete(row.key)], if: [.unchanged(row.key, since: row.changed)])
    }
}

extension RegistryKey {
    /// Before all rows of routers.
    static let routers = "router/"

    static func router(_ name: String) throws(StoreError) -> RowKey {
        try RowKey(self.routers + name)
    }
}

extension ControlPlane {
    /// From one word of this router to the next.
    private static let presenceInterval = Duration.seconds(30)
    /// Routers behind `after`, at most `limit`.
    package func routers(
        after: String?, limit: Int
    ) async throws(RegistryRefusal) -> RoutersAnswer {
        let (registry, _) = try self.registryAndLive()
        do throws(StoreError) {
            return try await registry.routers(
                after: after, limit: limit, now: UInt64(clamping: wallClockSeconds()))
        } catch {
            throw .store(error)
        }
    }

    /// One router.
    package func router(_ name: String) async throws(RegistryRefusal) -> RouterAnswer {
        let (registry, _) = try self.registryAndLive()
        return try await registry.router(name, now: UInt64(clamping: wallClockSeconds()))
    }

    /// Says that this router is there, until cancelled.
    package func keepPresence() async {
        guard self.registry != nil else { return }
        while !Task.isCancelled {
            await self.notePresence()
            do { try await Task.sleep(for: Self.presenceInterval) } catch { return }
        }
    }

    /// Says that this router is there.
    package func notePresence() async {
        guard self.stage == .serving, let registry = self.registry,
            let configuration = self.live?.configuration
        else { return }
        let row = RouterRow(
            name: configuration.router, region: configuration.region,
            version: BuildInformation.version,
            addresses: self.webAPI.own,
            started: self.started.description, revision: self.registryFacts.revision,
            seen: UInt64(clamping: wallClockSeconds()))
        do {
            try await registry.note(row)
            self.webAPI.publish(others: try await registry.addresses(besides: row))
        } catch {
            // Who follows the registry says why it is away.
            self.logger.debug("this router's row: \(error)")
        }
    }

    /// Takes this process's word back.
    package func leavePresence() async {
        guard let registry = self.registry, let live = self.live else { return }
        do throws(StoreError) {
            try await registry.leave(
                live.configuration.router, started: self.started.description)
        } catch {
            // It is shown as away, as if this process had been killed.
            self.logger.debug("this router's row stays: \(error.text)")
        }
    }
}
