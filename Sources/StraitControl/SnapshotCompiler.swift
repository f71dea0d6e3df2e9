// Configuration to snapshot. A value: compile on a copy, and keep the copy only when the result
// goes live.
//
// What it carries from one compilation to the next is identity: listener ids, metrics slots, and
// the counters of tenants and addresses. Nothing here opens a socket or starts anything.

package import StraitConfig
package import StraitCore
internal import StraitPosix
package import StraitRouting
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
    /// What it was compiled from; without the tenants that a registry has.
    package var configuration: Configuration
    /// What the workers are given.
    package var snapshot: Snapshot
    /// The tenants of the snapshot.
    package var tables: TenantTables
    /// What the numbers in metrics stand for.
    package var series: MetricsSeries
    /// Problems that are no errors, in the order of the file.
    package var warnings: [ConfigurationProblem]
    /// Every file that was read, with its SHA-256.
    package var files: [String: [UInt8]]
    /// By ``ListenerPlan/id``.
    package var backlogs: [Int: Int]
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

    var listenerIDs = Numbering<ListenerKey>()
    /// What was compiled last: whose counters and health go on.
    private(set) var tables = TenantTables()
    var series = MetricsSeries()
    /// Listeners of the snapshot that was compiled last; their sockets are open until the next one
    /// is live.
    var openListeners: Set<Int> = []
    /// What the process may open; nil where nothing will be started, and is not judged then.
    package var descriptors: DescriptorLimit?
    /// Where this process answers `/webapi`; nil where it does not.
    package var webAPI: SocketAddress?
    /// What its operators' listener shows; nil where it has none.
    var operators: OperatorsAccess?
    /// Tells the addresses of this machine.
    package var interfaceAddresses: @Sendable () -> [IPAddress] = { Sockets.interfaceAddresses() }
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
            configuration: configuration, files: FileContents(load: self.load), now: now)
        work.addresses = addresses
        self.series.chooseTenants(
            configuration.tenants.map(\.name), count: configuration.metrics.tenants)
        var tables = TenantTables()
        self.compileTenants(into: &tables, removing: [], &work)
        let listeners = self.compileListeners(tables.routes, &work)
        let limits = self.compileLimits(listeners, &work)
        guard !work.problems.contains(where: { $0.severity == .error }) else {
            throw ConfigurationRefused(problems: work.sortedProblems)
        }
        self.tables = tables
        self.openListeners = Set(listeners.map(\.id))
        let names = tables.upstreamNames
        return CompiledConfiguration(
            configuration: configuration,
            snapshot: Snapshot(
                revision: revision, router: configuration.router, region: configuration.region,
                listeners: listeners, routes: tables.routes, services: tables.services,
                tenants: tables.tenants, timeouts: configuration.engineTimeouts, limits: limits,
                access: configuration.accessPlan, sourceAddresses: configuration.sourceAddresses,
                tickets: self.tickets(epoch),
                portListener: self.compilePortListener(configuration), ports: tables.ports,
                builtIn: self.builtIn(configuration),
                operators: self.operatorsService(configuration)),
            tables: tables, series: self.series, warnings: work.sortedProblems,
            files: work.files.digests, backlogs: work.backlogs,
            addresses: addresses.filter { names.contains($0.key) })
    }

    private func tickets(_ epoch: UInt64) -> TicketSecrets {
        TicketSecrets(root: self.ticketRoot, epoch: epoch)
    }
}

extension SnapshotCompiler {
    /// Compiles some tenants on top of what was compiled last; the others stay as they are.
    ///
    /// - Parameters:
    ///   - change: The tenants that come, go or change.
    ///   - live: What was compiled last.
    ///   - revision: The snapshot's.
    ///   - epoch: Counts the times that ticket keys were changed.
    ///   - now: Judges certificates.
    ///   - addresses: What names of upstreams lead to.
    /// - Returns: The snapshot with what must be known beside it; warnings are of the change.
    /// - Throws: ``ConfigurationRefused`` with every problem of the change, when one is an error.
    /// - Complexity: O(change), beside one step for some hundred tenants.
    package mutating func compile(
        _ change: TenantChange, of live: CompiledConfiguration, revision: UInt64, epoch: UInt64,
        now: Timestamp, addresses: [HostName: [IPAddress]] = [:]
    ) throws(ConfigurationRefused) -> CompiledConfiguration {
        var configuration = live.configuration
        configuration.tenants = change.tenants
        var work = Compilation(
            configuration: configuration, files: FileContents(load: change.load), now: now)
        work.addresses = addresses
        work.storedCertificates = change.certificates
        work.ports = change.ports
        work.isOfRegistry = true
        if change.tenants.contains(where: { !$0.upstreamNames.isEmpty }) {
            work.own = OwnPlaces(configuration, interfaces: self.interfaceAddresses())
        }
        work.masksOthers = change.masksOthers
        let before = (tables: self.tables, series: self.series)
        for renaming in change.renamed where self.tables.rename(renaming) {
            self.series.rename(renaming)
        }
        var tables = self.tables
        var series = self.series
        for name in change.removed { series.remove(name) }
        for tenant in change.tenants { series.add(tenant.name) }
        swap(&series, &self.series)
        self.compileTenants(
            into: &tables,
            removing: change.removed.compactMap { tables.routes.tenantNumber(named: $0) }, &work)
        guard !work.problems.contains(where: { $0.severity == .error }) else {
            (self.tables, self.series) = before
            throw ConfigurationRefused(problems: work.sortedProblems)
        }
        self.tables = tables
        let listeners = self.compileListeners(tables.routes, &work)
        let old = live.snapshot
        var compiled = live
        compiled.snapshot = Snapshot(
            revision: revision, router: old.router, region: old.region, listeners: listeners,
            routes: tables.routes, services: tables.services, tenants: tables.tenants,
            timeouts: old.timeouts, limits: old.limits, access: old.access,
            sourceAddresses: old.sourceAddresses, tickets: self.tickets(epoch),
            portListener: old.portListener, ports: tables.ports,
            builtIn: self.builtIn(configuration),
            operators: self.operatorsService(configuration))
        compiled.tables = tables
        compiled.series = self.series
        compiled.warnings = work.sortedProblems
        return compiled
    }
}

/// Tenants that come, go or change.
package struct TenantChange: Sendable {
    /// Each instead of the one with its name where there is one.
    package var tenants: [Configuration.Tenant]
    /// Names of tenants that go with all that is theirs; unknown ones do nothing.
    package var removed: [String]
    /// Tenants that get another name, in that order, before anything else.
    package var renamed: [TenantRenaming] = []
    /// Reads what the tenants name as files.
    package var load: @Sendable (String) throws -> [UInt8]
    /// Certificates that are not read, by the path of their chain.
    package var certificates: [String: StoredCertificate]
    /// What the tenants' own ports are, by tenant.
    package var ports: [String: [PortKind: UInt16]] = [:]
    /// Whether problems name no other tenant.
    var masksOthers = false

    /// See the properties.
    package init(
        tenants: [Configuration.Tenant], removed: [String] = [],
        certificates: [String: StoredCertificate] = [:],
        load: @escaping @Sendable (String) throws -> [UInt8] = FileContents.fromDisk
    ) {
        self.tenants = tenants
        self.removed = removed
        self.certificates = certificates
        self.load = load
    }
}

/// What one compilation gathers on its way.
struct Compilation {
    /// With the tenants that are compiled.
    let configuration: Configuration
    var files: FileContents
    let now: Timestamp
    /// Errors, and warnings, that are kept; nobody reads more.
    private static let problemsMax = 1000
    private(set) var problems: [ConfigurationProblem] = []
    private var problemCounts: [ConfigurationProblem.Severity: Int] = [:]
    /// By tenant.
    var certificateEnds: [String: [MetricsDirectory.CertificateEnd]] = [:]
    var backlogs: [Int: Int] = [:]
    /// The tenants' own ports, by tenant.
    var ports: [String: [PortKind: UInt16]] = [:]
    /// What names of upstreams lead to.
    var addresses: [HostName: [IPAddress]] = [:]
    /// Whether the tenants are a registry's, whose administrators may have written them.
    var isOfRegistry = false
    /// Where the router listens itself; nil where no name is to be judged by that.
    var own: OwnPlaces?
    /// Whether problems name no other tenant.
    var masksOthers = false
    /// Certificates of the registry, by the path of their chain.
    var storedCertificates: [String: StoredCertificate] = [:]
    /// Tenants with a certificate that cannot be used: what it would have covered is not judged.
    var tenantsInDoubt: Set<String> = []

    init(configuration: Configuration, files: FileContents, now: Timestamp) {
        self.configuration = configuration
        self.files = files
        self.now = now
    }

    /// Notes a problem at `place`.
    mutating func report(
        _ code: ConfigurationProblem.Code, _ place: SourcePlace, found: String, expected: String,
        remedy: String
    ) {
        guard self.problemCounts[code.severity, default: 0] < Self.problemsMax else { return }
        self.problemCounts[code.severity, default: 0] += 1
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
