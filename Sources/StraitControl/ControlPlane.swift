// The control plane: one actor that holds what is desired and what is live, and carries every
// change across.

package import Logging
internal import ServiceLifecycle
package import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState
internal import StraitStore
internal import StraitTLS
internal import Synchronization

/// Why a router could not start.
package enum StartFailure: Error, Sendable {
    case refused(ConfigurationRefused)
    case engine(String)
    /// The process that offered its listeners has ended: nothing is known of who accepts.
    case notTakenOver
    /// The registry cannot be used; why.
    case registry(String)
}

/// Why a change was not made.
enum ChangeRefused: Error {
    case configuration(ConfigurationRefused)
    /// The router is on its way out.
    case draining
    /// The registry cannot be read.
    case registry(StoreError)
}

/// Desired state, live state, and the way from one to the other.
package actor ControlPlane: Service {
    /// How long workers may take to obey a snapshot before a change is reported as not live
    /// everywhere.
    static let applyTimeout = Duration.seconds(10)
    /// How long workers may take to answer a question.
    static let answerTimeout = Duration.seconds(1)
    /// How often files are looked at.
    ///
    /// A change must look the same twice before it is read.
    static let watchInterval = Duration.milliseconds(500)

    /// The configuration file.
    nonisolated package let path: String
    nonisolated let logger: Logger
    nonisolated let records: RecordSink
    nonisolated let logLinesDropped: @Sendable () -> UInt64
    /// How long a change may take to be live before its answer says that it is not.
    let liveTimeout: Duration
    nonisolated let names: NameWatcher
    nonisolated let serviceManager: ServiceManager
    /// Where tenants are kept; nil: the file has them.
    nonisolated package let registry: Registry?
    /// The last good state of its tenants; nil: none is kept.
    nonisolated let registrySnapshot: RegistrySnapshot?
    var registryFacts = RegistryFacts()
    /// Where tenants' own ports are listened on; nil where they have none.
    var portSockets: PortSockets?
    var portFacts = PortFacts()
    /// One element when there may be something to lease.
    nonisolated let portWakes = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    /// Why aliases whose time is over could not be taken out at the last look, by tenant.
    var aliasFailures: [String: String] = [:]
    /// At which revision of the registry its oldest commits are forgotten next.
    var compactAfter: UInt64 = 0
    let fleet: WorkerFleet
    let started: Timestamp

    /// How this process is started anew.
    nonisolated let setup: UpgradeSetup
    /// What an upgrade starts where nothing is named; also after one with another program.
    nonisolated let program: String
    var compiler: SnapshotCompiler
    var live: CompiledConfiguration? {
        didSet { self.webAPI.publish(self.live, now: wallClockNanoseconds()) }
    }
    /// What `/webapi` may know of it.
    nonisolated package let webAPI = WebAPIDirectory()
    /// The newest that was live, here or in another process of this router before.
    var newestRevision: UInt64
    /// By worker: the revision that it has acknowledged last.
    var liveRevisions: [UInt64]
    var sockets: ListenerSocketSet
    var stage = ReadinessFacts.Stage.starting
    var epoch: UInt64
    var epochStarted: Instant
    var reloads = ReloadFacts()
    /// What this process knows of its way out.
    var drainFacts = DrainFacts()
    /// Set when the process must end: no drain is taken back any more.
    nonisolated let isEnding = Atomic<Bool>(false)
    /// One element for each drain that an operator asks for; finished by a signal.
    nonisolated let drains = AsyncStream<Void>.makeStream()
    /// Whether this process is the one that the service manager hears.
    var speaksForService: Bool
    /// Whether the service manager knows that the process ends.
    var hasAnnouncedEnd = false
    var lastChange: Task<Void, Never>?
    /// What this process knows of the others of its router.
    var handOver: HandOver {
        didSet { self.fleet.otherProcessesHaveKeys(!self.handOver.draining.isEmpty) }
    }
    /// One element for each SIGHUP; further ones while one waits say nothing new.
    nonisolated let reloadSignals = AsyncStream<Void>.makeStream(
        bufferingPolicy: .bufferingNewest(1))
    private var marks: [String: FileMark] = [:]
    private var pendingMarks: [String: FileMark] = [:]
    /// Whether a change has left memory behind: of reading, and of the snapshot before it.
    private var hasLeftMemory = false

    /// Starts the workers.
    ///
    /// Nothing listens before ``start(_:)``.
    ///
    /// - Parameters:
    ///   - path: The configuration file, read again at each reload.
    ///   - configuration: What it says now.
    ///   - logger: For everything that an operator should read.
    ///   - setup: What a newer process needs, and what this one was given.
    ///   - predecessor: The process that this one takes over from.
    ///   - serviceManager: Told what becomes of the router.
    ///   - lookUp: Finds what a name of an upstream leads to.
    ///   - liveTimeout: How long a change may take to be live before its answer says that it is
    ///     not.
    ///   - logLinesDropped: How many log lines were lost.
    /// - Throws: ``StartFailure/engine(_:)`` where no worker can be started.
    package init(
        path: String, configuration: Configuration, logger: Logger,
        setup: UpgradeSetup = UpgradeSetup(), takingOverFrom predecessor: Predecessor? = nil,
        serviceManager: ServiceManager = ServiceManager(),
        lookUp: @escaping NameWatcher.LookUp = { NameWatcher.ask($0) },
        liveTimeout: Duration = Limits.liveTimeout,
        logLinesDropped: @escaping @Sendable () -> UInt64
    ) throws(StartFailure) {
        self.path = path
        let given = predecessor?.listeners ?? setup.passed
        let ports = configuration.ports.flatMap { PortBook($0, region: configuration.region) }
        self.portSockets = Self.portSockets(
            configuration, ports, passed: given.filter(PortSockets.isOfPorts))
        let files = try RegistryFiles.open(configuration.registry, ports, logger)
        self.registry = files?.registry
        self.registrySnapshot = files?.snapshot
        self.logger = logger
        self.serviceManager = serviceManager
        self.liveTimeout = liveTimeout
        self.logLinesDropped = logLinesDropped
        let records = RecordSink(logger: logger)
        self.records = records
        self.names = NameWatcher(logger: logger, lookUp: lookUp)
        self.started = Timestamp(nanoseconds: wallClockNanoseconds())
        self.setup = setup
        let offered = predecessor?.state
        self.program = offered?.program ?? setup.program
        self.handOver = HandOver(from: predecessor)
        self.speaksForService = predecessor == nil  // else once it serves
        self.sockets = ListenerSocketSet(
            inherited: given.filter { !PortSockets.isOfPorts($0) })
        self.newestRevision = offered?.revision ?? 0
        self.compiler =
            offered.map { SnapshotCompiler(ticketRoot: $0.ticketRoot) }
            ?? SnapshotCompiler()
        self.epoch = offered?.epoch ?? 0
        let now = monotonicNow().nanoseconds
        self.epochStarted = Instant(
            nanoseconds: now - min(now, offered?.epochAgeNanoseconds ?? 0))
        do throws(EngineError) {
            let cores = StraitPosix.Thread.availableCores().count
            let workers = min(configuration.workers ?? cores, Limits.workersMax)
            self.fleet = try WorkerFleet(workers: workers, pinned: workers <= cores) { report in
                records.take(report)
            }
        } catch {
            throw .engine(error.description)
        }
        self.fleet.otherProcessesHaveKeys(!self.handOver.draining.isEmpty)
        self.liveRevisions = Array(repeating: 0, count: self.fleet.workers)
        self.compiler.webAPI = setup.webAPI
        self.compiler.operators = setup.operators
        self.compiler.descriptors = DescriptorLimit(
            descriptors: Sockets.descriptorLimit() - (self.portSockets?.reserved ?? 0),
            workers: self.fleet.workers)
    }

    /// Hands the workers' reports to who waits for them, until cancelled.
    nonisolated package func deliverReports() async { await self.fleet.deliverReports() }

    /// Opens the file of the access records anew after rotation.
    nonisolated package func reopenRecords() { self.records.reopen() }

    /// How many workers obey the newest snapshot.
    var workersLive: Int {
        let revision = self.live?.snapshot.revision ?? 0
        return self.liveRevisions.count { $0 == revision }
    }

    /// Makes the first snapshot live.
    ///
    /// Reports must be delivered already. Where another process has offered its listeners, nothing
    /// is accepted before its word.
    package func start(_ configuration: Configuration) async throws(StartFailure) {
        await self.prepareAuthority()
        let change: PreparedChange
        do throws(ChangeRefused) {
            change = try await self.prepare(configuration)
        } catch {
            switch error {
            case .configuration(let refused): throw .refused(refused)
            case .draining: throw .notTakenOver
            case .registry(let error): throw .registry(error.text)
            }
        }
        if let predecessor = self.handOver.predecessor,
            await !predecessor.waitForGo(revision: change.revision)
        {
            self.sockets.abandon(change.sockets)
            throw .notTakenOver
        }
        let verdict = await self.carry(change, trigger: "start")
        self.reloads.succeeded(now: self.started)
        self.stage = .serving
        self.remember()
        self.logger.notice("\(verdict.text)")
    }

    /// Runs until graceful shutdown, or a drain that nobody takes back; then ends the workers.
    package func run() async throws {
        let watchdog = Task { await self.answerWatchdog() }
        defer { watchdog.cancel() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.watch() }
            group.addTask { await self.followNames() }
            // What is committed goes live before more is tried.
            group.addTask(priority: .high) { await self.followRegistry() }
            group.addTask { await self.keepSnapshot() }
            group.addTask { await self.keepPorts() }
            group.addTask { await self.keepCertificates() }
            group.addTask { await self.keepAliases() }
            group.addTask { await self.followCancelQuestions() }
            group.addTask {
                for await _ in self.reloadSignals.stream {
                    _ = await self.reload(trigger: "SIGHUP")
                }
            }
            await withGracefulShutdownHandler {
                for await _ in self.drains.stream where await self.drainUnlessCancelled() { break }
            } onGracefulShutdown: {
                self.isEnding.store(true, ordering: .releasing)
                self.drains.continuation.finish()
                Task { await self.leaveBySignal() }
            }
            group.cancelAll()
        }
        await self.drainAndStop(bySignal: self.isEnding.load(ordering: .acquiring))
    }

    /// Compiles the configuration and carries it to every worker, or changes nothing.
    func apply(
        _ configuration: Configuration, trigger: String
    ) async throws(ChangeRefused) -> ReloadVerdict {
        await self.carry(try await self.prepare(configuration), trigger: trigger)
    }

    /// Compiles, with what names lead to, and opens what is to be listened on.
    private func prepare(
        _ configuration: Configuration
    ) async throws(ChangeRefused) -> PreparedChange {
        let begin = monotonicNow()
        let operators = await self.operatorsMaterial(configuration)
        let names = configuration.upstreamNames
        let before = self.live?.tables.upstreamNames ?? []
        for tenant in configuration.tenants {
            self.names.watchToo(Set(tenant.upstreamNames), of: tenant.name)
        }
        self.names.watch(names.union(before))
        await self.names.firstAnswers(of: names)
        // A drain that began meanwhile has closed the listeners; they are not opened again.
        guard self.stage != .draining else { throw .draining }
        do throws(ChangeRefused) {
            var compiler = self.compiler
            compiler.operators?.material = operators
            let (compiled, load) = try await self.compile(configuration, &compiler)
            // Reading the registry takes a while, too.
            guard self.stage != .draining else { throw .draining }
            let compiledAt = monotonicNow()
            let sockets = try self.openSockets(for: compiled)
            self.names.watch(names.union(compiled.tables.upstreamNames))
            if compiled.warnings != self.live?.warnings { self.report(compiled.warnings) }
            return PreparedChange(
                compiled: compiled, compiler: compiler, sockets: sockets,
                load: load, begin: begin,
                compiledAt: compiledAt, boundAt: monotonicNow())
        } catch {
            self.names.watch(before)
            throw error
        }
    }

    /// Compiles the file, and what the registry has where there is one.
    private func compile(
        _ configuration: Configuration, _ compiler: inout SnapshotCompiler
    ) async throws(ChangeRefused) -> (CompiledConfiguration, RegistryLoad?) {
        let compiled: CompiledConfiguration
        do throws(ConfigurationRefused) {
            compiled = try compiler.compile(
                configuration, revision: self.newestRevision &+ 1, epoch: self.epoch,
                now: Timestamp(nanoseconds: wallClockNanoseconds()),
                addresses: self.names.addresses)
        } catch {
            throw .configuration(error)
        }
        guard let registry = self.registry else { return (compiled, nil) }
        do throws(StoreError) {
            do throws(StoreError) {
                let whole = try await self.compileRegistry(registry, onto: compiled, &compiler)
                if self.live == nil { await self.sayIfOlder(whole.1) }
                return whole
            } catch {
                // Who serves already goes on as it is.
                guard self.live == nil else { throw error }
                return try await self.compileSnapshot(onto: compiled, &compiler, because: error)
            }
        } catch {
            throw .registry(error)
        }
    }

    /// Makes a change live.
    private func carry(_ change: PreparedChange, trigger: String) async -> ReloadVerdict {
        let old = self.live
        let before = self.newestRevision
        let compiled = change.compiled
        self.records.use(compiled.configuration.access.destination)
        self.compiler = change.compiler
        self.live = compiled
        self.newestRevision = change.revision
        let toldAt = monotonicNow()
        let (portSockets, ports) = self.beginPorts(compiled.snapshot)
        let obeying = await self.fleet.apply(
            .apply(compiled.snapshot, sockets: change.sockets.next + portSockets),
            revision: change.revision, timeout: Self.applyTimeout)
        for worker in obeying { self.liveRevisions[worker] = change.revision }
        self.finishPorts(ports)
        compiled.snapshot.tenants.visit { _, tenant in tenant.usage.use(tenant.limits) }
        if let load = change.load {
            self.isLoaded(
                load, compiled.tables, obey: obeying.count == self.fleet.workers)
        }
        // A worker that did not answer may still accept on an old socket, until it wakes and hears
        // of the change.
        self.sockets.keep(change.sockets)
        self.tellDropped()
        let liveAt = monotonicNow()
        self.hasLeftMemory = true
        self.reloads.took(
            compile: change.compiledAt.nanoseconds(since: change.begin),
            bind: change.boundAt.nanoseconds(since: change.compiledAt),
            broadcast: liveAt.nanoseconds(since: toldAt))
        return ReloadVerdict(
            oldRevision: before, revision: change.revision,
            workersLive: self.workersLive, workers: self.fleet.workers,
            milliseconds: liveAt.nanoseconds(since: change.begin) / 1_000_000,
            tenantsChanged: compiled.tenantsChanged(since: old),
            openConnections: await self.openConnections(), trigger: trigger)
    }

    private func openSockets(
        for compiled: CompiledConfiguration
    ) throws(ChangeRefused) -> ListenerSocketSet.Change {
        do throws(ListenerNotOpened) {
            return try self.sockets.change(to: compiled.snapshot, backlogs: compiled.backlogs)
        } catch {
            let place = compiled.configuration.allListeners.first {
                $0.name == error.listener.name
            }
            let problem = ConfigurationProblem(
                .listenerNotOpened, file: compiled.configuration.file,
                place: place?.place ?? SourcePlace(line: 0, column: 0, path: ""),
                found: "\(error.listener.address): \(error.error)",
                expected: "an address of this machine that no other socket has",
                remedy: Self.remedy(for: error))
            throw .configuration(ConfigurationRefused(problems: [problem]))
        }
    }

    private static func remedy(for error: ListenerNotOpened) -> String {
        if error.error.isPermissionDenied, error.listener.address.port < 1024 {
            return "ports below 1024 need CAP_NET_BIND_SERVICE: "
                + "setcap cap_net_bind_service=+ep on the program, or another port"
        }
        if error.error.isAddressNotAvailable {
            return "write an address that this machine has (ip address), or [::] for all of them"
        }
        return "stop what holds the address (ss -ltnp), or give the listener another one"
    }

    /// Logs problems, one line each.
    func report(_ problems: [ConfigurationProblem]) {
        for problem in problems {
            var fields: Logger.Metadata = [
                "code": "\(problem.code.rawValue)",
                "place": "\(problem.file):\(problem.line):\(problem.column)",
            ]
            if !problem.path.isEmpty { fields["path"] = "\(problem.path)" }
            self.logger.log(
                level: problem.severity == .error ? .error : .warning,
                "\(problem.found); expected \(problem.expected); \(problem.remedy)",
                metadata: fields)
        }
    }

    // MARK: Reloads

    /// Reads the file again soon; nobody waits for it, so that the next signal is heard at once.
    nonisolated package func reloadBySignal() { self.reloadSignals.continuation.yield() }

    /// Reads the file again and makes it live, after every change that was asked for earlier.
    package func reload(trigger: String) async -> ReloadOutcome {
        await self.inTurn { await $0.announcedReload(trigger: trigger) }
    }

    /// Changes happen one after the other, in the order in which they were asked for.
    func inTurn<Outcome: Sendable>(
        _ change: @escaping @Sendable (isolated ControlPlane) async -> Outcome
    ) async -> Outcome {
        let previous = self.lastChange
        let task = Task {
            await previous?.value
            return await change(self)
        }
        self.lastChange = Task { _ = await task.value }
        return await task.value
    }

    /// Looks at files until cancelled; also changes the ticket keys when their time has come, and
    /// gives back what the last change has left.
    private func watch() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.watchInterval) } catch { return }
            // While draining nothing is looked at: what changes then is read on the way back.
            if self.stage == .serving, self.hasChangedOnDisk() {
                _ = await self.reload(trigger: "file change")
            }
            if self.ticketKeysAreDue {
                await self.inTurn { await $0.rotateTicketKeys() }
            }
            await self.forgetEndedProcesses()
            if self.hasLeftMemory {
                self.hasLeftMemory = false
                Memory.giveBack()
            }
        }
    }

    /// Remembers how the watched files look now.
    func remember() {
        self.marks = self.currentMarks()
        self.pendingMarks = self.marks
    }

    /// Whether files have changed and have looked the same at two looks since.
    private func hasChangedOnDisk() -> Bool {
        let now = self.currentMarks()
        defer { self.pendingMarks = now }
        guard now != self.marks, now == self.pendingMarks else { return false }
        self.marks = now
        return true
    }

    private func currentMarks() -> [String: FileMark] {
        var paths = Set(self.live.map { Array($0.files.keys) } ?? [])
        paths.insert(self.path)
        paths.formUnion(self.marks.keys)  // what a refused configuration named stays watched
        return Dictionary(uniqueKeysWithValues: paths.map { ($0, FileMark(path: $0)) })
    }
}

/// A change that is compiled and has its sockets, and is carried to the workers next.
private struct PreparedChange {
    let compiled: CompiledConfiguration
    /// As it is once the change is live.
    let compiler: SnapshotCompiler
    let sockets: ListenerSocketSet.Change
    /// Of the registry, whose tenants are in it; nil without one.
    let load: RegistryLoad?
    let begin: Instant
    let compiledAt: Instant
    let boundAt: Instant

    var revision: UInt64 { self.compiled.snapshot.revision }
}
