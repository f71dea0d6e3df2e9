// A tenant's rows and those of its ports, in one commit.

internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitStore

extension Registry {
    /// How often a commit is tried that loses a race over a port: each time another router has got
    /// one since all of them were read.
    private static let portAttempts = 5

    /// Commits with what gives a tenant the ports of `wish`, or takes all where there is none.
    ///
    /// - Parameters:
    ///   - writes: The tenant's own.
    ///   - conditions: Of these.
    ///   - tenant: Its name.
    ///   - wish: What it wants from now on.
    ///   - isAlone: Whether nothing else tells of the change: then a row of its own does.
    /// - Returns: The revision that has it.
    /// - Throws: ``StoreError``, or ``PortRefusal``.
    func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition], portsOf tenant: String,
        _ wish: PortWish?, isAlone: Bool = false
    ) async throws -> UInt64 {
        guard let ports = self.ports else {
            return try await self.store.commit(writes, if: conditions)
        }
        try await ports.readDoubtful(from: self.store)
        var attempts = Self.portAttempts
        while true {
            let now = wallClockNanoseconds() / 1_000_000_000
            let change = try ports.plan(tenant, wish, now: now)
            guard !writes.isEmpty || !change.writes.isEmpty else {
                return try await self.store.revision()  // somebody else has done it meanwhile
            }
            do throws(StoreError) {
                var all = writes + change.writes
                if isAlone { all += try Self.auditWrites(ports.entry(of: change, tenant)) }
                let revision = try await self.store.commit(
                    all, if: conditions + change.conditions)
                ports.settle(change, revision: revision)
                return revision
            } catch {
                await ports.undo(change, self.store)
                attempts -= 1
                guard attempts > 0, case .conflict(let key, _) = error,
                    RegistryKey.port(of: key, ports.region) != nil
                else { throw error }
                // Who loses twice is far behind another router, and would learn of these few each
                // time.
                if attempts < Self.portAttempts - 1 { try await ports.refresh(from: self.store) }
            }
        }
    }

    /// What the commit with the ports of `wish` would come to now; nothing is written, and no port
    /// is kept for the tenant.
    ///
    /// - Throws: ``StoreError``, or ``PortRefusal``.
    func tryCommit(
        _ writes: [StoreWrite], if conditions: [StoreCondition], portsOf tenant: String,
        _ wish: PortWish?
    ) async throws {
        var change = PortChange()
        if let ports = self.ports {
            try await ports.readDoubtful(from: self.store)
            let now = wallClockNanoseconds() / 1_000_000_000
            change = try ports.plan(tenant, wish, now: now, isTried: true)
        }
        try await self.store.tryCommit(
            writes + change.writes, if: conditions + change.conditions)
    }

    /// Gives a tenant the ports that it wants and has not: one that came before there were ranges,
    /// by another region's router, or as a row.
    ///
    /// - Parameter tenant: As it is compiled.
    /// - Returns: Why it does not get them; nil where it does, or is gone.
    /// - Throws: ``StoreError`` where the registry cannot be written.
    func leasePorts(
        of tenant: Configuration.Tenant
    ) async throws(StoreError) -> PortRefusal? {
        guard let ports = self.ports else { return nil }
        let wish = ports.wish(of: tenant)
        let key = try RegistryKey.document(tenant.name)
        guard !ports.fulfils(wish) else { return nil }
        do {
            // Gone meanwhile: it wants none.
            _ = try await self.commit(
                [], if: [.present(key)], portsOf: tenant.name, wish, isAlone: true)
            return nil
        } catch let refusal as PortRefusal {
            return refusal
        } catch StoreError.conflict(key, _) {
            return nil
        } catch let error as StoreError {
            throw error
        } catch {
            throw .unavailable("\(error)")
        }
    }
}

extension Registry {
    /// Gives back the ports of a tenant that is gone: where a router of another region took it out,
    /// or of none.
    func givePortsBack(of tenant: String) async throws(StoreError) {
        let key = try RegistryKey.document(tenant)
        do {
            _ = try await self.commit(
                [], if: [.absent(key)], portsOf: tenant, nil, isAlone: true)
        } catch StoreError.conflict {
            // It is back, or another router has done it.
        } catch let error as StoreError {
            throw error
        } catch {
            throw .unavailable("\(error)")
        }
    }

    /// The rows of a tenant's ports in all regions.
    func portRows(of tenant: String) async throws(StoreError) -> [StoredRow] {
        try await self.store.collect(prefix: RegistryKey.allPorts) { row in
            PortRow(row.value)?.tenant == tenant ? row : nil
        }.values
    }
}

extension PortBook {
    /// What tells of a change of leases that no document asked for.
    fileprivate func entry(of change: PortChange, _ tenant: String) -> AuditEntry {
        let before = self.ports(of: tenant)
        var after = before
        for (port, row) in change.rows {
            guard let kind = row.lease?.kind else { continue }
            if row.until == nil {
                after[kind] = port
            } else if after[kind] == port {
                after[kind] = nil
            }
        }
        func text(_ ports: [PortKind: UInt16]) -> String? {
            let items = ports.sorted { $0.key < $1.key }.map { "\"\($0.key.name)\":\($0.value)" }
            return items.isEmpty ? nil : "{\(items.joined(separator: ","))}"
        }
        return AuditEntry(
            "strait", "lease", "tenant/\(tenant)/ports", before: text(before), after: text(after))
    }
}

extension RegistryRefusal {
    /// Why a tenant does not get its ports; empty where it is about something else.
    package var portText: String {
        if case .port(let refusal) = self { refusal.description } else { "" }
    }

    /// Whether ports are asked for that there never are, whatever others have.
    package var asksForTooMuch: Bool {
        if case .port(let refusal) = self { refusal.isOfTheDocument } else { false }
    }
}
