// Leases of ports: followed, made for who lacks them, and told.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitStore

/// What is known of leases beside the book.
struct PortFacts: Sendable {
    /// Tenants that lack ports, or have too many.
    var wanting: [String: Configuration.Tenant] = [:]
    /// Tenants that do not get what they want, and why: said once, and tried again.
    var refused: [String: (tenant: Configuration.Tenant, refusal: PortRefusal)] = [:]
    /// The last of those that was tried again.
    var lastRetried = ""
    /// Whether it was said why nothing is steered.
    var saidWhyPlain = false
    /// Whether leases are known from the copy of the last good state alone.
    var areOfCopy = false
    /// Tenants whose ports are others than those that they were compiled with from the copy.
    var moved: Set<String> = []
    /// Why the last ones could not be leased, whoever wants them; nil where they could.
    var failure: String?
}

/// How the ports of this router stand.
package struct PortStatus: Codable, Hashable, Sendable {
    /// The router's region.
    package var region: String
    /// Ports that tenants have.
    package var leased: Int
    /// Ports that anybody could get.
    package var free: Int
    /// Ports in quarantine.
    package var quarantined: Int
    /// Whether one listener does for all.
    package var isSteered: Bool
    /// Why not; nil where it does.
    package var whyNotSteered: String?
    /// Leased ports that could not be opened, and are tried again.
    package var closed: Int
    /// The lowest of them, at most ``Limits/closedPortsTold``.
    package var closedPorts: [ClosedPort]
    /// Tenants that do not get the ports that they want, and are tried again.
    package var waiting: Int
}

/// A leased port that should be open and is not.
package struct ClosedPort: Codable, Hashable, Sendable {
    /// The port.
    package var port: UInt16
    /// Why it could not be opened.
    package var reason: String
}

/// A part of the list of ports.
package struct PortsAnswer: Codable, Hashable, Sendable {
    /// The lowest first.
    package var ports: [PortListing]
    /// The last of them, where there are more behind it.
    package var next: UInt16?
}

extension ControlPlane {
    /// Opens what ports need; nothing where tenants get none.
    static func portSockets(
        _ configuration: Configuration, _ book: PortBook?, passed: [InheritedListener]
    ) -> PortSockets? {
        guard let settings = configuration.ports, let book else {
            for listener in passed { Sockets.close(listener.descriptor) }
            return nil
        }
        let limits = configuration.engineLimits
        let options = ListenerOptions(
            backlog: Limits.listenBacklog,
            keepaliveIdleMilliseconds: limits.keepaliveIdleMilliseconds,
            userTimeoutMilliseconds: limits.userTimeoutMilliseconds)
        return PortSockets(
            settings, book.ranges, options: options, passed: passed,
            descriptors: Sockets.descriptorLimit())
    }

    // MARK: Sockets

    /// Closes the ports that `snapshot` has no more; the sockets that workers are to listen on.
    func beginPorts(_ snapshot: Snapshot) -> ([ListenerSocket], PortSockets.Change) {
        let change = self.portSockets?.begin(snapshot.ports) ?? PortSockets.Change()
        for (port, reason) in change.closed.sorted(by: { $0.key < $1.key }) {
            self.logger.error("port \(port) stays closed: \(reason)")
        }
        return (self.portSockets?.sockets ?? [], change)
    }

    /// Opens the ports that every worker knows now.
    func finishPorts(_ change: PortSockets.Change) {
        self.portSockets?.finish(change)
        guard !self.portFacts.saidWhyPlain, let why = self.portSockets?.whyPlain else { return }
        self.portFacts.saidWhyPlain = true
        self.logger.notice("a listener for each leased port: \(why)")
    }

    // MARK: Leases

    /// Reads who has which port; `copied`: `registry` is a copy of that revision.
    func loadPorts(_ registry: Registry, copyOf copied: UInt64?) async throws(StoreError) {
        guard let ports = registry.ports else { return }
        let loaded = try await ports.load(from: registry.store, copyOf: copied)
        self.portFacts.wanting = [:]
        self.portFacts.areOfCopy = copied != nil
        if copied != nil { self.wakePorts() }
        self.portFacts.moved = []
        self.tell(loaded)
    }

    private func tell(_ loaded: PortsLoaded) {
        for key in loaded.unreadable {
            self.logger.error("registry: \(key) is no row of a port; it is left out")
        }
    }

    /// Reads leases from the registry once it answers, after a start from its copy; tenants that
    /// have others there get them.
    ///
    /// In turn with other changes: what is read is not older than what is live then.
    private func loadPortsAfterCopy(_ registry: Registry) async throws(StoreError) {
        guard self.portFacts.areOfCopy else { return }
        if let failure = await self.inTurn({ await $0.readPortsAfterCopy(registry) }) {
            throw failure
        }
    }

    private func readPortsAfterCopy(_ registry: Registry) async -> StoreError? {
        guard self.portFacts.areOfCopy, let ports = registry.ports, let live = self.live,
            self.stage == .serving
        else { return nil }
        do throws(StoreError) {
            let loaded = try await ports.load(from: registry.store)
            self.portFacts.moved.formUnion(loaded.tenants)
            let (tenants, unreadable) = try await self.tenants(
                self.portFacts.moved.sorted(), of: registry)
            guard self.stage == .serving else { return nil }
            self.portFacts.areOfCopy = false
            self.portFacts.moved = []
            self.tell(loaded)
            guard !tenants.isEmpty || !unreadable.isEmpty else { return nil }
            await self.carry(tenants, unreadable, onto: live, since: monotonicNow())
            return nil
        } catch {
            return error
        }
    }

    /// The ports of a tenant that is compiled; what it lacks is noted.
    func ports(of tenant: Configuration.Tenant) -> [PortKind: UInt16] {
        guard let ports = self.registry?.ports else { return [:] }
        let isFulfilled = ports.fulfils(ports.wish(of: tenant))
        self.portFacts.wanting[tenant.name] = isFulfilled ? nil : tenant
        if isFulfilled {
            self.portFacts.refused[tenant.name] = nil
        } else {
            self.wakePorts()
        }
        return ports.ports(of: tenant.name)
    }

    /// The tenants that a commit changes, each once.
    func tenants(changedBy commits: [StoreCommit]) -> [String] {
        var names: [String] = []
        var seen: Set<String> = []
        for commit in commits {
            for change in commit.changes {
                var changed =
                    self.registry?.ports?.follow(change, revision: commit.revision) ?? []
                if let tenant = RegistryKey.tenant(of: change.key).map(String.init) {
                    changed.append(tenant)
                    if change.value == nil, change.key.description.hasSuffix("/document") {
                        self.portFacts.wanting[tenant] = nil
                        self.portFacts.refused[tenant] = nil
                    }
                }
                for name in changed where seen.insert(name).inserted { names.append(name) }
            }
        }
        return names
    }

    /// Gives tenants the ports that they lack, as soon as they do, and tries again, now and then,
    /// what could not be had, until cancelled.
    ///
    /// A task of its own: changes are followed whatever becomes of it.
    func keepPorts() async {
        guard let registry = self.registry, registry.ports != nil else { return }
        var wakes = self.portWakes.stream.makeAsyncIterator()
        var retryAt = monotonicNow().advanced(byNanoseconds: Limits.portRetry.nanoseconds)
        while !Task.isCancelled {
            let look = Task {
                do { try await Task.sleep(for: Limits.portRetry) } catch { return }
                self.wakePorts()
            }
            _ = await wakes.next()
            look.cancel()
            guard monotonicNow() >= retryAt else {
                await self.leaseWantedPorts(registry)
                continue
            }
            await self.retryPorts()
            retryAt = monotonicNow().advanced(byNanoseconds: Limits.portRetry.nanoseconds)
        }
    }

    /// There may be something to lease.
    nonisolated func wakePorts() { self.portWakes.continuation.yield() }

    /// Gives every tenant that lacks ports what it wants; what cannot be written is tried again
    /// with ``Limits/portRetry``.
    private func leaseWantedPorts(_ registry: Registry) async {
        // Who follows the registry says why it is away, and when it is back.
        guard self.stage == .serving, self.registryFacts.failure == nil else { return }
        var failure: String?
        do throws(StoreError) {
            try await self.loadPortsAfterCopy(registry)
            try await registry.ports?.readDoubtful(from: registry.store)
            for name in self.portFacts.wanting.keys.sorted() {
                guard self.stage == .serving, let tenant = self.portFacts.wanting[name] else {
                    continue
                }
                if let why = try await self.lease(tenant, registry) { failure = why }
            }
        } catch {
            guard error != .cancelled else { return }
            failure = error.text
        }
        guard self.portFacts.failure != failure else { return }
        self.portFacts.failure = failure
        if let failure, self.registryFacts.failure == nil {
            self.logger.error(
                "ports cannot be leased: \(failure); tried again every \(Limits.portRetry)")
        } else if failure == nil {
            self.logger.notice("ports can be leased again")
        }
    }

    /// Tries to give a tenant that lacks ports what it wants; why it is left to the next time,
    /// where that is its own trouble.
    private func lease(
        _ tenant: Configuration.Tenant, _ registry: Registry
    ) async throws(StoreError) -> String? {
        let refusal: PortRefusal?
        do throws(StoreError) {
            refusal = try await registry.leasePorts(of: tenant)
        } catch {
            switch error {
            case .conflict: return nil  // others have been faster each time
            case .refused(let why): return "tenant \(tenant.name): \(why)"
            case .compacted, .full, .locked, .corrupted, .unavailable, .cancelled: throw error
            }
        }
        // Compiled anew meanwhile: it is another wish, or none.
        guard self.portFacts.wanting[tenant.name] == tenant else { return nil }
        self.portFacts.wanting[tenant.name] = nil
        if let refusal, self.portFacts.refused[tenant.name]?.refusal != refusal {
            self.logger.warning("tenant \(tenant.name): \(refusal)")
        }
        self.portFacts.refused[tenant.name] = refusal.map { (tenant, $0) }
        return nil
    }

    // MARK: Trying again

    /// Refused tenants that are tried again at a time: where nobody of them got any, nobody of the
    /// others is asked for.
    private static let retriedAtATime = 50

    /// Gives tenants the ports that they lack, or were refused, where quarantines have ended, or
    /// the host has let go, and opens ports that could not be.
    package func retryPorts() async {
        guard self.stage == .serving, self.registryFacts.failure == nil, let registry else {
            return
        }
        registry.ports?.forgetUsed()
        await self.leaseWantedPorts(registry)
        do throws(StoreError) {
            try await self.givePortsBack(registry)
            var left = self.portFacts.refused.count
            while left > 0, self.stage == .serving {
                let before = self.portFacts.refused.count
                try await self.retryLeases(registry)
                // Where nobody of some got any, nobody of the others is asked for now.
                guard self.portFacts.refused.count < before else { break }
                left -= Self.retriedAtATime
            }
        } catch {
            // Said where what is lacked is leased; those that were not tried are tried then.
        }
        guard self.portSockets?.hasClosed == true else { return }
        await self.inTurn { control in
            guard control.stage == .serving, let live = control.live,
                control.portSockets?.retry() == true
            else { return }
            await control.carry([], onto: live, since: monotonicNow())
        }
    }

    /// Gives back what those have who are gone.
    private func givePortsBack(_ registry: Registry) async throws(StoreError) {
        guard let ports = registry.ports, !self.portFacts.areOfCopy,
            let routes = self.live?.tables.routes
        else { return }
        let gone = ports.tenants.filter { tenant in
            routes.tenantNumber(named: tenant) == nil && self.registryFacts.refused[tenant] == nil
        }
        for tenant in gone.sorted() {
            try await registry.givePortsBack(of: tenant)
        }
    }

    private func retryLeases(_ registry: Registry) async throws(StoreError) {
        let names = self.portFacts.refused.keys.sorted()
        let start = names.firstIndex { $0 > self.portFacts.lastRetried } ?? 0
        let some = (names[start...] + names[..<start]).prefix(Self.retriedAtATime)
        self.portFacts.lastRetried = some.last ?? ""
        for name in some {
            // One that wants something else since is tried by itself.
            guard self.portFacts.wanting[name] == nil, let known = self.portFacts.refused[name]
            else { continue }
            self.portFacts.wanting[name] = known.tenant
            _ = try await self.lease(known.tenant, registry)
        }
    }

    // MARK: Asking

    /// Ports that are leased or in quarantine, behind `after`, at most `limit` of them.
    package func ports(
        after: UInt16, limit: Int, of tenant: String?
    ) throws(RegistryRefusal) -> PortsAnswer {
        guard let ports = self.registry?.ports else { throw .store(.unavailable(Self.noPorts)) }
        let now = wallClockNanoseconds() / 1_000_000_000
        var found = ports.list(after: after, limit: limit, tenant: tenant, now: now)
        for index in found.ports.indices {
            found.ports[index].whyClosed =
                self.portSockets?.closed[found.ports[index].port]
                ?? self.whyIdle(found.ports[index])
        }
        return PortsAnswer(ports: found.ports, next: found.hasMore ? found.ports.last?.port : nil)
    }

    private func whyIdle(_ listing: PortListing) -> String? {
        guard let tables = self.live?.tables, let kind = PortKind(listing.kind),
            let tenant = tables.routes.tenantNumber(named: listing.tenant)
        else { return nil }
        return tables.whyIdle(listing.port, kind, of: tenant)?.text
    }

    private static let noPorts = "tenants have no ports of their own: the file has no `ports`"

    /// How the ports stand; nil where tenants get none.
    package var portStatus: PortStatus? {
        guard let ports = self.registry?.ports else { return nil }
        let counts = ports.counts
        let whyPlain = self.portSockets?.whyPlain
        return PortStatus(
            region: ports.region, leased: counts.leased, free: counts.free,
            quarantined: counts.quarantined, isSteered: whyPlain == nil, whyNotSteered: whyPlain,
            closed: self.portSockets?.closed.count ?? 0,
            closedPorts: self.portSockets?.lowestClosed(Limits.closedPortsTold) ?? [],
            waiting: self.portFacts.refused.count)
    }
}
