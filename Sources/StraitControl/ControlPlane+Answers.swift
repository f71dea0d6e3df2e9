// What operators ask, answered from the live snapshot and the workers.

internal import StraitConfig
package import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot

extension ControlPlane {
    /// How many connections one answer lists at most.
    package static let listedConnectionsMax = 10_000

    /// Whether every worker's loop turns: each answers within a second.
    package func isAlive() async -> Bool {
        await self.workerMetrics().count == self.fleet.workers
    }

    /// Whether this router can route.
    package func readiness() -> ReadinessAnswer {
        ReadinessFacts(
            stage: self.stage, listenersWanted: self.live?.snapshot.listeners.count ?? 0,
            listenersBound: self.sockets.sockets.count,
            revision: self.live?.snapshot.revision ?? 0, workers: self.fleet.workers,
            workersLive: self.workersLive, registryFailure: self.registryFacts.failure
        ).answer
    }

    /// All metrics, in Prometheus' text format.
    package func metricsText() async -> String {
        let workers = await self.workerMetrics()
        let access = self.records.dropped
        var control = ControlFacts()
        control.desiredRevision = self.live?.snapshot.revision ?? 0
        control.liveRevisions = self.liveRevisions
        control.loaded = self.reloads.lastSuccess
        control.isLastReloadSuccessful = self.reloads.isLastSuccessful
        control.applyDurations = self.reloads.durations
        control.readiness = self.readiness()
        control.isDraining = self.stage == .draining
        control.registry = self.registryAnswer
        control.registryRefused = self.registryFacts.refused.count
        control.registryLiveSince = self.registryFacts.liveSince
        if let copied = self.registryFacts.copied { control.registryCopied = copied }
        control.drainingProcesses = self.handOver.draining.count
        control.upgradeFailures = self.handOver.failures
        control.connectionsMax = self.connectionsMax
        control.pipesPerWorker = self.shares.pipesPerWorker
        control.unroutedMax = self.live?.snapshot.limits.unroutedConnections ?? 0
        control.accessLinesDropped = access.lines
        control.accessSink = access.sink
        control.logLinesDropped = self.logLinesDropped()
        control.upstreams = self.upstreamFacts()
        control.ports = self.portStatus
        control.sourceAddresses = self.live?.snapshot.sourceAddresses ?? []
        return MetricsRenderer(
            directory: self.live?.directory ?? MetricsDirectory(), workers: workers,
            control: control, process: ProcessFacts.now()
        ).text()
    }

    /// What is live, in short.
    package func status() async -> StatusAnswer {
        let metrics = await self.workerMetrics()
        let now = Timestamp(nanoseconds: wallClockNanoseconds())
        let snapshot = self.live?.snapshot
        let directory = self.live?.directory ?? MetricsDirectory()
        return StatusAnswer(
            version: BuildInformation.version, router: snapshot?.router ?? "",
            region: snapshot?.region ?? "", status: self.readiness().status,
            revision: snapshot?.revision ?? 0, workers: self.fleet.workers,
            workersLive: self.workersLive, started: self.started.description,
            uptimeSeconds: now.seconds - min(self.started.seconds, now.seconds),
            openConnections: Self.open(metrics), pid: processIdentifier(),
            draining: self.handOver.draining,
            lastReloadSuccessful: self.reloads.isLastSuccessful,
            listeners: (snapshot?.listeners ?? []).map { self.listenerAnswer($0) },
            services: (snapshot?.services.elements ?? []).prefix(StatusAnswer.servicesMax).map {
                service in
                let labels = directory.labels(ofSlot: service.metricsSlot)
                let open = metrics.reduce(0) { $0 + ($1.open[service.metricsSlot] ?? 0) }
                return StatusAnswer.Service(
                    tenant: service.tenant.name, service: service.name,
                    protocol: service.serviceProtocol.rawValue, mode: service.mode.rawValue,
                    upstreams: service.upstreams.map { StatusAnswer.Upstream($0, of: service) },
                    open: labels.tenant == service.tenant.name ? open : nil)
            },
            servicesTotal: snapshot?.services.count ?? 0, registry: self.registryAnswer,
            certificates: directory.certificates.map {
                StatusAnswer.Certificate(
                    tenant: $0.tenant, name: $0.name, kind: $0.kind,
                    notAfter: Timestamp(seconds: $0.notAfter).description)
            }, ports: self.portStatus)
    }

    /// How every address stands that has a series of its own.
    func upstreamFacts() -> [ControlFacts.Upstream] {
        (self.live?.snapshot.services.elements ?? []).flatMap { service in
            service.upstreams.map { upstream in
                ControlFacts.Upstream(
                    slot: upstream.metricsSlot, isJudged: service.isJudged,
                    account: upstream.standing.account, share: upstream.standing.share)
            }
        }
    }

    /// The address as the kernel has it: a listener with port 0 has got one.
    private func listenerAnswer(_ listener: ListenerPlan) -> StatusAnswer.Listener {
        let socket = self.sockets.sockets.first { $0.id == listener.id }
        let bound = socket.flatMap { Sockets.localAddress($0.descriptor) }
        return StatusAnswer.Listener(
            name: listener.name, address: (bound ?? listener.address).description)
    }

    /// Open connections, the oldest first, at most `limit` of them.
    package func connections(limit: Int) async -> [ConnectionAnswer] {
        let bound = min(max(limit, 0), Self.listedConnectionsMax)
        let reports = await self.fleet.ask(timeout: Self.answerTimeout) {
            .listConnections(token: $0, limit: bound)
        }
        let all = reports.flatMap { report -> [ConnectionSummary] in
            if case .connections(_, let list) = report { list } else { [] }
        }
        return all.sorted { $0.ageNanoseconds > $1.ageNanoseconds }.prefix(bound)
            .map(ConnectionAnswer.init)
    }

    /// The access record of one connection, open or lately ended, as one JSON object; nil: not
    /// known.
    package func record(of id: ConnectionID) async -> (json: [UInt8], isOpen: Bool)? {
        let reports = await self.fleet.ask(timeout: Self.answerTimeout) {
            .findConnection(token: $0, id: id)
        }
        for case .found(_, .some(let found)) in reports {
            return (found.recordJSON, found.isOpen)
        }
        return nil
    }

    /// Ends one connection; false when it is not open.
    package func close(_ id: ConnectionID) async -> Bool {
        let reports = await self.fleet.ask(timeout: Self.answerTimeout) {
            .closeConnection(token: $0, id: id)
        }
        return reports.contains { report in
            if case .closed(_, true) = report { true } else { false }
        }
    }

    /// A decision of the live snapshot, with every rule that was considered.
    package func explain(_ query: ExplainQuery) throws(ExplainFailure) -> ExplainAnswer {
        guard let live = self.live else { throw ExplainFailure(description: "nothing is live yet") }
        return try query.answer(from: live.snapshot)
    }

    /// Connections that are open now, over all workers.
    func openConnections() async -> Int { Self.open(await self.workerMetrics()) }

    private static func open(_ metrics: [WorkerMetrics]) -> Int {
        metrics.reduce(0) { $0 + $1.open.values.reduce(0, +) }
    }

    func workerMetrics() async -> [WorkerMetrics] {
        let reports = await self.fleet.ask(timeout: Self.answerTimeout) {
            .collectMetrics(token: $0)
        }
        return reports.compactMap { report in
            if case .metrics(_, let metrics) = report { metrics } else { nil }
        }.sorted { $0.worker < $1.worker }
    }

    private var shares: DescriptorShares {
        DescriptorShares(descriptors: Sockets.descriptorLimit(), workers: self.fleet.workers)
    }

    /// As the configuration and the descriptors allow; the compiler has put the two together.
    private var connectionsMax: Int {
        self.live?.snapshot.limits.connections ?? self.shares.connections
    }
}

extension ServicePlan {
    /// Whether anything tells how its addresses stand: checks, or connects beside another address.
    var isJudged: Bool { self.upstreams.count > 1 || self.health.check != .off }
}

extension StatusAnswer.Upstream {
    /// An address as it stands now.
    fileprivate init(_ upstream: UpstreamPlan, of service: ServicePlan) {
        let account = upstream.standing.account
        self.init(
            address: upstream.address.description, name: upstream.name?.description,
            health: service.isJudged ? account.health.rawValue : nil,
            since: account.since > 0 ? Timestamp(nanoseconds: account.since).description : nil,
            why: account.why.isEmpty ? nil : account.why, weight: Int(upstream.weight),
            backup: upstream.isBackup,
            open: service.upstreams.count > 1 ? upstream.standing.open : nil)
    }
}
