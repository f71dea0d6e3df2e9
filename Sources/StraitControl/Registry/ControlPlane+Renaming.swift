// Renaming tenants, and names that they had: those go when their time is over.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitStore

extension ControlPlane {
    /// From one look for aliases whose time is over to the next.
    private static let aliasInterval = Duration.seconds(10)

    /// Gives a tenant another name, and waits until every worker obeys; connections that are open
    /// stay.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - wish: What it is to be called, and for how long the old names lead to it.
    ///   - precondition: What must be true of it.
    ///   - actor: Who asks, for the row of the change.
    ///   - manner: How far it goes before it is answered.
    /// - Returns: What it came to.
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func renameTenant(
        _ name: String, _ wish: RenameWish, if precondition: Precondition, by actor: String,
        _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, live) = try self.registryAndLive()
        let revision = try await registry.rename(
            name,
            RenameChange(
                wish: wish, precondition: precondition, actor: manner == .tried ? nil : actor,
                process: live.configuration, now: UInt64(clamping: wallClockSeconds()),
                check: { await self.problems(of: $0, calledNow: name) }))
        return await self.written(revision, isNew: false, since: begin, manner)
    }

    /// The file is nobody's to change: who is named there is not found under a new name.
    func noteRenaming(_ renaming: TenantRenaming, _ configuration: Configuration) {
        self.logger.notice("tenant \(renaming.old) is called \(renaming.new) from now on")
        let listeners = configuration.listeners.filter { $0.tenant == renaming.old }.map(\.name)
        let defaults = configuration.defaults.filter { $0.value.tenant == renaming.old }
            .map { "defaults.\($0.key)" }.sorted()
        guard !(listeners + defaults).isEmpty else { return }
        self.logger.warning(
            """
            \(configuration.file) names tenant \(renaming.old) in \
            \((listeners + defaults).joined(separator: ", ")): write \(renaming.new) there
            """)
    }

    // MARK: Aliases whose time is over

    /// Takes out aliases and old names whose time is over, until cancelled.
    func keepAliases() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.aliasInterval) } catch { return }
            await self.endAliases()
        }
    }

    /// Takes out what has ended by now.
    package func endAliases() async {
        guard self.stage == .serving, let live = self.live else { return }
        let now = UInt64(clamping: wallClockSeconds())
        let ended = live.endedAliases(at: now)
        guard let registry = self.registry else {
            // Compiled anew it leads nowhere.
            if !ended.isEmpty { _ = await self.reload(trigger: "alias") }
            return
        }
        var failures: [String: String] = [:]
        defer { self.aliasFailures = failures }
        for tenant in ended.keys.sorted() {
            do {
                guard
                    try await registry.endAliases(
                        of: tenant, now: now, process: live.configuration,
                        check: { await self.problems(of: $0, $1) })
                else { continue }
                for alias in ended[tenant] ?? [] {
                    self.logger.notice(
                        """
                        tenant \(tenant): alias \(alias.name) has ended; \
                        \(alias.usage.connections) connections came by it here
                        """)
                }
            } catch {
                failures[tenant] = "\(error)"
                guard self.aliasFailures[tenant] != failures[tenant] else { continue }
                self.logger.warning("tenant \(tenant): its alias could not be taken out: \(error)")
            }
        }
        do throws(StoreError) {
            try await registry.endRenames(now: now)
        } catch {
            self.logger.debug("old names of tenants: \(error.text)")
        }
    }
}

extension CompiledConfiguration {
    /// Aliases whose time is over at `now` (seconds since 1970), by tenant; of a file those alone
    /// that still lead somewhere.
    func endedAliases(at now: UInt64) -> [String: [AliasFacts]] {
        var ended: [String: [AliasFacts]] = [:]
        let isOfFile = self.configuration.registry == nil
        self.tables.facts.visit { _, facts in
            let some = facts.aliases.filter { alias in
                alias.until.map { $0 <= now } ?? false && (alias.isRouted || !isOfFile)
            }
            if !some.isEmpty { ended[facts.name] = some }
        }
        return ended
    }
}

extension Registry {
    /// Takes the aliases of a tenant out whose time is over; false where another router has.
    func endAliases(
        of name: String, now: UInt64, process: Configuration,
        check: @Sendable (RegisteredTenant, RegisteredReading) async -> [ConfigurationProblem]
    ) async throws -> Bool {
        let tenant = try await self.tenant(name)
        guard let row = tenant.document else { return false }
        var document = try TenantDocument(json: row.value)
        let all = document.items("aliases")
        let left = all.filter { alias in
            alias.text("until").flatMap { TimeText.parse($0) }.map { $0 > now } ?? true
        }
        guard left.count < all.count else { return false }
        try document.set("aliases", to: left.isEmpty ? nil : .list(items: left))
        do throws(RegistryRefusal) {
            _ = try await self.put(
                document, named: name, if: .revision(row.changed), by: "strait", process: process,
                check: check)
        } catch {
            guard case .changedSince = error else { throw error }
            return false
        }
        return true
    }

    /// Forgets names that tenants had, when their time is over.
    func endRenames(now: UInt64) async throws(StoreError) {
        var last: RowKey?
        while true {
            let page = try await self.store.page(
                prefix: RegistryKey.renames, after: last, limit: Limits.storePageRowsMax)
            let ended = page.rows.filter { row in
                RenamedRow(row.value).map { $0.until <= now } ?? false
            }
            for row in ended { try await self.endRename(row) }
            guard page.hasMore, let next = page.rows.last else { return }
            last = next.key
        }
    }

    private func endRename(_ row: StoredRow) async throws(StoreError) {
        let entry = AuditEntry(
            "strait", "delete", row.key.description,
            before: String(decoding: row.value, as: UTF8.self), after: nil)
        do throws(StoreError) {
            _ = try await self.store.commit(
                [.delete(row.key)] + Self.auditWrites(entry),
                if: [.unchanged(row.key, since: row.changed)])
        } catch {
            // Another router was first, or the name is somebody's old one again.
            guard case .conflict = error else { throw error }
        }
    }
}
