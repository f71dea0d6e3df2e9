// Regions as rows: where routers are, and where tenants are at home.

internal import StraitConfig
internal import StraitCore
internal import StraitPosix
package import StraitStore

/// A region.
package struct RegionRow: RegistryRow, Codable, Hashable, Sendable {
    /// Its name, as `region` of routers and tenants has it.
    package var name: String
    /// For people.
    package var description: String?

    /// See the properties.
    package init(name: String, description: String? = nil) {
        self.name = name
        self.description = description
    }
}

/// A region with the revision that wrote it.
package struct RegionAnswer: Codable, Hashable, Sendable {
    /// Its name.
    package var name: String
    /// For people.
    package var description: String?
    /// The revision of the registry that wrote it last.
    package var revision: UInt64
}

/// A part of the list of regions.
package struct RegionsAnswer: Codable, Hashable, Sendable {
    /// By name.
    package var regions: [RegionAnswer]
    /// The last of them, where there are more behind it.
    package var next: String?
}

extension Registry {
    /// Bytes of what a region says of itself; beyond: refused.
    private static let descriptionBytesMax = 1000
    /// Tenants that are named where a region cannot go.
    private static let namedTenantsMax = 5

    // MARK: Reading

    /// Regions behind `after`, at most `limit`.
    package func regions(
        after: String?, limit: Int
    ) async throws(StoreError) -> RegionsAnswer {
        let page = try await self.store.page(
            prefix: RegistryKey.regions,
            after: try after.map { name throws(StoreError) in try RegistryKey.region(name) },
            limit: limit)
        return RegionsAnswer(
            regions: page.rows.compactMap { RegionAnswer($0) },
            next: page.next(behind: RegistryKey.regions))
    }

    /// One region.
    package func region(_ name: String) async throws(RegistryRefusal) -> RegionAnswer {
        guard let row = try await self.regionRow(name), let answer = RegionAnswer(row) else {
            throw .absent("there is no region \"\(name)\"")
        }
        return answer
    }

    private func regionRow(_ name: String) async throws(RegistryRefusal) -> StoredRow? {
        guard RegisteredFile.isName(name) else {
            throw .store(.refused("a region's name has 1 to 63 of a-z, 0-9, - and _"))
        }
        do throws(StoreError) {
            return try await self.store.row(try RegistryKey.region(name))
        } catch {
            throw .store(error)
        }
    }

    // MARK: Changes

    /// Makes or changes a region.
    ///
    /// - Parameters:
    ///   - region: What it says from now on.
    ///   - precondition: What must be true of it.
    ///   - actor: Who asks; nil: it is only tried.
    /// - Returns: The revision that has it, and whether it is new.
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    func putRegion(
        _ region: RegionRow, if precondition: Precondition, by actor: String?
    ) async throws(RegistryRefusal) -> (revision: UInt64, isNew: Bool) {
        guard (region.description ?? "").utf8.count <= Self.descriptionBytesMax else {
            throw .store(
                .refused("a description has at most \(Self.descriptionBytesMax) bytes"))
        }
        let old = try await self.regionRow(region.name)
        try precondition.hold(for: old)
        do {
            let value = Array(try AnswerJSON.encode(region))
            guard let actor, value != old?.value else { return (old?.changed ?? 0, old == nil) }
            let key = try RegistryKey.region(region.name)
            let entry = AuditEntry(
                actor, old == nil ? "create" : "change", key.description,
                before: old.map { String(decoding: $0.value, as: UTF8.self) },
                after: String(decoding: value, as: UTF8.self))
            let revision = try await self.store.commit(
                [.put(key, value)] + Self.auditWrites(entry),
                if: [old.map { .unchanged(key, since: $0.changed) } ?? .absent(key)])
            return (revision, old == nil)
        } catch let error as StoreError {
            throw await self.refusal(error, region.name, precondition)
        } catch {
            throw .store(.refused("\(error)"))
        }
    }

    /// Takes a region out where no tenant is at home.
    package func removeRegion(
        _ name: String, if precondition: Precondition, by actor: String?
    ) async throws(RegistryRefusal) -> UInt64 {
        guard let old = try await self.regionRow(name) else {
            throw .absent("there is no region \"\(name)\"")
        }
        try precondition.hold(for: old)
        do {
            let homes = try await self.homesCondition(name)
            let routers = try await self.routers(in: name)
            guard routers.isEmpty else {
                let named = routers.prefix(Self.namedTenantsMax).joined(separator: ", ")
                throw RegistryRefusal.inUse("region \"\(name)\" has routers: \(named)")
            }
            let tenants = try await self.tenants(atHomeIn: name)
            guard tenants.isEmpty else {
                let named = tenants.prefix(Self.namedTenantsMax).joined(separator: ", ")
                let more = tenants.count - Self.namedTenantsMax
                throw RegistryRefusal.inUse(
                    "region \"\(name)\" is the home of \(named)"
                        + (more > 0 ? " and \(more) more" : ""))
            }
            guard let actor else { return old.changed }
            let entry = AuditEntry(
                actor, "delete", old.key.description,
                before: String(decoding: old.value, as: UTF8.self), after: nil)
            return try await self.store.commit(
                [.delete(old.key), .delete(homes.key)] + Self.auditWrites(entry),
                if: [.unchanged(old.key, since: old.changed), homes])
        } catch let refusal as RegistryRefusal {
            throw refusal
        } catch StoreError.conflict(let key, _) where key.description.hasPrefix(RegistryKey.homes) {
            throw .inUse("region \"\(name)\" has become a tenant's home just now")
        } catch let error as StoreError {
            throw await self.refusal(error, name, precondition)
        } catch {
            throw .store(.refused("\(error)"))
        }
    }

    /// Reads every document: regions go seldom.
    private func tenants(atHomeIn region: String) async throws(StoreError) -> [String] {
        try await self.store.collect(prefix: RegistryKey.tenants) { row in
            guard row.key.description.hasSuffix("/document"),
                let owner = RegistryKey.tenant(of: row.key),
                // What cannot be read is at home nowhere.
                let document = try? TenantDocument(json: row.value),
                document.text("region") == region
            else { return nil }
            return String(owner)
        }.values
    }

    // MARK: Homes

    /// That nobody has come to be at home in a region since now.
    private func homesCondition(_ region: String) async throws(StoreError) -> StoreCondition {
        let key = try RegistryKey.home(region)
        let row = try await self.store.row(key)
        return row.map { .unchanged(key, since: $0.changed) } ?? .absent(key)
    }

    /// What tells those who take a region out that a tenant comes to be at home there; none where
    /// it is there already.
    ///
    /// A row of its own, which is written without a condition: tenants of one region are not in
    /// each other's way, and the region's row stays as its operator knows it.
    static func homeWrites(
        _ tenant: Configuration.Tenant, before: Configuration.Tenant?
    ) throws(StoreError) -> [StoreWrite] {
        guard let home = tenant.homeRegion?.value, home != before?.homeRegion?.value else {
            return []
        }
        return [.put(try RegistryKey.home(home), Array(tenant.name.utf8))]
    }

    /// What must stay true of the home region of a tenant for its document to be written.
    ///
    /// - Parameters:
    ///   - tenant: As it is to be.
    ///   - process: Of this router, whose own region needs no row.
    /// - Returns: The condition; nil where there is none.
    /// - Throws: That there is no such region, with the nearest name.
    func homeCondition(
        of tenant: Configuration.Tenant, _ process: Configuration
    ) async throws(RegistryRefusal) -> StoreCondition? {
        guard let home = tenant.homeRegion else { return nil }
        if let row = try await self.regionRow(home.value) { return .present(row.key) }
        guard home.value != process.region else { return nil }
        let known: [String]
        do throws(StoreError) {
            known =
                try await self.regions(after: nil, limit: Limits.storePageRowsMax)
                .regions.map(\.name) + [process.region]
        } catch {
            throw .store(error)
        }
        throw .wrong([.unknownRegion(home, of: tenant.name, known: Set(known).sorted())])
    }
}

extension RegionAnswer {
    /// Nil for what a newer program wrote.
    fileprivate init?(_ row: StoredRow) {
        guard let region = RegionRow(row.value) else { return nil }
        self.init(
            name: region.name, description: region.description, revision: row.changed)
    }
}

extension Precondition {
    /// Refuses where it does not hold.
    func hold(for row: StoredRow?) throws(RegistryRefusal) {
        let holds =
            switch self {
            case .none: true
            case .absent: row == nil
            case .present: row != nil
            case .revision(let revision): row?.changed == revision
            }
        if !holds, self == .absent, let row { throw .exists(row.changed) }
        guard holds else { throw .changedSince(row?.changed) }
    }
}

extension RegistryKey {
    /// Before all rows of regions.
    static let regions = "region/"
    /// Before all rows of who came to be at home last.
    static let homes = "home/"

    static func home(_ region: String) throws(StoreError) -> RowKey {
        try RowKey(self.homes + region)
    }

    static func region(_ name: String) throws(StoreError) -> RowKey {
        try RowKey(self.regions + name)
    }
}

extension ControlPlane {
    /// Makes or changes a region.
    package func putRegion(
        _ region: RegionRow, if precondition: Precondition, by actor: String,
        _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, _) = try self.registryAndLive()
        let done = try await registry.putRegion(
            region, if: precondition, by: manner == .tried ? nil : actor)
        return await self.written(done.revision, isNew: done.isNew, since: begin, manner)
    }

    /// Takes a region out.
    package func removeRegion(
        _ name: String, if precondition: Precondition, by actor: String,
        _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, live) = try self.registryAndLive()
        guard name != live.configuration.region else {
            throw .inUse("region \"\(name)\" has router \(live.configuration.router)")
        }
        let revision = try await registry.removeRegion(
            name, if: precondition, by: manner == .tried ? nil : actor)
        return await self.written(revision, isNew: false, since: begin, manner)
    }
}
