// Desired state as rows: what may be asked of it, and how it is changed. Every change is one
// commit: the document, the names that it claims, and a row that tells who did it.

internal import Foundation
package import StraitConfig
internal import StraitCore
internal import StraitPosix
package import StraitRouting
package import StraitStore
internal import Synchronization

/// Why the registry did not do what it was asked for.
package enum RegistryRefusal: Error, Sendable {
    /// The document, or what it would lead to, is wrong.
    case wrong([ConfigurationProblem])
    /// There is no such tenant.
    case notFound(String)
    /// It is not what whoever asks believes it to be: it was changed last at that revision, or is
    /// not there (nil).
    case changedSince(UInt64?)
    /// There is no such thing of a tenant; a sentence.
    case absent(String)
    /// A certificate is not taken.
    case badCertificate([UploadProblem])
    /// Another tenant has the host name.
    case nameTaken(String, by: String)
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

    /// Changes, the newest last, behind the one with that id.
    package func audit(
        after id: String?, limit: Int
    ) async throws(StoreError) -> (entries: [AuditEntry], hasMore: Bool) {
        let page = try await self.store.page(
            prefix: RegistryKey.audits,
            after: try id.map { id throws(StoreError) in try RegistryKey.audit(id) }, limit: limit)
        let entries = page.rows.compactMap { row in
            // What cannot be read was written by a newer program; it is left out.
            try? JSONDecoder().decode(AuditEntry.self, from: Data(row.value))
        }
        return (entries, page.hasMore)
    }

    // MARK: Changes

    /// Makes a tenant, or changes it.
    ///
    /// - Parameters:
    ///   - document: What it says from now on.
    ///   - name: Its name, which the document repeats.
    ///   - precondition: What must be true of it.
    ///   - actor: Who asks; nil: it is only tried.
    ///   - process: The configuration of this router.
    ///   - check: Tries the change on what is live, and tells what is wrong.
    /// - Returns: The revision that has it; the one before where nothing was to be done.
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func put(
        _ document: TenantDocument, named name: String, if precondition: Precondition,
        by actor: String?, process: Configuration,
        check: @Sendable (RegisteredTenant) async -> [ConfigurationProblem]
    ) async throws(RegistryRefusal) -> UInt64 {
        let before = try await self.current(name, precondition)
        guard before.document?.value != document.json else {
            return before.document?.changed ?? 0
        }
        var after: RegisteredTenant
        do { after = try before.with(document) } catch { throw .store(error) }
        let reading = after.read(process: process)
        guard let tenant = reading.tenant else { throw .wrong(reading.problems) }
        let issued = await self.issuing(for: reading, now: wallClockSeconds())
        after = after.with(issued.writes)
        let problems = issued.explained(await check(after), of: name)
        guard !problems.contains(where: { $0.severity == .error }) else { throw .wrong(problems) }
        let names = tenant.claimedNames
        let older: Set<String>
        do { older = try await self.names(of: before, process) } catch { throw .store(error) }
        return try await self.commit(
            before, after: after, issued, coming: names.subtracting(older),
            going: older.subtracting(names), self.ports?.wish(of: tenant), by: actor)
    }

    /// Takes a tenant out, with all that is its own.
    ///
    /// - Returns: The revision since which it is gone.
    package func remove(
        _ name: String, if precondition: Precondition, by actor: String?, process: Configuration
    ) async throws(RegistryRefusal) -> UInt64 {
        let before = try await self.current(name, precondition)
        guard before.document != nil else { throw .notFound(name) }
        let names: Set<String>
        do { names = try await self.names(of: before, process) } catch { throw .store(error) }
        return try await self.commit(
            before, after: nil, coming: [], going: names, nil, by: actor)
    }

    /// The names that a tenant has; where its document does not tell, because it is wrong, all rows
    /// of names are looked through.
    private func names(
        of tenant: RegisteredTenant, _ process: Configuration
    ) async throws(StoreError) -> Set<String> {
        guard tenant.document != nil else { return [] }
        if let read = tenant.read(process: process).tenant { return read.claimedNames }
        let found = Mutex<Set<String>>([])
        _ = try await self.store.load(prefix: RegistryKey.names) { row in
            guard row.value.elementsEqual(tenant.name.utf8) else { return }
            let name = String(row.key.description.dropFirst(RegistryKey.names.count))
            found.withLock { _ = $0.insert(name) }
        }
        return found.withLock { $0 }
    }

    func current(
        _ name: String, _ precondition: Precondition
    ) async throws(RegistryRefusal) -> RegisteredTenant {
        let tenant: RegisteredTenant
        do { tenant = try await self.tenant(name) } catch { throw .store(error) }
        let changed = tenant.document?.changed
        let holds =
            switch precondition {
            case .none: true
            case .absent: changed == nil
            case .present: changed != nil
            case .revision(let revision): changed == revision
            }
        guard holds else { throw .changedSince(changed) }
        return tenant
    }

    private func commit(
        _ before: RegisteredTenant, after: RegisteredTenant?,
        _ issued: IssuedChange = IssuedChange(), coming: Set<String>, going: Set<String>,
        _ wish: PortWish?, by actor: String?
    ) async throws(RegistryRefusal) -> UInt64 {
        guard let actor else { return before.document?.changed ?? 0 }
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
            let entry = AuditEntry.now(actor, before, after)
            writes.append(
                .put(
                    try RegistryKey.audit(entry.id), Array(try AnswerJSON.encode(entry))))
            return try await self.commit(writes, if: conditions, portsOf: before.name, wish)
        } catch let error as StoreError {
            throw await self.refusal(error, before.name)
        } catch let error as PortRefusal {
            throw .port(error)
        } catch {
            throw .store(.refused("\(error)"))
        }
    }

    /// What a conflict was about.
    func refusal(_ error: StoreError, _ tenant: String) async -> RegistryRefusal {
        guard case .conflict(let key, let changed) = error else { return .store(error) }
        guard key.description.hasPrefix(RegistryKey.names) else { return .changedSince(changed) }
        // Whose it is only adds to the sentence.
        let owner = try? await self.store.row(key)
        return .nameTaken(
            String(key.description.dropFirst(RegistryKey.names.count)),
            by: owner.map { String(decoding: $0.value, as: UTF8.self) } ?? "another tenant")
    }
}

extension AuditEntry {
    fileprivate static func now(
        _ actor: String, _ before: RegisteredTenant, _ after: RegisteredTenant?
    ) -> AuditEntry {
        let now = Timestamp(nanoseconds: wallClockNanoseconds())
        let random = String(UInt32.random(in: .min ... .max), radix: 36)
        func text(_ tenant: RegisteredTenant?) -> String? {
            tenant?.document.map { String(decoding: $0.value, as: UTF8.self) }
        }
        let action =
            after == nil ? "delete" : before.document == nil ? "create" : "change"
        return AuditEntry(
            id: "\(now.nanoseconds)-\(random)", time: now.description, actor: actor,
            action: action, resource: "tenant/\(before.name)", before: text(before),
            after: text(after))
    }
}

extension Configuration.Tenant {
    /// Every name that is this tenant's alone; names beneath its domains are its own by that.
    var claimedNames: Set<String> {
        Set(self.domains.map { "\($0.value)" })
            .union(self.services.flatMap { $0.hosts.map { "\($0.value)" } })
    }
}
