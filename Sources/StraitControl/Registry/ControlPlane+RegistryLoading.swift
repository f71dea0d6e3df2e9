// All tenants of the registry, compiled onto what the file says: at the start, when the file has
// changed, and where the registry's changes are not all known.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitStore

/// What reading the whole registry came to, beside what was compiled of it.
struct RegistryLoad: Sendable {
    /// The revision that it is of at least.
    var revision: UInt64
    /// Where it lies; nil: it is a copy.
    var place: StorePlace?
    /// Tenants whose rows do not come to anything.
    var refused: [String: [ConfigurationProblem]] = [:]
}

extension ControlPlane {
    /// Tenants that are compiled at a time when all are: with fewer, the routes' tables are copied
    /// more often; with more, what is read of them takes more memory.
    private static let batchCount = 4000
    /// Refused tenants whose last good state is looked up; the others are absent until mended.
    private static let keptMax = 1000

    /// Compiles every tenant of the registry onto a configuration without any.
    ///
    /// - Parameters:
    ///   - registry: Where they are.
    ///   - base: Without any.
    ///   - compiler: Goes on with what it has.
    ///   - copied: The revision that `registry` is a copy of; nil: it is none.
    /// - Returns: The configuration with them, and what is to be known of them once it is live.
    /// - Throws: ``StoreError`` where the registry cannot be read.
    func compileRegistry(
        _ registry: Registry, onto base: CompiledConfiguration, _ compiler: inout SnapshotCompiler,
        copyOf copied: UInt64? = nil
    ) async throws(StoreError) -> (CompiledConfiguration, RegistryLoad) {
        var load = RegistryLoad(revision: try await registry.store.revision())
        if copied == nil { load.place = registry.store.place }
        try await self.loadPorts(registry, copyOf: copied)
        var compiled = base
        // Names wait for their first answers, but all of them together no longer than one would.
        let end = monotonicNow().advanced(byNanoseconds: Limits.nameFirstAnswers.nanoseconds)
        let process = base.configuration
        var batch = try await Self.batch(of: registry, after: nil, process: process)
        while !batch.tenants.isEmpty {
            let last = batch.hasMore ? batch.tenants.last?.name : nil
            // Read while what was read before is compiled.
            async let next = Self.result(of: registry, after: last, process: process)
            var (change, refused) = self.change(batch)
            await self.awaitNames(of: change.tenants, until: end)
            compiled = self.compileGood(
                change, of: compiled, revision: base.snapshot.revision, &compiler, &refused)
            load.refused.merge(refused) { $1 }
            Memory.giveBack()  // of reading: else the largest use would be half as much again
            batch = try await next.get()
        }
        compiled = await self.compileKept(
            load.refused.keys.sorted(), onto: compiled, &compiler, until: end)
        return (compiled, load)
    }

    /// Tenants whose rows are wrong stay as they were, where the copy of the last good state has
    /// them.
    private func compileKept(
        _ names: [String], onto base: CompiledConfiguration, _ compiler: inout SnapshotCompiler,
        until end: Instant
    ) async -> CompiledConfiguration {
        guard let snapshot = self.registrySnapshot, !names.isEmpty else { return base }
        var kept: [RegisteredTenant] = []
        for name in names.prefix(Self.keptMax) {
            // A copy that cannot be read has nothing to keep.
            guard let tenant = try? await snapshot.registry.tenant(name), tenant.document != nil
            else { continue }
            kept.append(tenant)
        }
        var (change, refused) = await self.change(kept, process: base.configuration)
        await self.awaitNames(of: change.tenants, until: end)
        return self.compileGood(
            change, of: base, revision: base.snapshot.revision, &compiler, &refused)
    }

    private func awaitNames(of tenants: [Configuration.Tenant], until end: Instant) async {
        let names = Set(tenants.flatMap(\.upstreamNames))
        guard !names.isEmpty else { return }
        for tenant in tenants {
            self.names.watchToo(Set(tenant.upstreamNames), of: tenant.name)
        }
        await self.names.firstAnswers(of: names, until: end)
    }

    /// Some tenants of a registry, and what their rows come to.
    private struct Batch: Sendable {
        var tenants: [RegisteredTenant] = []
        var readings: [Readable] = []
        var hasMore = false
    }

    private nonisolated static func batch(
        of registry: Registry, after name: String?, process: Configuration
    ) async throws(StoreError) -> Batch {
        var page = try await registry.tenants(after: name, limit: self.batchCount)
        let readings = await self.read(page.tenants, process: process)
        for index in page.tenants.indices { page.tenants[index].forgetRead() }
        return Batch(tenants: page.tenants, readings: readings, hasMore: page.hasMore)
    }

    /// The same behind a tenant; empty behind none.
    private nonisolated static func result(
        of registry: Registry, after name: String?, process: Configuration
    ) async -> Result<Batch, StoreError> {
        guard let name else { return .success(Batch()) }
        do throws(StoreError) {
            return .success(try await self.batch(of: registry, after: name, process: process))
        } catch {
            return .failure(error)
        }
    }

    /// What rows come to: tenants that can be read, and why the others cannot.
    func change(
        _ tenants: [RegisteredTenant], process: Configuration
    ) async -> (TenantChange, refused: [String: [ConfigurationProblem]]) {
        let readings = await Self.read(tenants, process: process)
        return self.change(Batch(tenants: tenants, readings: readings))
    }

    private func change(
        _ batch: Batch
    ) -> (TenantChange, refused: [String: [ConfigurationProblem]]) {
        var change = TenantChange(tenants: [])
        var refused: [String: [ConfigurationProblem]] = [:]
        for (tenant, reading) in zip(batch.tenants, batch.readings) {
            guard tenant.document != nil else {
                change.removed.append(tenant.name)
                continue
            }
            guard let read = reading.tenant else {
                refused[tenant.name] = reading.problems
                continue
            }
            change.tenants.append(read)
            change.certificates.merge(reading.stored) { first, _ in first }
            change.ports[read.name] = self.ports(of: read)
        }
        change.load = RegisteredTenant.load(from: batch.tenants)
        return (change, refused)
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

    /// Compiles a change; where a part of it is wrong, what is left without that, and `refused`
    /// gets the tenants whose part it is.
    ///
    /// - Returns: What it came to; `compiled` itself where all of it is wrong.
    func compileGood(
        _ change: TenantChange, of compiled: CompiledConfiguration, revision: UInt64,
        _ compiler: inout SnapshotCompiler, _ refused: inout [String: [ConfigurationProblem]]
    ) -> CompiledConfiguration {
        var wrong: [String: [ConfigurationProblem]] = [:]
        var result = self.compileHalves(
            change, of: compiled, revision: revision, &compiler, &wrong)
        // What stood in the way of one may have gone with one behind it.
        if change.tenants.count > 1 {
            for tenant in change.tenants where wrong[tenant.name] != nil {
                var alone = change
                alone.removed = []
                alone.tenants = [tenant]
                wrong[tenant.name] = nil
                result = self.compileHalves(
                    alone, of: result, revision: revision, &compiler, &wrong)
            }
        }
        refused.merge(wrong) { $1 }
        return result
    }

    private func compileHalves(
        _ change: TenantChange, of compiled: CompiledConfiguration, revision: UInt64,
        _ compiler: inout SnapshotCompiler, _ wrong: inout [String: [ConfigurationProblem]]
    ) -> CompiledConfiguration {
        do throws(ConfigurationRefused) {
            return try compiler.compile(
                change, of: compiled, revision: revision, epoch: self.epoch,
                now: Timestamp(nanoseconds: wallClockNanoseconds()),
                addresses: self.names.addresses)
        } catch {
            guard change.tenants.count > 1 || !change.removed.isEmpty else {
                for tenant in change.tenants { wrong[tenant.name] = error.problems }
                return compiled
            }
            // Who goes makes room; then half of those who come, so that few must be tried alone.
            var result = compiled
            var part = change
            if !change.removed.isEmpty {
                part.tenants = []
                result = self.compileHalves(
                    part, of: result, revision: revision, &compiler, &wrong)
                part.removed = []
            }
            let middle = change.tenants.count / 2
            part.tenants = Array(change.tenants[..<middle])
            if !part.tenants.isEmpty {
                result = self.compileHalves(
                    part, of: result, revision: revision, &compiler, &wrong)
            }
            part.tenants = Array(change.tenants[middle...])
            return self.compileHalves(part, of: result, revision: revision, &compiler, &wrong)
        }
    }

    /// Remembers and says which tenants are refused, of those that were looked at; nil: of all.
    func noteRefused(_ refused: [String: [ConfigurationProblem]], of looked: [String]?) {
        let before = self.registryFacts.refused
        if let looked {
            for name in looked { self.registryFacts.refused[name] = refused[name] }
        } else {
            self.registryFacts.refused = refused
        }
        for (name, problems) in refused.sorted(by: { $0.key < $1.key })
        where before[name] != problems {
            self.report(problems)
            self.logger.error(
                "tenant \(name): what the registry has cannot be used; its last good state stays")
        }
    }
}
