// Desired state as rows: what may be asked of it, and how it is changed. Every change is one
// commit: the document, the names that it claims, and a row that tells who did it.

internal import Foundation
package import StraitConfig
internal import StraitCore
internal import StraitPosix
package import StraitRouting
package import StraitStore
internal import StraitTLS

/// Why the registry did not do what it was asked for.
package enum RegistryRefusal: Error, Sendable {
    /// The document, or what it would lead to, is wrong.
    case wrong([ConfigurationProblem])
    /// There is no such tenant.
    case notFound(String)
    /// It is not what whoever asks believes it to be: it was changed last at that revision, or is
    /// not there (nil).
    case changedSince(UInt64?)
    /// It is there already, where it was to be made; the revision that changed it last.
    case exists(UInt64)
    /// It is an operator's to do; a sentence.
    case forbidden(String)
    /// The tenant has another name since lately.
    case renamed(String, to: String)
    /// Something else needs it; a sentence.
    case inUse(String)
    /// There is no such thing of a tenant; a sentence.
    case absent(String)
    /// A certificate is not taken.
    case badCertificate([UploadProblem])
    /// Another tenant has the host name; nil: its name is not told.
    case nameTaken(String, by: String?)
    /// The tenant does not get the ports that it wants.
    case port(PortRefusal)
    /// The store cannot.
    case store(StoreError)
}

/// What must be true of a tenant for a change.
package enum Precondition: Hashable, Sendable {
    case none
    /// `If-None-Match: *`: there must be none.
    case absent
    /// `If-Match: *`: there must be one.
    case present
    /// `If-Match: "N"`: it was changed last at that revision.
    case revision(UInt64)
}

/// The tenants of an installation.
package struct Registry: Sendable {
    /// Where the rows lie.
    package let store: any Store

    /// Seal the private keys of its rows; nil where nobody needs them.
    let keys: RegistryKeys?
    /// The installation's authority.
    let issuer: InstallationIssuer?
    /// The ports of this router's region; nil where tenants get none.
    package let ports: PortBook?

    /// - Parameters:
    ///   - store: Where the rows lie; without keys, nothing is sealed or opened.
    ///   - ports: The ports of this router's region; nil where tenants get none.
    package init(store: any Store, ports: PortBook? = nil) {
        self.init(store: store, keys: nil, ports: ports)
    }

    init(store: any Store, keys: RegistryKeys?, ports: PortBook?) {
        self.store = store
        self.keys = keys
        self.issuer = keys.map { InstallationIssuer(store: store, keys: $0) }
        self.ports = ports
    }

    // MARK: Reading

    /// Everything of one tenant; without a document where there is none of that name.
    package func tenant(_ name: String) async throws(StoreError) -> RegisteredTenant {
        var tenant = RegisteredTenant(name: name, keys: self.keys)
        var last: RowKey?
        while true {
            let page = try await self.store.page(
                prefix: RegistryKey.tenant(name), after: last, limit: Limits.storePageRowsMax)
            for row in page.rows { tenant.take(row) }
            guard page.hasMore, let next = page.rows.last else { return tenant }
            last = next.key
        }
    }

    /// Everything of some tenants, all of one revision; without a document where there is none of
    /// a name.
    func tenants(named names: [String]) async throws(StoreError) -> [RegisteredTenant] {
        var tenants: [String: RegisteredTenant] = [:]
        for name in names { tenants[name] = RegisteredTenant(name: name, keys: self.keys) }
        for row in try await self.store.rows(prefixes: names.map { RegistryKey.tenant($0) }) {
            guard let owner = RegistryKey.tenant(of: row.key) else { continue }
            tenants[String(owner)]?.take(row)
        }
        return names.compactMap { tenants[$0] }
    }

    /// Tenants in the order of their keys, behind `name`, at most `limit`.
    package func tenants(
        after name: String?, limit: Int
    ) async throws(StoreError) -> (tenants: [RegisteredTenant], hasMore: Bool) {
        var tenants: [RegisteredTenant] = []
        // Behind all rows of that tenant.
        var last = try name.map { name throws(StoreError) in
            try RowKey(RegistryKey.tenant(name) + "\u{10FFFE}")
        }
        while true {
            let page = try await self.store.page(
                prefix: RegistryKey.tenants, after: last, limit: Limits.storePageRowsMax)
            for row in page.rows {
                guard let owner = RegistryKey.tenant(of: row.key) else { continue }
                if tenants.last?.name != String(owner) {
                    guard tenants.count < limit else { return (tenants, true) }
                    tenants.append(RegisteredTenant(name: String(owner), keys: self.keys))
                }
                tenants[tenants.count - 1].take(row)
            }
            guard page.hasMore, let next = page.rows.last else { return (tenants, false) }
            last = next.key
        }
    }

    // MARK: Changes

    /// Makes a tenant, or changes it.
    ///
    /// - Parameters:
    ///   - document: What it says from now on.
    ///   - name: Its name, which the document repeats.
    ///   - precondition: What must be true of it.
    ///   - actor: Who asks; nil: it is only tried.
    ///   - role: What whoever asks may do.
    ///   - process: The configuration of this router.
    ///   - moved: Comes with it from another registry.
    ///   - check: Tries the change on what is live, and tells what is wrong.
    /// - Returns: The revision that has it; the one before where nothing was to be done.
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func put(
        _ document: TenantDocument, named name: String, if precondition: Precondition,
        by actor: String?, as role: Caller.Role = .operator, process: Configuration,
        with moved: [StoreWrite] = [],
        check: @Sendable (RegisteredTenant, RegisteredReading) async -> [ConfigurationProblem]
    ) async throws(RegistryRefusal) -> UInt64 {
        let before = try await self.current(name, precondition)
        guard before.document?.value != document.json || !moved.isEmpty else {
            return before.document?.changed ?? 0
        }
        var after: RegisteredTenant
        do { after = try before.with(document).with(moved) } catch { throw .store(error) }
        let reading = after.read(process: process)
        guard let tenant = reading.tenant else { throw .wrong(reading.problems) }
        if let problem = tenant.excessOfNames(file: "tenant/\(name)") { throw .wrong([problem]) }
        let known = before.read(process: process).tenant
        if role != .operator { try Self.hold(tenant, before, known, process) }
        let home = try await self.homeCondition(of: tenant, process)
        var issued = await self.issuing(for: reading, now: wallClockSeconds())
        if let home { issued.conditions.append(home) }
        issued.take(moved, before)
        var tried = reading
        if !issued.writes.isEmpty {
            after = after.with(issued.writes)
            tried = after.read(process: process)
        }
        let problems = issued.explained(await check(after, tried), of: name)
        guard !problems.contains(where: { $0.severity == .error }) else { throw .wrong(problems) }
        let names = tenant.claimedNames
        let older: Set<String>
        do { older = try await self.names(of: before, known) } catch { throw .store(error) }
        let coming = names.subtracting(older)
        do throws(RegistryRefusal) {
            var commit = issued
            commit.conditions += try await self.conditions(
                onNamesOf: tenant, before: known, coming: coming,
                besides: issued.conditions.count, process)
            do { commit.writes += try Self.homeWrites(tenant, before: known) } catch {
                throw .store(error)
            }
            return try await self.commit(
                before, after: after, commit, moved: moved, coming: coming,
                going: older.subtracting(names),
                self.ports?.wish(of: tenant, as: role), if: precondition, by: actor)
        } catch {
            guard role != .operator else { throw error }
            // Whose it is, is not told.
            switch error {
            case .nameTaken(let name, _): throw .nameTaken(name, by: nil)
            case .store(.conflict(let key, _)) where RegistryKey.tenant(of: key) != name[...]:
                throw .store(.refused("another tenant's change was in its way; ask again"))
            default: throw error
            }
        }
    }

    /// Refuses what an administrator may not write.
    private static func hold(
        _ wanted: Configuration.Tenant, _ before: RegisteredTenant,
        _ known: Configuration.Tenant?, _ process: Configuration
    ) throws(RegistryRefusal) {
        guard before.document != nil else {
            throw .forbidden("a tenant is made by an operator")
        }
        guard let known else {
            throw .forbidden("what the registry has of the tenant is wrong, and is to be mended")
        }
        let https = process.admin.https
        let names = https.map { process.admin.certificateNames($0.address).names } ?? []
        let reason = AdministratorRules.refusal(
            from: known, to: wanted, routerNames: names, own: OwnPlaces(process))
        if let reason {
            throw .forbidden(reason)
        }
    }

    /// Takes a tenant out, with all that is its own.
    ///
    /// - Returns: The revision since which it is gone.
    package func remove(
        _ name: String, if precondition: Precondition, by actor: String?, process: Configuration
    ) async throws(RegistryRefusal) -> UInt64 {
        var before = try await self.current(name, precondition)
        guard let document = before.document else { throw .notFound(name) }
        var names: [String]
        let known = before.read(process: process).tenant
        do { names = try await self.names(of: before, known).sorted() } catch {
            throw .store(error)
        }
        // What does not fit into the commit that takes the document out goes before it.
        if before.rows.count + names.count > Self.removedAtOnce {
            guard actor != nil else { return document.changed }
            do throws(StoreError) {
                var rest = before.rows.map { StoreWrite.delete($0.key) }
                for name in names.dropFirst(Self.removedAtOnce) {
                    rest.append(.delete(try RegistryKey.name(name)))
                }
                try await self.store.commitInSteps(
                    rest, if: [.unchanged(document.key, since: document.changed)])
            } catch {
                throw await self.refusal(error, name, precondition)
            }
            names = Array(names.prefix(Self.removedAtOnce))
            before = try await self.current(name, .revision(document.changed))
        }
        return try await self.commit(
            before, after: nil, coming: [], going: Set(names), nil, if: precondition, by: actor)
    }

    /// The installation's authority is another one than this process knows, where `error` says so.
    func forgetAuthority(because error: StoreError) async {
        guard case .conflict(let key, _) = error,
            key.description == RegistryKey.installationAuthorityText
        else { return }
        await self.issuer?.forget()
    }

    /// Rows of a tenant that go with its document; that, two rows of audit, and its ports, too.
    private static let removedAtOnce = Limits.storeWritesMax - 3 - Limits.portsPerTenantMax

    /// The names that a tenant has; where it cannot be read, because its document is wrong, all
    /// rows of names are looked through.
    private func names(
        of tenant: RegisteredTenant, _ read: Configuration.Tenant?
    ) async throws(StoreError) -> Set<String> {
        guard tenant.document != nil else { return [] }
        if let read { return read.claimedNames }
        let found = try await self.store.collect(prefix: RegistryKey.names) { row -> String? in
            guard row.value.elementsEqual(tenant.name.utf8) else { return nil }
            return String(row.key.description.dropFirst(RegistryKey.names.count))
        }
        return Set(found.values)
    }

    func current(
        _ name: String, _ precondition: Precondition
    ) async throws(RegistryRefusal) -> RegisteredTenant {
        let tenant: RegisteredTenant
        do { tenant = try await self.tenant(name) } catch { throw .store(error) }
        // Also where it would be made: who writes to the old name does not know of the new one.
        if tenant.document == nil, case .renamed(let old, let new) = await self.missing(name) {
            throw .renamed(old, to: new)
        }
        try precondition.hold(for: tenant.document)
        return tenant
    }

    private func commit(
        _ before: RegisteredTenant, after: RegisteredTenant?,
        _ issued: IssuedChange = IssuedChange(), moved: [StoreWrite] = [], coming: Set<String>,
        going: Set<String>,
        _ wish: PortWish?, if precondition: Precondition, by actor: String?
    ) async throws(RegistryRefusal) -> UInt64 {
        do {
            let key = try RegistryKey.document(before.name)
            var writes = issued.writes
            var conditions: [StoreCondition] = issued.conditions
            conditions.append(
                before.document.map { .unchanged(key, since: $0.changed) } ?? .absent(key))
            if let document = after?.document {
                writes.append(.put(key, document.value))
            } else {
                writes.append(.delete(key))
                writes += before.rows.map { .delete($0.key) }
            }
            for name in coming {
                let row = try RegistryKey.name(name)
                writes.append(.put(row, Array(before.name.utf8)))
                conditions.append(.absent(row))
            }
            for name in going { writes.append(.delete(try RegistryKey.name(name))) }
            writes += try Self.auditWrites(
                AuditEntry.now(actor ?? "", before, after, moved: moved))
            guard actor != nil else {
                try await self.tryCommit(writes, if: conditions, portsOf: before.name, wish)
                return before.document?.changed ?? 0
            }
            return try await self.commit(writes, if: conditions, portsOf: before.name, wish)
        } catch let error as StoreError {
            throw await self.refusal(error, before.name, precondition)
        } catch let error as PortRefusal {
            throw .port(error)
        } catch {
            throw .store(.refused("\(error)"))
        }
    }

    /// What a conflict was about.
    ///
    /// It is the condition's of whoever asked alone where there was one, and it was about that row;
    /// else who asks again may have what was asked for.
    func refusal(
        _ error: StoreError, _ tenant: String, _ precondition: Precondition
    ) async -> RegistryRefusal {
        guard case .conflict(let key, let changed) = error else { return .store(error) }
        guard key.description != RegistryKey.installationAuthorityText else {
            await self.forgetAuthority(because: error)
            return .store(error)
        }
        guard key.description.hasPrefix(RegistryKey.names) else {
            let isOwn = RegistryKey.tenant(of: key).map { $0 == tenant }
            let isPort = key.description.hasPrefix(RegistryKey.allPorts)
            guard precondition != .none, isOwn ?? !isPort else { return .store(error) }
            if precondition == .absent, let changed { return .exists(changed) }
            return .changedSince(changed)
        }
        // Whose it is only adds to the sentence.
        let owner = try? await self.store.row(key)
        return .nameTaken(
            String(key.description.dropFirst(RegistryKey.names.count)),
            by: owner.map { String(decoding: $0.value, as: UTF8.self) } ?? "another tenant")
    }
}

extension AuditEntry {
    fileprivate static func now(
        _ actor: String, _ before: RegisteredTenant, _ after: RegisteredTenant?,
        moved: [StoreWrite]
    ) -> AuditEntry {
        func text(_ tenant: RegisteredTenant?) -> String? {
            tenant?.document.map { String(decoding: $0.value, as: UTF8.self) }
        }
        let action =
            after == nil ? "delete" : before.document == nil ? "create" : "change"
        guard moved.isEmpty else {
            // Which certificates and authorities came with it; the document alone may be the same.
            let rows = moved.map { write in
                let row = after?.row(write.key)
                let digest = TLSDigest.sha256(row?.value ?? []).prefix(8)
                    .map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                return "\(JSONString.quoted(write.key.description)):\(JSONString.quoted(digest))"
            }
            return AuditEntry(
                actor, "import", "tenant/\(before.name)", before: text(before),
                after: "{\"rows\":{\(rows.joined(separator: ","))},\"document\":"
                    + "\(text(after) ?? "null")}")
        }
        return AuditEntry(
            actor, action, "tenant/\(before.name)", before: text(before), after: text(after))
    }
}

extension Configuration.Tenant {
    /// What is wrong where its upstreams are looked up by too many names.
    fileprivate func excessOfNames(file: String) -> ConfigurationProblem? {
        var seen: Set<HostName> = []
        for upstream in self.services.flatMap(\.upstreams) {
            guard case .name(let name, _) = upstream.target, seen.insert(name).inserted,
                seen.count > Limits.upstreamNamesPerTenantMax
            else { continue }
            return ConfigurationProblem(
                .wrongCount, file: file, place: upstream.place,
                found: "\(name), one of \(Set(self.upstreamNames).count) names of upstreams",
                expected: "at most \(Limits.upstreamNamesPerTenantMax) names to look up",
                remedy: "give several upstreams one name with several addresses, or addresses")
        }
        return nil
    }

    /// Every name that is this tenant's alone; names beneath its domains are its own by that.
    var claimedNames: Set<String> {
        Set(self.ownNames.map { "\($0)" })
            .union(self.services.flatMap { $0.hosts.map { "\($0.value)" } })
    }
}
