// Every metric of the router, from the workers' counters and the control plane's facts. Pure.

package import StraitCore
package import StraitEngine
package import StraitSnapshot

/// What the control plane contributes.
package struct ControlFacts: Sendable {
    /// The newest revision that was compiled.
    package var desiredRevision: UInt64 = 0
    /// By worker.
    package var liveRevisions: [UInt64] = []
    /// When it went live.
    package var loaded = Timestamp(nanoseconds: 0)
    /// Whether the last configuration that was read went live.
    package var isLastReloadSuccessful = true
    /// By stage: `compile`, `bind`, `broadcast`.
    package var applyDurations: [String: WorkerMetrics.Histogram] = [:]
    /// As `/readyz` has it.
    package var readiness = ReadinessAnswer(status: "starting", checks: [])
    /// Whether the router is on its way out.
    package var isDraining = false
    /// How the registry stands; nil without one.
    package var registry: StatusAnswer.Registry?
    /// Tenants of the registry that cannot be used.
    package var registryRefused = 0
    /// Since when every change up to the registry's revision is live.
    package var registryLiveSince = Timestamp(nanoseconds: 0)
    /// When the copy of the last good state was up to date last; 0: not since the start.
    package var registryCopied = Timestamp(nanoseconds: 0)
    /// Other processes of this router that finish what is open in them.
    package var drainingProcesses = 0
    /// By reason.
    package var upgradeFailures: [String: UInt64] = [:]
    /// Connections that may be open.
    package var connectionsMax = 0
    /// How many splice pipes a worker may have in use.
    package var pipesPerWorker = 0
    /// Connections that may be unrouted, per worker.
    package var unroutedMax = 0
    /// Access records that were lost on their way out.
    package var accessLinesDropped: UInt64 = 0
    /// Where access records go: `stdout`, `stderr`, `file` or `off`.
    package var accessSink = "off"
    /// Log lines that were lost on their way out.
    package var logLinesDropped: UInt64 = 0
    /// Ports of tenants' own; nil where there are none.
    package var ports: PortStatus?
    /// The addresses of the snapshot's services.
    package var upstreams: [Upstream] = []

    /// Sources that upstreams are dialled from, as configured.
    package var sourceAddresses: [IPAddress] = []

    /// How an address stands.
    package struct Upstream: Sendable {
        /// Its ``UpstreamPlan/metricsSlot``.
        package var slot: Int
        /// Whether anything tells how it stands.
        package var isJudged: Bool
        /// What people are told.
        package var account: UpstreamStanding.Account
        /// What part of its weight counts, of ``UpstreamHealth/wholeShare``.
        package var share: UInt32

        /// See the properties.
        package init(
            slot: Int, isJudged: Bool, account: UpstreamStanding.Account, share: UInt32
        ) {
            self.slot = slot
            self.isJudged = isJudged
            self.account = account
            self.share = share
        }
    }

    /// Of a router that has just begun.
    package init() {}
}

/// Renders metrics.
package struct MetricsRenderer: Sendable {
    let directory: MetricsDirectory
    let workers: [WorkerMetrics]
    let control: ControlFacts
    let process: ProcessFacts

    /// - Parameters:
    ///   - directory: What slots stand for.
    ///   - workers: The counters of every worker that has answered.
    ///   - control: What the control plane knows.
    ///   - process: What the kernel says.
    package init(
        directory: MetricsDirectory, workers: [WorkerMetrics], control: ControlFacts,
        process: ProcessFacts
    ) {
        self.directory = directory
        self.workers = workers
        self.control = control
        self.process = process
    }

    /// The whole text.
    package func text() -> String {
        var text = PrometheusText()
        self.addBuild(&text)
        self.addConnections(&text)
        self.addBytes(&text)
        self.addDurations(&text)
        self.addTLS(&text)
        self.addUpstreams(&text)
        self.addHealth(&text)
        self.addCertificates(&text)
        self.addSnapshot(&text)
        self.addPorts(&text)
        self.addAliases(&text)
        self.addLimits(&text)
        self.addWorkers(&text)
        self.addReadiness(&text)
        self.addProcess(&text)
        return text.text
    }

    /// Slots whose series are shown, in order: those of the snapshot, and others while something is
    /// open there.
    func shownSlots() -> [Int] {
        let busy = self.workers.flatMap { $0.open.filter { $0.value > 0 }.keys }
        return self.directory.liveServices.union(busy).sorted()
    }

    /// Sums counters that fall into one series; the order is that of the labels.
    static func summed<Key: Hashable, Value: AdditiveArithmetic>(
        _ pairs: [(Key, Value)]
    ) -> [Key: Value] {
        Dictionary(pairs, uniquingKeysWith: +)
    }

    // MARK: Connections

    private func addBuild(_ text: inout PrometheusText) {
        text.family("strait_build_info", .gauge, "Which program this is.")
        text.sample(
            [
                "version": BuildInformation.version, "commit": BuildInformation.commit,
                "openssl": BuildInformation.openssl, "swift": BuildInformation.swift,
            ], 1)
    }

    private func addConnections(_ text: inout PrometheusText) {
        text.family(
            "strait_connections_accepted_total", .counter, "Connections accepted, by listener.")
        for (id, name) in self.directory.listeners.sorted(by: { $0.key < $1.key }) {
            text.sample(
                ["listener": name], self.workers.reduce(UInt64(0)) { $0 &+ ($1.accepted[id] ?? 0) })
        }
        text.family("strait_connections_open", .gauge, "Connections open now.")
        for slot in self.shownSlots() {
            let labels = self.directory.labels(ofSlot: slot)
            text.sample(
                [
                    "tenant": labels.tenant, "service": labels.service,
                    "protocol": labels.serviceProtocol, "mode": labels.mode,
                ], self.workers.reduce(0) { $0 + ($1.open[slot] ?? 0) })
        }
        self.addClosed(&text)
        self.addRefused(&text)
        text.family(
            "strait_names_unknown_total", .counter, "Connections for names that lead nowhere.")
        text.sample(self.workers.reduce(UInt64(0)) { $0 &+ $1.unknownNames })
    }

    private struct ClosedSeries: Hashable {
        var tenant: String
        var serviceProtocol: String
        var phase: Phase
        var reason: CloseReason
    }

    private func addClosed(_ text: inout PrometheusText) {
        let shown = Set(self.shownSlots())
        var pairs = self.workers.flatMap { $0.closed.map { ($0.key, $0.value) } }
            .filter { shown.contains($0.0.slot) }
            .map { key, count -> (ClosedSeries, UInt64) in
                let labels = self.directory.labels(ofSlot: key.slot)
                return (
                    ClosedSeries(
                        tenant: labels.tenant, serviceProtocol: labels.serviceProtocol,
                        phase: key.phase, reason: key.reason), count
                )
            }
        pairs += self.directory.liveServices.filter { $0 > 0 }.map { slot in
            let labels = self.directory.labels(ofSlot: slot)
            return (
                ClosedSeries(
                    tenant: labels.tenant, serviceProtocol: labels.serviceProtocol, phase: .relay,
                    reason: CloseReason(.downstream, .finished)), 0
            )
        }
        text.family(
            "strait_connections_closed_total", .counter,
            "Connections ended, by phase, side and reason.")
        let series = Self.summed(pairs).sorted {
            (
                $0.key.tenant, $0.key.serviceProtocol, $0.key.phase.rawValue,
                $0.key.reason.side.rawValue, $0.key.reason.kind.rawValue
            )
                < (
                    $1.key.tenant, $1.key.serviceProtocol, $1.key.phase.rawValue,
                    $1.key.reason.side.rawValue, $1.key.reason.kind.rawValue
                )
        }
        for (key, count) in series {
            text.sample(
                [
                    "tenant": key.tenant, "protocol": key.serviceProtocol, "phase": key.phase.name,
                    "side": key.reason.side.name, "reason": key.reason.kind.rawValue,
                ], count)
        }
    }

    private struct RefusedSeries: Hashable {
        var tenant: String
        var check: String
        var reason: String
    }

    private func addRefused(_ text: inout PrometheusText) {
        let shown = Set(self.shownSlots())
        var pairs = self.workers.flatMap { $0.closed.map { ($0.key, $0.value) } }
            .compactMap { key, count -> (RefusedSeries, UInt64)? in
                guard shown.contains(key.slot), let check = key.reason.kind.check else {
                    return nil
                }
                return (
                    RefusedSeries(
                        tenant: self.directory.labels(ofSlot: key.slot).tenant,
                        check: check.rawValue, reason: key.reason.kind.rawValue), count
                )
            }
        let tenants = Set(
            self.directory.liveServices.map { self.directory.labels(ofSlot: $0).tenant })
        pairs += tenants.map { tenant in
            let kind = CloseReason.Kind.nameUnknown
            let check = kind.check?.rawValue ?? ""
            return (RefusedSeries(tenant: tenant, check: check, reason: kind.rawValue), 0)
        }
        text.family(
            "strait_connections_refused_total", .counter,
            "Connections refused, by the check that refused them.")
        let series = Self.summed(pairs).sorted {
            ($0.key.tenant, $0.key.check, $0.key.reason)
                < ($1.key.tenant, $1.key.check, $1.key.reason)
        }
        for (key, count) in series {
            text.sample(
                [
                    "tenant": key.tenant, "check": key.check, "reason": key.reason,
                    "enforced": "true",
                ], count)
        }
    }

    // MARK: Bytes and time

    private func addBytes(_ text: inout PrometheusText) {
        typealias Bytes = WorkerMetrics.Bytes
        let families: [(String, String, KeyPath<Bytes, UInt64>, KeyPath<Bytes, UInt64>)] = [
            (
                "strait_received_bytes_total",
                "Bytes received, counted while connections are open.",
                \.downstreamReceived, \.upstreamReceived
            ),
            (
                "strait_sent_bytes_total", "Bytes sent, counted while connections are open.",
                \.downstreamSent, \.upstreamSent
            ),
        ]
        for (name, help, downstream, upstream) in families {
            text.family(name, .counter, help)
            for slot in self.shownSlots() {
                let labels = self.directory.labels(ofSlot: slot)
                for (side, path) in [("downstream", downstream), ("upstream", upstream)] {
                    let sum = self.workers.reduce(UInt64(0)) {
                        $0 &+ ($1.bytes[slot]?[keyPath: path] ?? 0)
                    }
                    text.sample(
                        ["tenant": labels.tenant, "service": labels.service, "side": side], sum)
                }
            }
        }
    }

    private struct ProtocolAndMode: Hashable {
        var serviceProtocol: String
        var mode: String
    }

    private func addDurations(_ text: inout PrometheusText) {
        var whole: [ProtocolAndMode: WorkerMetrics.Histogram] = [:]
        for slot in self.shownSlots() {
            let labels = self.directory.labels(ofSlot: slot)
            let key = ProtocolAndMode(serviceProtocol: labels.serviceProtocol, mode: labels.mode)
            var sum = whole[key] ?? WorkerMetrics.Histogram()
            for worker in self.workers { sum.add(worker.connectionDuration[slot]) }
            whole[key] = sum
        }
        text.family(
            "strait_connection_duration_seconds", .histogram,
            "How long connections lasted, from accept to close.")
        for (key, histogram) in whole.sorted(by: {
            ($0.key.serviceProtocol, $0.key.mode) < ($1.key.serviceProtocol, $1.key.mode)
        }) {
            text.histogram(
                ["protocol": key.serviceProtocol, "mode": key.mode], histogram,
                exponents: Self.connectionExponents)
        }
        self.addPhases(&text)
    }

    private struct PhaseSeries: Hashable {
        var phase: Phase
        var serviceProtocol: String
    }

    /// Also those of services that are gone: a sum over services may not go down.
    private func addPhases(_ text: inout PrometheusText) {
        var sums: [PhaseSeries: WorkerMetrics.Histogram] = [:]
        for slot in self.directory.liveServices {
            let spoken = self.directory.labels(ofSlot: slot).serviceProtocol
            for phase in Self.measuredPhases {
                sums[PhaseSeries(phase: phase, serviceProtocol: spoken)] = .init()
            }
        }
        for (key, histogram) in self.workers.flatMap(\.phaseDuration) {
            let series = PhaseSeries(
                phase: key.phase,
                serviceProtocol: self.directory.labels(ofSlot: key.slot).serviceProtocol)
            sums[series, default: .init()].add(histogram)
        }
        text.family(
            "strait_phase_duration_seconds", .histogram, "How long each phase lasted.")
        for (key, sum) in sums.sorted(by: {
            ($0.key.phase.rawValue, $0.key.serviceProtocol)
                < ($1.key.phase.rawValue, $1.key.serviceProtocol)
        }) {
            text.histogram(
                ["phase": key.phase.name, "protocol": key.serviceProtocol], sum,
                exponents: Self.phaseExponents)
        }
    }

    /// The others take no time of their own.
    private static let measuredPhases: [Phase] = [.peek, .handshake, .connect]

    /// 128 us to 1.2 h.
    static let connectionExponents = 7...32
    /// 128 us to 67 s.
    static let phaseExponents = 7...26
    /// 16 us to 1.05 s.
    static let turnExponents = 4...20
}

extension WorkerMetrics.Histogram {
    /// Adds another's counts.
    mutating func add(_ other: WorkerMetrics.Histogram?) {
        guard let other else { return }
        for index in self.buckets.indices where other.buckets.indices.contains(index) {
            self.buckets[index] &+= other.buckets[index]
        }
        self.sumNanoseconds &+= other.sumNanoseconds
    }
}
