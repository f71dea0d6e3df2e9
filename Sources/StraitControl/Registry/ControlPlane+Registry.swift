// From the registry's commits to the workers.

internal import Logging
package import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitSnapshot
internal import StraitStore

extension ControlPlane {
    /// Commits that are taken at a time, of half a megabyte at most; who lags goes on with more.
    private static let commitsCount = 200
    /// How long to wait after the registry has failed, and while the router does not serve.
    private static let retryInterval = Duration.milliseconds(500)

    /// Carries every change of the registry across, until cancelled.
    func followRegistry() async {
        guard let registry = self.registry else { return }
        while !Task.isCancelled {
            do throws(StoreError) {
                guard self.stage == .serving else { throw .cancelled }
                try await self.catchUp(registry)
                // Another one counts other revisions.
                guard self.isFollowed(registry) else { throw .compacted(oldest: 0) }
                let commits = try await registry.store.commits(
                    after: self.registryFacts.followed, limit: Self.commitsCount)
                if let failure = await self.inTurn({ await $0.apply(commits, of: registry) }) {
                    throw failure
                }
                if commits.contains(where: \.changesAuthority) {
                    await registry.issuer?.forget()
                    await self.renewOperators()
                }
            } catch {
                if case .compacted = error, await self.loadAnew() { continue }
                if error != .cancelled { self.noteRegistry(failure: error.text) }
                do { try await Task.sleep(for: Self.retryInterval) } catch { return }
            }
        }
    }

    /// Notes that the registry answers, and asks workers again that have not obeyed.
    private func catchUp(_ registry: Registry) async throws(StoreError) {
        if self.registryFacts.failure != nil {
            _ = try await registry.store.revision()
            self.noteRegistry(failure: nil)
        }
        guard self.registryFacts.lags else { return }
        await self.inTurn { control in
            guard let live = control.live, control.stage == .serving else { return }
            let followed = control.registryFacts.followed
            guard await control.carry([], onto: live, since: monotonicNow()) else { return }
            control.registryFacts.isLive(
                followed, now: Timestamp(nanoseconds: wallClockNanoseconds()))
        }
    }

    /// Whether the registry is still the one that is followed: another file may lie at its path.
    private func isFollowed(_ registry: Registry) -> Bool {
        guard let place = registry.store.place else { return true }  // away, which is told soon
        let known = self.registryFacts.place ?? place
        self.registryFacts.place = known
        return known == place
    }

    /// Reads all of the registry, because not all of its changes are known; false where that
    /// cannot be.
    private func loadAnew() async -> Bool {
        await self.inTurn { control in
            guard control.stage == .serving, let live = control.live else { return false }
            await control.registry?.issuer?.forget()
            do throws(ChangeRefused) {
                let verdict = try await control.apply(live.configuration, trigger: "registry")
                control.logger.notice("\(verdict.text)", metadata: ["trigger": "registry"])
                return true
            } catch {
                if case .configuration(let refused) = error { control.report(refused.problems) }
                return false
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
            self.wakePorts()
        }
    }

    /// Makes commits live, all in one snapshot; why not, where the registry cannot be read.
    private func apply(_ commits: [StoreCommit], of registry: Registry) async -> StoreError? {
        guard self.stage == .serving, let live = self.live, let last = commits.last,
            last.revision > self.registryFacts.followed
        else { return nil }
        let begin = monotonicNow()
        var obey = !self.registryFacts.lags
        let names = self.tenants(changedBy: commits)
        let renamed = commits.flatMap(\.changes).compactMap { RegistryKey.renaming($0) }
        if !names.isEmpty {
            do throws(StoreError) {
                let (tenants, unreadable) = try await self.tenants(names, of: registry)
                obey = await self.carry(tenants, unreadable, renamed, onto: live, since: begin)
            } catch {
                return error
            }
        }
        guard self.stage == .serving else { return nil }
        self.registryFacts.followed = last.revision
        self.registryFacts.countAudits(commits)
        if obey {
            self.registryFacts.isLive(
                last.revision, now: Timestamp(nanoseconds: wallClockNanoseconds()),
                milliseconds: Double(monotonicNow().nanoseconds(since: begin) / 1000) / 1000)
        }
        return nil
    }

    /// The rows of tenants; those of one that cannot be read are nobody else's trouble.
    func tenants(
        _ names: [String], of registry: Registry
    ) async throws(StoreError) -> (
        [RegisteredTenant], unreadable: [String: [ConfigurationProblem]]
    ) {
        var tenants: [RegisteredTenant] = []
        var unreadable: [String: [ConfigurationProblem]] = [:]
        for name in names {
            do throws(StoreError) {
                tenants.append(try await registry.tenant(name))
            } catch {
                switch error {
                case .corrupted, .refused: unreadable[name] = [self.problem(of: error)]
                case .conflict, .compacted, .full, .locked, .unavailable, .cancelled: throw error
                }
            }
        }
        return (tenants, unreadable)
    }

    /// Compiles tenants onto what is live and hands the result out; in turn with other changes.
    ///
    /// - Parameters:
    ///   - tenants: As the registry has them; without any, the workers get what they have anew.
    ///   - unreadable: Tenants whose rows cannot be read.
    ///   - renamed: Tenants that have other names now.
    ///   - live: What is live.
    ///   - begin: When the change began.
    /// - Returns: Whether every worker obeys.
    @discardableResult
    func carry(
        _ tenants: [RegisteredTenant], _ unreadable: [String: [ConfigurationProblem]] = [:],
        _ renamed: [TenantRenaming] = [], onto live: CompiledConfiguration, since begin: Instant
    ) async -> Bool {
        var (change, refused) = await self.change(tenants, process: live.configuration)
        // A drain that began meanwhile has closed the listeners; they are not opened again.
        guard self.stage == .serving else { return false }
        refused.merge(unreadable) { $1 }
        change.renamed = renamed
        for renaming in renamed { self.noteRenaming(renaming, live.configuration) }
        let revision = self.newestRevision &+ 1
        var compiled = self.compileGood(
            change, of: live, revision: revision, &self.compiler, &refused)
        self.noteRefused(refused, of: tenants.map(\.name) + unreadable.keys)
        guard compiled.snapshot.revision == revision else { return true }  // all of it was refused
        if !compiled.warnings.isEmpty { self.report(compiled.warnings) }
        compiled.warnings = live.warnings  // of the file; those of tenants are told once
        self.watchNames(of: tenants.map(\.name), from: live.tables, to: compiled.tables)
        for tenant in change.tenants { compiled.tables.useLimits(of: tenant.name) }
        let compiledAt = monotonicNow()
        self.live = compiled
        self.newestRevision = revision
        let (portSockets, ports) = self.beginPorts(compiled.snapshot)
        let obeying = await self.fleet.apply(
            .apply(compiled.snapshot, sockets: self.sockets.sockets + portSockets),
            revision: revision, timeout: Self.applyTimeout)
        for worker in obeying { self.liveRevisions[worker] = revision }
        self.finishPorts(ports)
        self.reloads.took(
            compile: compiledAt.nanoseconds(since: begin), bind: 0,
            broadcast: monotonicNow().nanoseconds(since: compiledAt))
        self.logger.debug("revision \(revision): \(tenants.count) tenants changed")
        return obeying.count == self.fleet.workers
    }

    /// Looks up the names that upstreams have now, where that has changed with these tenants.
    private func watchNames(
        of tenants: [String], from before: TenantTables, to after: TenantTables
    ) {
        var counts = self.registryFacts.names
        for name in tenants {
            for host in before.upstreamNames(of: name) {
                let count = counts[host, default: 1] - 1
                counts[host] = count > 0 ? count : nil
            }
            for host in after.upstreamNames(of: name) { counts[host, default: 0] += 1 }
        }
        let isOther = counts.keys != self.registryFacts.names.keys
        self.registryFacts.names = counts
        guard isOther else { return }
        for name in tenants { self.names.watchToo(after.upstreamNames(of: name), of: name) }
        self.names.watch(Set(counts.keys))
    }

    /// What is to be known of a registry that was read whole, now that it is live.
    func isLoaded(_ load: RegistryLoad, _ tables: TenantTables, obey: Bool) {
        self.noteRefused(load.refused, of: nil)
        self.registryFacts.names = tables.upstreamNameCounts
        self.registryFacts.followed = load.revision
        self.registryFacts.audits = nil
        self.registryFacts.place = load.place
        if obey {
            self.registryFacts.isLive(
                load.revision, now: Timestamp(nanoseconds: wallClockNanoseconds()))
        }
    }

    // MARK: Those who change

    /// What is wrong with a change of one tenant, tried on what is live.
    ///
    /// - Parameters:
    ///   - tenant: As it is to be.
    ///   - known: What its rows come to, where that is known.
    ///   - old: As it is called now, where it gets another name.
    ///   - maskingOthers: Whether no other tenant is named.
    ///   - judgingClaims: Whether new hosts must not be in other tenants' way.
    /// - Returns: All problems, warnings included.
    package func problems(
        of tenant: RegisteredTenant, _ known: RegisteredReading? = nil,
        calledNow old: String? = nil, maskingOthers: Bool = false, judgingClaims: Bool = false
    ) async -> [ConfigurationProblem] {
        guard let process = self.live?.configuration else { return [] }
        let reading = known ?? tenant.read(process: process)
        guard let read = reading.tenant else { return reading.problems }
        // Nobody else waits for the first answers to its names.
        let names = Set(read.upstreamNames)
        self.names.watchToo(names, of: tenant.name)
        await self.names.firstAnswers(of: names)
        guard let live = self.live else { return [] }
        if judgingClaims {
            let problems = live.tables.claimProblems(read, file: "tenant/\(tenant.name)")
            guard problems.isEmpty else { return reading.problems + problems }
        }
        var compiler = self.compiler
        var change = TenantChange(
            tenants: [read], certificates: reading.stored(of: tenant.name),
            load: RegisteredTenant.load(from: [tenant]))
        change.masksOthers = maskingOthers
        change.renamed = (old.map { [TenantRenaming(old: $0, new: tenant.name)] }) ?? []
        do throws(ConfigurationRefused) {
            let compiled = try compiler.compile(
                change, of: live,
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

extension StoreCommit {
    /// Whether the installation's authority is another one since, or sealed anew.
    fileprivate var changesAuthority: Bool {
        self.changes.contains { $0.key.description == RegistryKey.installationAuthorityText }
    }
}
