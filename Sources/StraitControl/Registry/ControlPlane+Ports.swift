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
    /// Why tenants do not get what they want: said once.
    var refused: [String: PortRefusal] = [:]
    /// Ports that could not be opened, and why: said once.
    var closed: [UInt16: String] = [:]
    /// Whether it was said why nothing is steered.
    var saidWhyPlain = false
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
        for (port, reason) in change.failures where self.portFacts.closed[port] != reason {
            self.portFacts.closed[port] = reason
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

    /// Reads who has which port.
    func loadPorts(_ registry: Registry) async throws(StoreError) {
        guard let ports = registry.ports else { return }
        self.portFacts.wanting = [:]
        for key in try await ports.load(from: registry.store) {
            self.logger.error("registry: \(key) is no row of a port; it is left out")
        }
    }

    /// The ports of a tenant that is compiled; what it lacks is noted.
    func ports(of tenant: Configuration.Tenant) -> [PortKind: UInt16] {
        guard let ports = self.registry?.ports else { return [:] }
        let isFulfilled = ports.fulfils(ports.wish(of: tenant))
        self.portFacts.wanting[tenant.name] = isFulfilled ? nil : tenant
        if isFulfilled { self.portFacts.refused[tenant.name] = nil }
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
                if let tenant = RegistryKey.tenant(of: change.key) {
                    changed.append(String(tenant))
                }
                for name in changed where seen.insert(name).inserted { names.append(name) }
            }
        }
        return names
    }

    /// Gives tenants the ports that they lack.
    func leaseWantedPorts(_ registry: Registry) async throws(StoreError) {
        let wanting = self.portFacts.wanting.values.sorted { $0.name < $1.name }
        guard !wanting.isEmpty else { return }
        self.portFacts.wanting = [:]
        for (tenant, refusal) in try await registry.leasePorts(of: wanting)
        where self.portFacts.refused[tenant] != refusal {
            self.portFacts.refused[tenant] = refusal
            self.logger.warning("tenant \(tenant): \(refusal)")
        }
    }

    // MARK: Asking

    /// Ports that are leased or in quarantine, behind `after`, at most `limit` of them.
    package func ports(
        after: UInt16, limit: Int, of tenant: String?
    ) throws(RegistryRefusal) -> PortsAnswer {
        guard let ports = self.registry?.ports else { throw .store(.unavailable(Self.noPorts)) }
        let now = wallClockNanoseconds() / 1_000_000_000
        let found = ports.list(after: after, limit: limit, tenant: tenant, now: now)
        return PortsAnswer(ports: found.ports, next: found.hasMore ? found.ports.last?.port : nil)
    }

    private static let noPorts = "tenants have no ports of their own: the file has no `ports`"

    /// How the ports stand; nil where tenants get none.
    package var portStatus: PortStatus? {
        guard let ports = self.registry?.ports else { return nil }
        let counts = ports.counts
        let whyPlain = self.portSockets?.whyPlain
        return PortStatus(
            region: ports.region, leased: counts.leased, free: counts.free,
            quarantined: counts.quarantined, isSteered: whyPlain == nil, whyNotSteered: whyPlain)
    }
}
