// From the registry's rows to the workers: all of it at the start, and each change since.

internal import Logging
package import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitSnapshot
internal import StraitStore

extension ControlPlane {
    /// Tenants that are compiled at a time when all are.
    private static let batchCount = 2000
    /// Commits that are taken at a time.
    private static let commitsCount = 1000
    /// Commits that are kept for those who follow.
    private static let commitsKept: UInt64 = 10_000
    /// How long to wait after the registry has failed, and while the router does not serve.
    private static let retryInterval = Duration.milliseconds(500)

    // MARK: All of it

    /// Compiles every tenant of the registry onto a configuration without any.
    ///
    /// - Returns: The configuration with them, and the revision that it is of at least.
    func compileRegistry(
        _ registry: Registry, onto base: CompiledConfiguration, _ compiler: inout SnapshotCompiler
    ) async throws(StoreError) -> (CompiledConfiguration, UInt64) {
        let revision = try await registry.store.revision()
        try await self.loadPorts(registry)
        var compiled = base
        self.registryFacts.refused = [:]
        self.registryFacts.upstreamNames = []
        var last: String?
        var hasMore = true
        while hasMore {
            let batch = try await registry.tenants(after: last, limit: Self.batchCount)
            last = batch.tenants.last?.name
            hasMore = batch.hasMore
            let change = await self.change(batch.tenants, process: base.configuration)
            compiled = self.compileGood(
                change, of: compiled, revision: base.snapshot.revision, &compiler)
            Memory.giveBack()  // of reading: else the largest use would be half as much again
        }
        return (compiled, revision)
    }

    /// What rows come to: tenants that can be read; the others are noted as refused.
    private func change(
        _ tenants: [RegisteredTenant], process: Configuration
    ) async -> TenantChange {
        let readings = await Self.read(tenants, process: process)
        var change = TenantChange(tenants: [])
        for (tenant, reading) in zip(tenants, readings) {
            self.registryFacts.refused[tenant.name] = nil
            guard tenant.document != nil else {
                change.removed.append(tenant.name)
                continue
            }
            guard let read = reading.tenant else {
                self.refuse(tenant.name, reading.problems)
                continue
            }
            change.tenants.append(read)
            change.certificates.merge(reading.stored) { first, _ in first }
            change.ports[read.name] = self.ports(of: read)
        }
        change.load = RegisteredTenant.load(from: tenants)
        let names = Set(change.tenants.flatMap(\.upstreamNames))
        if !names.isEmpty {
            self.registryFacts.upstreamNames.formUnion(names)
            self.names.watch(self.registryFacts.upstreamNames)
            await self.names.firstAnswers(of: names)
        }
        return change
    }

    /// What a tenant's rows come to, for the compiler.
    private struct Readable: Sendable {
        var tenant: Configuration.Tenant?
        var problems: [ConfigurationProblem]
        var stored: [String: StoredCertificate]

        init(_ tenant: RegisteredTenant, process: Configuration) {
            let reading = tenant.read(process: process)
            self.tenant = reading.tenant
            self.problems = reading.problems
            self.stored = reading.stored(of: tenant.name)
        }
    }

    /// Reads documents on all cores.
    private nonisolated static func read(
        _ tenants: [RegisteredTenant], process: Configuration
    ) async -> [Readable] {
        guard tenants.count > 100 else { return tenants.map { Readable($0, process: process) } }
        let cores = StraitPosix.Thread.availableCores().count
        let size = (tenants.count + cores - 1) / cores
        return await withTaskGroup(of: (Int, [Readable]).self) { group in
            for start in stride(from: 0, to: tenants.count, by: size) {
                let part = tenants[start..<min(start + size, tenants.count)]
                group.addTask { (start, part.map { Readable($0, process: process) }) }
            }
            var parts: [(Int, [Readable])] = []
            for await part in group { parts.append(part) }
            return parts.sorted { $0.0 < $1.0 }.flatMap(\.1)
        }
    }

    /// Compiles a change; where a part of it is wrong, what is left without that.
    private func compileGood(
        _ change: TenantChange, of compiled: CompiledConfiguration, revision: UInt64,
        _ compiler: inout SnapshotCompiler
    ) -> CompiledConfiguration {
        do throws(ConfigurationRefused) {
            return try compiler.compile(
                change, of: compiled, revision: revision, epoch: self.epoch,
                now: Timestamp(nanoseconds: wallClockNanoseconds()),
                addresses: self.names.addresses)
        } catch {
            guard change.tenants.count > 1 || !change.removed.isEmpty else {
                for tenant in change.tenants { self.refuse(tenant.name, error.problems) }
                return compiled
            }
            // Who goes makes room; then half of those who come, so that few must be tried alone.
            var result = compiled
            var part = change
            if !change.removed.isEmpty {
                part.tenants = []
                result = self.compileGood(part, of: result, revision: revision, &compiler)
                part.removed = []
            }
            let middle = change.tenants.count / 2
            part.tenants = Array(change.tenants[..<middle])
            if !part.tenants.isEmpty {
                result = self.compileGood(part, of: result, revision: revision, &compiler)
            }
            part.tenants = Array(change.tenants[middle...])
            return self.compileGood(part, of: result, revision: revision, &compiler)
        }
    }

    private func refuse(_ tenant: String, _ problems: [ConfigurationProblem]) {
        self.registryFacts.refused[tenant] = problems
        self.report(problems)
        self.logger.error(
            "tenant \(tenant): what the registry has cannot be used; its last good state stays")
    }

    // MARK: Changes

    /// Carries every change of the registry across, until cancelled.
    func followRegistry() async {
        guard let registry = self.registry else { return }
        while !Task.isCancelled {
            do throws(StoreError) {
                guard self.stage == .serving else { throw .cancelled }
                try await self.leaseWantedPorts(registry)
                let commits = try await registry.store.commits(
                    after: self.registryFacts.revision, limit: Self.commitsCount)
                await self.inTurn { await $0.apply(commits, of: registry) }
                self.noteRegistry(failure: nil)
                try await self.compactRegistry(registry)
            } catch {
                if case .compacted = error {
                    _ = await self.reload(trigger: "registry")
                    continue
                }
                if error != .cancelled { self.noteRegistry(failure: error.text) }
                do { try await Task.sleep(for: Self.retryInterval) } catch { return }
            }
        }
    }

    func noteRegistry(failure: String?) {
        guard self.registryFacts.failure != failure else { return }
        self.registryFacts.failure = failure
        if let failure {
            self.logger.error("registry: \(failure); routing goes on with what is live")
        } else {
            self.logger.notice("registry: it is followed again")
        }
    }

    private func compactRegistry(_ registry: Registry) async throws(StoreError) {
        let revision = self.registryFacts.revision
        guard revision >= self.compactAfter else { return }
        self.compactAfter = revision + Self.commitsKept / 10
        guard revision > Self.commitsKept else { return }
        try await registry.store.compact(through: revision - Self.commitsKept)
    }

    /// Makes commits live, all in one snapshot.
    private func apply(_ commits: [StoreCommit], of registry: Registry) async {
        guard self.stage == .serving, let live = self.live, let last = commits.last,
            last.revision > self.registryFacts.revision
        else { return }
        let names = self.tenants(changedBy: commits)
        let begin = monotonicNow()
        do throws(StoreError) {
            var tenants: [RegisteredTenant] = []
            for name in names { tenants.append(try await registry.tenant(name)) }
            if !tenants.isEmpty { await self.carry(tenants, onto: live, since: begin) }
        } catch {
            self.noteRegistry(failure: error.text)
            return
        }
        let now = Timestamp(nanoseconds: wallClockNanoseconds())
        self.registryFacts.isLive(last.revision, now: now)
    }

    private func carry(
        _ tenants: [RegisteredTenant], onto live: CompiledConfiguration, since begin: Instant
    ) async {
        let change = await self.change(tenants, process: live.configuration)
        let revision = self.newestRevision &+ 1
        let compiled = self.compileGood(
            change, of: live, revision: revision, &self.compiler)
        guard compiled.snapshot.revision == revision else { return }  // all of it was refused
        if !compiled.warnings.isEmpty { self.report(compiled.warnings) }
        let compiledAt = monotonicNow()
        self.live = compiled
        self.newestRevision = revision
        let (portSockets, ports) = self.beginPorts(compiled.snapshot)
        let obeying = await self.fleet.apply(
            .apply(compiled.snapshot, sockets: self.sockets.sockets + portSockets),
            revision: revision, timeout: Self.applyTimeout)
        for worker in obeying { self.liveRevisions[worker] = revision }
        self.finishPorts(ports)
        self.reloads.applied(
            compile: compiledAt.nanoseconds(since: begin), bind: 0,
            broadcast: monotonicNow().nanoseconds(since: compiledAt),
            now: Timestamp(nanoseconds: wallClockNanoseconds()))
        self.logger.debug("revision \(revision): \(tenants.count) tenants changed")
    }

    // MARK: Those who change

    /// What is wrong with a change of one tenant, tried on what is live.
    package func problems(of tenant: RegisteredTenant) async -> [ConfigurationProblem] {
        guard let live = self.live else { return [] }
        let reading = tenant.read(process: live.configuration)
        guard let read = reading.tenant else { return reading.problems }
        var compiler = self.compiler
        do throws(ConfigurationRefused) {
            let compiled = try compiler.compile(
                TenantChange(
                    tenants: [read], certificates: reading.stored(of: tenant.name),
                    load: RegisteredTenant.load(from: [tenant])), of: live,
                revision: live.snapshot.revision, epoch: self.epoch,
                now: Timestamp(nanoseconds: wallClockNanoseconds()),
                addresses: self.names.addresses)
            return reading.problems + compiled.warnings
        } catch {
            return error.problems
        }
    }

    /// Waits until every worker obeys a revision of the registry; false where that takes longer
    /// than `timeout`.
    package func waitUntilLive(_ revision: UInt64, timeout: Duration) async -> Bool {
        guard self.registryFacts.revision < revision else { return true }
        var expiry: Task<Void, Never>?
        defer { expiry?.cancel() }
        return await withCheckedContinuation { continuation in
            let waiter = self.registryFacts.wait(for: revision, continuation)
            expiry = Task {
                do { try await Task.sleep(for: timeout) } catch { return }
                self.registryFacts.giveUp(waiter)
            }
        }
    }
}

extension StoreError {
    /// For people.
    package var text: String {
        switch self {
        case .conflict(let key, _): "\(key) was changed meanwhile"
        case .refused(let why): why
        case .compacted(let oldest): "changes before revision \(oldest) are not kept any more"
        case .full(let why): "it is full: \(why)"
        case .locked(let why): "another process holds it: \(why)"
        case .corrupted(let why): "it is damaged: \(why)"
        case .unavailable(let why): "it cannot be reached: \(why)"
        case .cancelled: "nobody waits for it any more"
        }
    }
}
