// A tenant gets another name: all that is its own moves in one commit. What the old name was is
// told for a while, and the old domain leads to the tenant for as long.

internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitStore

/// What a rename asks for.
package struct RenameWish: Codable, Hashable, Sendable {
    /// The name from now on; the same one where only the domain changes.
    package var name: String
    /// The first of its domains from now on; nil: it stays.
    package var domain: String?
    /// For how long the old names lead to it, as `720h`; nil: 30 days.
    package var grace: String?

    /// See the properties.
    package init(name: String, domain: String? = nil, grace: String? = nil) {
        self.name = name
        self.domain = domain
        self.grace = grace
    }

    private static let graceUsual = Duration.seconds(30 * 86_400)
    /// Beyond: refused.
    private static let graceMax = Duration.seconds(366 * 86_400)

    /// How long that is, in seconds.
    func graceSeconds() throws(RegistryRefusal) -> UInt64 {
        let longest = Self.graceMax
        guard let duration = self.grace.map({ DurationText.parse($0) }) ?? Self.graceUsual,
            duration >= .zero, duration <= longest
        else {
            throw .store(
                .refused(
                    "grace is a duration of at most \(DurationText.text(longest)), like 720h"))
        }
        return UInt64(duration.components.seconds)
    }
}

/// What a tenant was called: where it is now.
struct RenamedRow: RegistryRow, Codable, Hashable, Sendable {
    /// The name that it got.
    var to: String
    /// Seconds since 1970: from then on nobody is told, and the name is free.
    var until: UInt64
}

/// One rename.
struct RenameChange {
    let wish: RenameWish
    /// What must be true of the tenant.
    let precondition: Precondition
    /// Who asks; nil: it is only tried.
    let actor: String?
    /// Of this router.
    let process: Configuration
    /// Seconds since 1970.
    let now: UInt64
    /// Tries the change on what is live, and tells what is wrong.
    let check: @Sendable (RegisteredTenant) async -> [ConfigurationProblem]
}

extension Registry {
    /// Names that a name led to one after the other; beyond, nobody is told.
    private static let renamesFollowedMax = 8

    /// Where the tenant is that was called so; nil where nobody is to be told.
    func renamed(_ name: String, now: UInt64) async throws(StoreError) -> String? {
        var found: String?
        var next = name
        for _ in 0..<Self.renamesFollowedMax {
            guard let row = try await self.store.row(try RegistryKey.renamed(next)),
                let renamed = RenamedRow(row.value), renamed.until > now
            else { break }
            found = renamed.to
            next = renamed.to
        }
        guard let found, try await self.store.row(try RegistryKey.document(found)) != nil else {
            return nil
        }
        return found
    }

    /// Why there is no tenant of that name: perhaps it was renamed.
    package func missing(_ name: String) async -> RegistryRefusal {
        do throws(StoreError) {
            let now = UInt64(clamping: wallClockSeconds())
            guard let new = try await self.renamed(name, now: now) else { return .notFound(name) }
            return .renamed(name, to: new)
        } catch {
            return .store(error)
        }
    }

    /// Gives a tenant another name, another first domain, or both.
    ///
    /// - Returns: The revision that has it.
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    func rename(
        _ old: String, _ change: RenameChange
    ) async throws(RegistryRefusal) -> UInt64 {
        let wish = change.wish
        let until = change.now + (try wish.graceSeconds())
        let before = try await self.current(old, change.precondition)
        guard let document = before.document else { throw .notFound(old) }
        try await self.checkFree(wish.name, for: old, change.now)
        let after: RegisteredTenant
        let issued: IssuedChange
        do {
            let moved = try before.moved(
                to: wish.name, try wish.applied(to: document.value, until: until))
            let reading = moved.read(process: change.process)
            guard reading.tenant != nil else { throw RegistryRefusal.wrong(reading.problems) }
            issued = await self.issuing(for: reading, now: wallClockSeconds())
            after = moved.with(issued.writes)
        } catch let refusal as RegistryRefusal {
            throw refusal
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.refused("tenant \"\(old)\" cannot be moved: \(error)"))
        }
        let problems = issued.explained(await change.check(after), of: wish.name)
        guard !problems.contains(where: { $0.severity == .error }) else { throw .wrong(problems) }
        let revision: UInt64
        do {
            var commit = try await self.moving(before, after, change.process)
            if wish.name != old {
                let row = RenamedRow(to: wish.name, until: until)
                commit.writes.append(
                    .put(try RegistryKey.renamed(old), try AnswerJSON.encode(row)))
                commit.writes.append(.delete(try RegistryKey.renamed(wish.name)))
            }
            let entry = AuditEntry(
                change.actor ?? "", "rename", "tenant/\(old)",
                before: String(decoding: document.value, as: UTF8.self),
                after: after.document.map { String(decoding: $0.value, as: UTF8.self) })
            commit.writes += try Self.auditWrites(entry)
            guard commit.isSmallEnough else { throw StoreError.refused(commit.excess) }
            guard change.actor != nil else {
                try await self.store.tryCommit(commit.writes, if: commit.conditions)
                return document.changed
            }
            revision = try await self.store.commit(commit.writes, if: commit.conditions)
            self.ports?.moved(commit.ports, revision: revision)
        } catch let error as StoreError {
            throw await self.refusal(error, old, change.precondition)
        } catch {
            throw .store(.refused("\(error)"))
        }
        if wish.name != old { await self.withdraw(before.rows.filter { $0.isOfAdministrator }) }
        return revision
    }

    /// Takes out the rows of administrators of a tenant that has another name now: their
    /// certificates say the old one.
    private func withdraw(_ rows: [StoredRow]) async {
        // What stays is good for nothing: it is older than any other tenant of that name.
        try? await self.store.commitInSteps(rows.map { .delete($0.key) })
    }

    /// Whether a tenant may get the name.
    private func checkFree(
        _ name: String, for old: String, _ now: UInt64
    ) async throws(RegistryRefusal) {
        guard RegisteredFile.isName(name) else {
            throw .store(.refused("a tenant's name has 1 to 63 of a-z, 0-9, - and _"))
        }
        guard name != old else { return }
        do throws(StoreError) {
            guard try await self.store.row(try RegistryKey.document(name)) == nil else {
                throw .refused("there is a tenant \"\(name)\" already; choose another name")
            }
            if let owner = try await self.renamed(name, now: now), owner != old {
                throw .refused(
                    "tenant \"\(owner)\" was called \"\(name)\" until lately; choose another name")
            }
        } catch {
            throw .store(error)
        }
    }

    /// Every row that the move writes, each under the condition that nobody changed it meanwhile.
    private func moving(
        _ before: RegisteredTenant, _ after: RegisteredTenant, _ process: Configuration
    ) async throws -> MoveCommit {
        guard let old = before.document, let new = after.document else { return MoveCommit() }
        var commit = MoveCommit()
        commit.conditions.append(.unchanged(old.key, since: old.changed))
        if new.key != old.key { commit.conditions.append(.absent(new.key)) }
        let known = Dictionary(
            before.rows.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        let coming = after.rows.filter { known[$0.key] != $0.value }
        for row in [new] + coming { commit.writes.append(.put(row.key, row.value)) }
        let kept = Set(([new] + after.rows).map(\.key))
        let going = before.rows.filter { !kept.contains($0.key) && !$0.isOfAdministrator }
        for row in going + before.rows.filter({ row in coming.contains { $0.key == row.key } }) {
            commit.conditions.append(.unchanged(row.key, since: row.changed))
        }
        for row in (old.key == new.key ? [] : [old]) + going {
            commit.writes.append(.delete(row.key))
        }
        let had = before.read(process: process).tenant?.claimedNames ?? []
        let has = after.read(process: process).tenant?.claimedNames ?? []
        for name in has.union(had).sorted() {
            let key = try RegistryKey.name(name)
            if !has.contains(name) { commit.writes.append(.delete(key)) }
            if !had.contains(name) { commit.conditions.append(.absent(key)) }
            if has.contains(name), !had.contains(name) || after.name != before.name {
                commit.writes.append(.put(key, Array(after.name.utf8)))
            }
        }
        if after.name != before.name { try await self.movePorts(before.name, after.name, &commit) }
        return commit
    }

    /// The ports of all regions, with what is in quarantine: nobody else gets that sooner.
    private func movePorts(
        _ old: String, _ new: String, _ commit: inout MoveCommit
    ) async throws {
        for stored in try await self.portRows(of: old) {
            guard var row = PortRow(stored.value) else { continue }
            row.tenant = new
            commit.writes.append(.put(stored.key, try AnswerJSON.encode(row)))
            commit.conditions.append(.unchanged(stored.key, since: stored.changed))
            commit.ports.append((stored.key, row))
        }
    }
}

/// What one commit of a rename writes.
private struct MoveCommit {
    var writes: [StoreWrite] = []
    var conditions: [StoreCondition] = []
    /// The rows of ports among the writes.
    var ports: [(key: RowKey, row: PortRow)] = []

    var isSmallEnough: Bool {
        max(self.writes.count, self.conditions.count) <= Limits.storeWritesMax
    }

    var excess: String {
        "\(max(self.writes.count, self.conditions.count)) rows would move in one commit, which has "
            + "at most \(Limits.storeWritesMax): take hosts, certificates or ports out, and put "
            + "them in again behind the rename"
    }
}

extension RenameWish {
    /// The document with the new name and domain, and the old domain as an alias.
    fileprivate func applied(to json: [UInt8], until: UInt64) throws -> TenantDocument {
        var document = try TenantDocument(json: json)
        try document.set("name", to: .text(self.name))
        let domains = document.texts("domains")
        guard let domain, domain != domains.first else { return document }
        let others = domains.dropFirst().filter { $0 != domain }
        try document.set("domains", to: .list([domain] + others))
        var aliases = document.items("aliases").filter { alias in
            alias.text("name") != domain && alias.text("name") != domains.first
        }
        if let old = domains.first {
            let time = Timestamp(seconds: Int64(clamping: until)).description
            aliases.append(
                try TenantDocument(keys: [
                    ("name", JSONString.quoted(old)), ("until", JSONString.quoted(time)),
                ]))
        }
        try document.set("aliases", to: aliases.isEmpty ? nil : .list(items: aliases))
        return document
    }
}

extension RegisteredTenant {
    /// All of it under another name, its private keys sealed for the rows that they move to.
    fileprivate func moved(
        to name: String, _ document: TenantDocument
    ) throws -> RegisteredTenant {
        var moved = RegisteredTenant(name: name, keys: self.keys)
        let prefix = RegistryKey.tenant(self.name)
        for row in self.rows where name == self.name || !row.isOfAdministrator {
            let rest = String(Substring(row.key.description.utf8.dropFirst(prefix.utf8.count)))
            var new = row
            new.key = try RowKey(RegistryKey.tenant(name) + rest)
            if RegistryKey.certificate(of: row.key, tenant: self.name) != nil, new.key != row.key {
                new.value = try self.resealed(row, for: new.key)
            }
            moved.take(new)
        }
        return try moved.with(document)
    }

    private func resealed(_ row: StoredRow, for key: RowKey) throws -> [UInt8] {
        guard let keys = self.keys else {
            throw StoreError.unavailable("there is no key for keys")
        }
        var document = try CertificateDocument(json: row.value)
        document.sealedKey = try keys.resealed(
            document.sealedKey, from: row.key.description, for: key.description)
        return document.json
    }
}

extension StoredRow {
    /// Whether it makes somebody an administrator of a tenant.
    fileprivate var isOfAdministrator: Bool {
        guard let tenant = RegistryKey.tenant(of: self.key) else { return false }
        return self.key.description.hasPrefix(RegistryKey.identities(of: String(tenant)))
    }
}

extension RegistryKey {
    /// Before all rows of names that tenants had.
    static let renames = "renamed/"

    static func renamed(_ name: String) throws(StoreError) -> RowKey {
        try RowKey(self.renames + name)
    }

    /// Who was renamed by a change, and to what; nil where it is about something else.
    static func renaming(_ change: StoreChange) -> TenantRenaming? {
        guard change.key.description.hasPrefix(self.renames),
            let row = change.value.flatMap({ RenamedRow($0) })
        else { return nil }
        return TenantRenaming(
            old: String(change.key.description.dropFirst(self.renames.count)), new: row.to)
    }
}
