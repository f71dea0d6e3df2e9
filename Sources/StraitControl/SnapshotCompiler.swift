// Configuration to snapshot. A value: compile on a copy, and keep the copy only when the result
// goes live.
//
// What it carries from one compilation to the next is identity: listener ids, metrics slots, ids of
// policies and certificates, and the counters of tenants. Nothing here opens a socket or starts
// anything.

package import StraitConfig
package import StraitCore
internal import StraitRouting
package import StraitSnapshot
internal import StraitTLS

/// All that is wrong with a configuration; at least one error.
package struct ConfigurationRefused: Error, Sendable {
    /// Errors and warnings, in the order of the file.
    package var problems: [ConfigurationProblem]

    /// See the properties.
    package init(problems: [ConfigurationProblem]) { self.problems = problems }
}

/// A snapshot with what the control plane must know beside it.
package struct CompiledConfiguration: Sendable {
    /// What it was compiled from.
    package var configuration: Configuration
    /// What the workers are given.
    package var snapshot: Snapshot
    /// What the numbers in metrics stand for.
    package var directory: MetricsDirectory
    /// Problems that are no errors, in the order of the file.
    package var warnings: [ConfigurationProblem]
    /// Every file that was read, with its SHA-256.
    package var files: [String: [UInt8]]
    /// By ``ListenerPlan/id``.
    package var backlogs: [Int: Int]
    /// What each tenant comes to; equal where nothing changed for it.
    package var tenantMarks: [String: TenantMark]
    /// What names of upstreams led to.
    package var addresses: [HostName: [IPAddress]]
}

/// What a process may open, and the workers that share it.
package struct DescriptorLimit: Hashable, Sendable {
    /// Descriptors of the process (RLIMIT_NOFILE).
    package var descriptors: Int
    /// 1 or more.
    package var workers: Int

    /// See the properties.
    package init(descriptors: Int, workers: Int) {
        self.descriptors = descriptors
        self.workers = workers
    }
}

/// Turns configurations into snapshots and keeps identities over revisions.
package struct SnapshotCompiler: Sendable {
    /// A listener is known by its address; the ordinal tells several with port 0 apart.
    struct ListenerKey: Hashable, Sendable {
        var address: SocketAddress
        var ordinal: Int
    }

    /// An address of a service.
    struct StandingKey: Hashable, Sendable {
        var tenant: String
        var service: String
        var address: SocketAddress
    }

    var listenerIDs = Numbering<ListenerKey>()
    var serviceSlots = Numbering<ServiceLabels>(first: [.unknown])
    var upstreamSlots = Numbering<UpstreamLabels>()
    var policies = ContentNumbers<DownstreamPolicy>()
    var upstreamPolicies = ContentNumbers<UpstreamPolicy>()
    var certificateSets = ContentNumbers<[CertificateContent]>()
    var usages: [String: TenantUsage] = [:]
    /// What is known of the addresses of services, kept while they are configured.
    var standings: [StandingKey: UpstreamStanding] = [:]
    /// Tenants with series of their own.
    var ownSeries: Set<String> = []
    /// Listeners of the snapshot that was compiled last; their sockets are open until the next one
    /// is live.
    var openListeners: Set<Int> = []
    /// What the process may open; nil where nothing will be started, and is not judged then.
    package var descriptors: DescriptorLimit?
    let ticketRoot: [UInt8]
    let load: @Sendable (String) throws -> [UInt8]

    /// - Parameters:
    ///   - ticketRoot: The secret from which all ticket keys are derived; 32 random bytes.
    ///   - load: Reads a file.
    package init(
        ticketRoot: [UInt8] = TLSRandom.bytes(32),
        load: @escaping @Sendable (String) throws -> [UInt8] = FileContents.fromDisk
    ) {
        self.ticketRoot = ticketRoot
        self.load = load
    }

    /// Compiles `configuration`.
    ///
    /// - Parameters:
    ///   - configuration: What a file says.
    ///   - revision: The snapshot's.
    ///   - epoch: Counts the times that ticket keys were changed.
    ///   - now: Judges certificates.
    ///   - addresses: What names of upstreams lead to.
    /// - Returns: The snapshot with what the control plane must know beside it.
    /// - Throws: ``ConfigurationRefused`` with every problem that was found, when one is an error.
    package mutating func compile(
        _ configuration: Configuration, revision: UInt64, epoch: UInt64, now: Timestamp,
        addresses: [HostName: [IPAddress]] = [:]
    ) throws(ConfigurationRefused) -> CompiledConfiguration {
        var work = Compilation(
            configuration: configuration, files: FileContents(load: self.load), epoch: epoch,
            now: now)
        work.addresses = addresses
        self.chooseOwnSeries(configuration)
        let tenants = configuration.tenants.map { self.compileTenant($0, &work) }
        let (routes, offers) = work.routesAndOffers(tenants: tenants)
        var services: [ServicePlan] = []
        for (tenant, plan) in zip(configuration.tenants, tenants) {
            for service in tenant.services {
                services.append(
                    self.compileService(
                        service, of: plan, domains: tenant.domains.map(\.value),
                        offered: offers[services.count], &work))
            }
        }
        let listeners = self.compileListeners(&work)
        let limits = self.compileLimits(listeners, &work)
        if let routes {
            work.checkCoalescing(routes: routes, tenants: tenants)
            work.checkNames(tenants: tenants)
        }
        guard let routes, !work.problems.contains(where: { $0.severity == .error }) else {
            throw ConfigurationRefused(problems: work.sortedProblems)
        }
        self.policies.forgetUnused()
        self.upstreamPolicies.forgetUnused()
        self.certificateSets.forgetUnused()
        self.forgetStandings(services)
        self.openListeners = Set(listeners.map(\.id))
        let snapshot = Snapshot(
            revision: revision, router: configuration.router, region: configuration.region,
            listeners: listeners, routes: routes, services: services, tenants: tenants,
            timeouts: configuration.engineTimeouts, limits: limits,
            access: configuration.accessPlan, sourceAddresses: configuration.sourceAddresses)
        return CompiledConfiguration(
            configuration: configuration, snapshot: snapshot,
            directory: self.directory(services, listeners, work), warnings: work.sortedProblems,
            files: work.files.digests, backlogs: work.backlogs,
            tenantMarks: TenantMark.all(of: snapshot, configuration),
            addresses: addresses.filter { configuration.upstreamNames.contains($0.key) })
    }

    /// Gives tenants series of their own, the first in alphabetical order.
    ///
    /// So it is the same after a restart and on every router with these tenants, and does not
    /// depend on who stands where in the file.
    private mutating func chooseOwnSeries(_ configuration: Configuration) {
        let names = configuration.tenants.map(\.name).sorted()
        self.ownSeries = Set(names.prefix(configuration.metrics.tenants))
    }

    private func directory(
        _ services: [ServicePlan], _ listeners: [ListenerPlan], _ work: Compilation
    ) -> MetricsDirectory {
        var directory = MetricsDirectory()
        directory.services = self.serviceSlots.things
        directory.liveServices = Set(services.map(\.metricsSlot)).union([0])
        directory.upstreams = self.upstreamSlots.things
        directory.liveUpstreams = Set(services.flatMap { $0.upstreams.map(\.metricsSlot) })
        directory.listeners = Dictionary(
            listeners.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        directory.certificates = work.certificateEnds.filter { self.ownSeries.contains($0.tenant) }
        directory.foldedServices = services.count { !self.ownSeries.contains($0.tenant.name) }
        return directory
    }
}

/// What one compilation gathers on its way.
struct Compilation {
    let configuration: Configuration
    var files: FileContents
    let epoch: UInt64
    let now: Timestamp
    /// By their names; of two with one name the first.
    private(set) var tenantIndices: [String: Int] = [:]
    /// By tenant: the index of its first service among those of all tenants.
    private(set) var firstServices: [Int] = []
    var problems: [ConfigurationProblem] = []
    var certificateEnds: [MetricsDirectory.CertificateEnd] = []
    var backlogs: [Int: Int] = [:]
    /// What names of upstreams lead to.
    var addresses: [HostName: [IPAddress]] = [:]
    /// Tenants with a certificate that cannot be used: what it would have covered is not judged.
    var tenantsInDoubt: Set<String> = []

    init(configuration: Configuration, files: FileContents, epoch: UInt64, now: Timestamp) {
        self.configuration = configuration
        self.files = files
        self.epoch = epoch
        self.now = now
        var services = 0
        for (index, tenant) in configuration.tenants.enumerated() {
            self.tenantIndices[tenant.name] = self.tenantIndices[tenant.name] ?? index
            self.firstServices.append(services)
            services += tenant.services.count
        }
    }

    /// Notes a problem at `place`.
    mutating func report(
        _ code: ConfigurationProblem.Code, _ place: SourcePlace, found: String, expected: String,
        remedy: String
    ) {
        self.problems.append(
            ConfigurationProblem(
                code, file: self.configuration.file, place: place, found: found,
                expected: expected, remedy: remedy))
    }

    /// Whether some file that was named could not be used, so that what builds on it is in doubt.
    var hasUnreadableFiles: Bool {
        self.problems.contains { problem in
            problem.code == .authorityUnusable || problem.code == .namedFileUnreadable
        }
    }

    /// In the order of the file.
    var sortedProblems: [ConfigurationProblem] {
        self.problems.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    }

    /// The contents of a named file; nil, with a problem, where it cannot be read.
    mutating func read(_ file: Configuration.FileReference) -> [UInt8]? {
        do throws(FileError) {
            return try self.files.read(file.path)
        } catch {
            self.report(
                .namedFileUnreadable, file.place, found: "\(file.path): \(error.description)",
                expected: "a file that this process can read",
                remedy: "correct the path, or let the user that runs strait read it")
            return nil
        }
    }
}
