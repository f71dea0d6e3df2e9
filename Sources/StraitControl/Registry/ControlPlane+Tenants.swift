// What operators do to tenants of the registry, each until it is live.

internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitStore

/// What a change of the registry came to.
package struct RegistryWrite: Codable, Hashable, Sendable {
    /// The revision of the registry that has it.
    package var revision: UInt64
    /// Whether it came with the change.
    package var isNew: Bool
    /// Whether every worker of this router obeys the revision.
    package var isLive: Bool
    /// From the request to that.
    package var milliseconds: Double
    /// What is no error, and yet hardly what the tenant wants; nil: nothing.
    package var remarks: [String]?

    /// See the properties.
    package init(
        revision: UInt64, isNew: Bool, isLive: Bool, milliseconds: Double, remarks: [String]? = nil
    ) {
        self.revision = revision
        self.isNew = isNew
        self.isLive = isLive
        self.milliseconds = milliseconds
        self.remarks = remarks
    }
}

/// What is wrong with a tenant of the registry, on this router.
package struct TenantProblemsAnswer: Codable, Hashable, Sendable {
    /// Its name.
    package var tenant: String
    /// Why its rows cannot be used, where what was good before stays; empty: all of it is live.
    package var problems: [ProblemAnswer]
    /// Why it does not get the ports that it wants; nil where it has them.
    package var ports: String?
    /// What is no error, and yet hardly what the tenant wants.
    package var remarks: [String]
}

/// How far a write goes before it is answered.
package enum WriteManner: Hashable, Sendable {
    /// Nothing is changed; what is wrong is told.
    case tried
    /// It lasts.
    case acknowledged
    /// Every worker obeys.
    case live
}

extension ControlPlane {
    /// Makes or changes a tenant, and waits until every worker obeys.
    ///
    /// - Parameters:
    ///   - name: The tenant's.
    ///   - json: Its document.
    ///   - precondition: What must be true of it.
    ///   - actor: Who asks, for the row of the change.
    ///   - role: What whoever asks may do.
    ///   - manner: How far it goes before it is answered.
    /// - Returns: What it came to.
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func putTenant(
        _ name: String, _ json: [UInt8], if precondition: Precondition, by actor: String,
        as role: Caller.Role = .operator, _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let document: TenantDocument
        do { document = try TenantDocument(json: json) } catch {
            throw .wrong([error.problem(of: name)])
        }
        return try await self.putTenant(
            name, document, if: precondition, by: actor, as: role, manner)
    }

    /// The same with what comes with it from another registry.
    func putTenant(
        _ name: String, _ document: TenantDocument, if precondition: Precondition,
        by actor: String, as role: Caller.Role, _ manner: WriteManner,
        with moved: MovedTenant? = nil
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, live) = try self.registryAndLive()
        var rows: [StoreWrite] = []
        if let moved {
            rows = try await registry.rows(of: moved, named: name, process: live.configuration)
        }
        let isNew = live.tables.routes.tenantNumber(named: name) == nil
        let revision = try await registry.put(
            document, named: name, if: precondition, by: manner == .tried ? nil : actor, as: role,
            process: live.configuration, with: rows
        ) { tenant, reading in
            let isAdministrators = role != .operator
            return await self.problems(
                of: tenant, reading, maskingOthers: isAdministrators,
                judgingClaims: isAdministrators)
        }
        var write = await self.written(revision, isNew: isNew, since: begin, manner)
        // Another tenant's change, committed since this one was tried, can be in its way.
        if self.registryFacts.refused[name] != nil { write.isLive = false }
        if write.isLive, manner == .live {
            let remarks = self.remarks(onTenant: name)
            if !remarks.isEmpty { write.remarks = remarks }
        }
        return write
    }

    /// Takes a tenant out, and waits until every worker obeys; connections that are open stay.
    ///
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func removeTenant(
        _ name: String, if precondition: Precondition, by actor: String,
        _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, live) = try self.registryAndLive()
        let revision = try await registry.remove(
            name, if: precondition, by: manner == .tried ? nil : actor,
            process: live.configuration)
        return await self.written(revision, isNew: false, since: begin, manner)
    }

    /// What keeps a tenant's rows, or its ports, from being live on this router.
    ///
    /// - Parameters:
    ///   - name: The tenant's.
    ///   - role: An administrator is not told of rows, as what is wrong there names others.
    /// - Returns: All of it; nothing in it where all is live.
    /// - Throws: ``RegistryRefusal`` where there is no such tenant, or nobody can say.
    package func problems(
        ofTenant name: String, as role: Caller.Role = .operator
    ) async throws(RegistryRefusal) -> TenantProblemsAnswer {
        try await self.checkThere(name)
        let refusal = self.portFacts.refused[name].map { "\($0.refusal)" }
        // What keeps all tenants' from being leased may name others.
        let why = role == .operator ? self.portFacts.failure : nil
        let wanting = self.portFacts.wanting[name].map { _ in why ?? "they are being leased" }
        let problems = self.registryFacts.refused[name, default: []].map { ProblemAnswer($0) }
        var remarks = self.remarks(onTenant: name)
        if role != .operator, !problems.isEmpty {
            remarks.insert("its rows cannot be used as they are; operators are told why", at: 0)
        }
        return TenantProblemsAnswer(
            tenant: name, problems: role == .operator ? problems : [], ports: refusal ?? wanting,
            remarks: remarks)
    }

    /// - Throws: ``RegistryRefusal`` where the registry has no tenant of that name.
    package func checkThere(_ name: String) async throws(RegistryRefusal) {
        let registry = try self.registryAndLive().0
        let row: StoredRow?
        do throws(StoreError) {
            row = try await registry.store.row(try RegistryKey.document(name))
        } catch {
            throw .store(error)
        }
        guard row != nil else { throw await registry.missing(name) }
    }

    /// How the registry and what is live of it stand; nil without one.
    var registryAnswer: StatusAnswer.Registry? {
        guard self.registry != nil else { return nil }
        return StatusAnswer.Registry(
            revision: self.registryFacts.revision,
            liveSince: self.registryFacts.liveSince.description,
            tenants: self.live?.snapshot.tenants.count ?? 0,
            refused: Array(self.registryFacts.refused.keys.sorted().prefix(100)),
            failure: self.registryFacts.failure)
    }

    func registryAndLive() throws(RegistryRefusal) -> (Registry, CompiledConfiguration) {
        guard let registry = self.registry else { throw .store(.unavailable(Self.noRegistry)) }
        guard let live = self.live else { throw .store(.unavailable("the router starts")) }
        return (registry, live)
    }

    /// Why there is nothing to ask.
    package static let noRegistry = "tenants are in the file: it has no `registry`"

    func written(
        _ revision: UInt64, isNew: Bool, since begin: Instant, _ manner: WriteManner
    ) async -> RegistryWrite {
        let isLive =
            manner == .live
            ? await self.waitUntilLive(revision, timeout: self.liveTimeout)
            : self.registryFacts.revision >= revision
        let spent = monotonicNow().nanoseconds(since: begin)
        return RegistryWrite(
            revision: revision, isNew: isNew, isLive: isLive,
            milliseconds: (Double(spent) / 10_000).rounded() / 100)
    }
}
