// TLS, upstreams, certificates, snapshots, limits, workers, readiness, process.

internal import StraitCore
internal import StraitEngine
internal import StraitState

extension MetricsRenderer {
    // MARK: TLS and upstreams

    private struct HandshakeSeries: Hashable {
        var tenant: String
        var version: String
        var isResumed: Bool
        var hasClientCertificate: Bool
    }

    func addTLS(_ text: inout PrometheusText) {
        let shown = Set(self.shownSlots())
        var pairs = self.workers.flatMap { $0.handshakes.map { ($0.key, $0.value) } }
            .filter { shown.contains($0.0.slot) }
            .map { key, count in
                (
                    HandshakeSeries(
                        tenant: self.directory.labels(ofSlot: key.slot).tenant,
                        version: key.version, isResumed: key.isResumed,
                        hasClientCertificate: key.hasClientCertificate), count
                )
            }
        for slot in self.directory.liveServices {
            let labels = self.directory.labels(ofSlot: slot)
            guard labels.mode == ServiceMode.terminate.rawValue else { continue }
            pairs.append(
                (
                    HandshakeSeries(
                        tenant: labels.tenant, version: "1.3", isResumed: false,
                        hasClientCertificate: false), 0
                ))
        }
        text.family("strait_tls_handshakes_total", .counter, "TLS handshakes completed.")
        let series = Self.summed(pairs).map { ($0.key, $0.value) }.sorted {
            ($0.0.tenant, $0.0.version, $0.0.isResumed ? 1 : 0, $0.0.hasClientCertificate ? 1 : 0)
                < (
                    $1.0.tenant, $1.0.version, $1.0.isResumed ? 1 : 0,
                    $1.0.hasClientCertificate ? 1 : 0
                )
        }
        for (key, count) in series {
            text.sample(
                [
                    "tenant": key.tenant, "version": key.version, "resumed": "\(key.isResumed)",
                    "client_certificate": "\(key.hasClientCertificate)",
                ], count)
        }
        self.addAlerts(&text, shown)
    }

    private struct AlertSeries: Hashable {
        var tenant: String
        var side: String
        /// Nil: one without a name.
        var alert: UInt8?
        /// Those with a name first.
        var rank: Int { self.alert.map(Int.init) ?? 256 }
    }

    private func addAlerts(_ text: inout PrometheusText, _ shown: Set<Int>) {
        let pairs = self.workers.flatMap { $0.alerts.map { ($0.key, $0.value) } }
            .filter { shown.contains($0.0.slot) }
            .map { key, count in
                (
                    AlertSeries(
                        tenant: self.directory.labels(ofSlot: key.slot).tenant,
                        side: key.side.name, alert: key.alert), count
                )
            }
        text.family(
            "strait_tls_alerts_total", .counter, "TLS alerts by their number, RFC 8446 section 6.")
        for (key, count) in Self.summed(pairs).sorted(by: {
            ($0.key.tenant, $0.key.side, $0.key.rank) < ($1.key.tenant, $1.key.side, $1.key.rank)
        }) {
            let alert = key.alert.map(String.init) ?? "other"
            text.sample(["tenant": key.tenant, "side": key.side, "alert": alert], count)
        }
    }

    /// Why an address of an upstream may not do.
    static let connectErrors = CloseReason.Kind.allCases.filter { $0.check == .upstream }

    func addUpstreams(_ text: inout PrometheusText) {
        let slots = self.directory.liveUpstreams.sorted()
            .filter { self.directory.upstreams.indices.contains($0) }
        text.family(
            "strait_upstream_connect_errors_total", .counter, "Connects to upstreams that failed.")
        for slot in slots {
            let labels = self.directory.upstreams[slot]
            for reason in Self.connectErrors {
                let key = WorkerMetrics.ConnectErrorKey(slot: slot, reason: reason)
                text.sample(
                    [
                        "tenant": labels.tenant, "service": labels.service,
                        "upstream": labels.address, "reason": reason.rawValue,
                    ], self.workers.reduce(UInt64(0)) { $0 &+ ($1.connectErrors[key] ?? 0) })
            }
        }
        text.family(
            "strait_upstream_connect_duration_seconds", .histogram,
            "How long connects to upstreams took.")
        for slot in slots {
            let labels = self.directory.upstreams[slot]
            var sum = WorkerMetrics.Histogram()
            for worker in self.workers { sum.add(worker.connectDuration[slot]) }
            text.histogram(
                [
                    "tenant": labels.tenant, "service": labels.service,
                    "upstream": labels.address,
                ], sum, exponents: Self.phaseExponents)
        }
    }

    func addCertificates(_ text: inout PrometheusText) {
        text.family(
            "strait_certificate_not_after_timestamp_seconds", .gauge,
            "When certificates end, in seconds since 1970.")
        struct Series: Hashable {
            var tenant: String
            var name: String
            var kind: String
        }
        // Two certificates under one name (ECDSA and RSA): the one that ends first is what matters.
        let ends = Dictionary(
            self.directory.certificates.map {
                (Series(tenant: $0.tenant, name: $0.name, kind: $0.kind), $0.notAfter)
            }, uniquingKeysWith: min)
        for (key, end) in ends.sorted(by: {
            ($0.key.tenant, $0.key.name, $0.key.kind) < ($1.key.tenant, $1.key.name, $1.key.kind)
        }) {
            text.sample(["tenant": key.tenant, "name": key.name, "kind": key.kind], end)
        }
    }

    // MARK: The control plane

    func addSnapshot(_ text: inout PrometheusText) {
        text.family(
            "strait_snapshot_desired_revision", .gauge, "The newest revision that was compiled.")
        text.sample(self.control.desiredRevision)
        text.family(
            "strait_snapshot_live_revision", .gauge, "The revision that each worker obeys.")
        for (worker, revision) in self.control.liveRevisions.enumerated() {
            text.sample(["worker": String(worker)], revision)
        }
        text.family(
            "strait_snapshot_loaded_timestamp_seconds", .gauge,
            "When the configuration of `source` went live last, in seconds since 1970.")
        text.sample(["source": "file"], seconds: self.control.loaded.nanoseconds)
        text.family(
            "strait_snapshot_apply_duration_seconds", .histogram,
            "How long each stage of a change took.")
        for stage in ["compile", "bind", "broadcast"] {
            text.histogram(
                ["stage": stage],
                self.control.applyDurations[stage] ?? WorkerMetrics.Histogram(),
                exponents: Self.phaseExponents)
        }
        text.family(
            "strait_config_last_reload_successful", .gauge,
            "Whether the last configuration that was read went live.")
        text.sample(self.control.isLastReloadSuccessful ? 1 : 0)
        text.family(
            "strait_config_last_reload_success_timestamp_seconds", .gauge,
            "When a configuration went live last, in seconds since 1970.")
        text.sample(seconds: self.control.loaded.nanoseconds)
        self.addRegistry(&text)
    }

    private func addRegistry(_ text: inout PrometheusText) {
        guard let registry = self.control.registry else { return }
        text.family(
            "strait_registry_revision", .gauge,
            "Every change of the registry up to this revision is obeyed by every worker.")
        text.sample(registry.revision)
        text.family(
            "strait_registry_live_timestamp_seconds", .gauge,
            "Since when that is so, in seconds since 1970.")
        text.sample(seconds: self.control.registryLiveSince.nanoseconds)
        text.family(
            "strait_registry_up", .gauge, "Whether the registry can be followed.")
        text.sample(registry.failure == nil ? 1 : 0)
        text.family(
            "strait_registry_snapshot_timestamp_seconds", .gauge,
            "When the copy of the last good state was up to date last, in seconds since 1970.")
        text.sample(seconds: self.control.registryCopied.nanoseconds)
        text.family("strait_registry_tenants", .gauge, "Tenants that are live.")
        text.sample(registry.tenants)
        text.family(
            "strait_registry_tenants_refused", .gauge,
            "Tenants whose rows cannot be used; what was good before stays.")
        text.sample(self.control.registryRefused)
    }

    func addLimits(_ text: inout PrometheusText) {
        let open = self.workers.reduce(0) { $0 + $1.open.values.reduce(0, +) }
        let unrouted = self.workers.reduce(0) { $0 + $1.unrouted }
        let contexts = self.workers.reduce(0) { $0 + $1.tlsContexts }
        let pipes = self.workers.reduce(0) { $0 + $1.pipesOpen }
        let count = max(self.workers.count, 1)
        let rows = [
            ("connections", open, self.control.connectionsMax),
            ("unrouted_connections", unrouted, self.control.unroutedMax * count),
            ("descriptors", self.process.openDescriptors, self.process.descriptorsMax),
            ("tls_contexts", contexts, Limits.tlsContextsMax * count),
            ("splice_pipes", pipes, self.control.pipesPerWorker * count),
        ]
        text.family("strait_limit_used", .gauge, "How much of each bound is used.")
        for (name, used, _) in rows { text.sample(["limit": name], used) }
        text.family("strait_limit_capacity", .gauge, "Each bound.")
        for (name, _, capacity) in rows { text.sample(["limit": name], capacity) }
        self.addLimitsReached(&text)
        self.addLimitDelays(&text)
        text.family(
            "strait_series_folded", .gauge,
            "Services that share the series of tenant other because metrics.tenants is reached.")
        text.sample(["label": "tenant"], self.directory.foldedServices)
    }

    private func addLimitsReached(_ text: inout PrometheusText) {
        let kinds: [(String, String, CloseReason.Kind)] = [
            ("connections", "refused", .connectionLimit),
            ("new_connections", "refused", .rateLimit),
            ("handshakes", "refused", .handshakeLimit),
            ("source_connections", "refused", .sourceConnectionLimit),
            ("source_new_connections", "refused", .sourceRateLimit),
            ("source_handshakes", "refused", .sourceHandshakeLimit),
            ("cancel_requests", "refused", .cancelLimit),
            ("unrouted_connections", "evicted", .evicted),
            ("descriptors", "refused", .descriptorsExhausted),
        ]
        text.family("strait_limit_reached_total", .counter, "How often each bound was reached.")
        for (limit, outcome, kind) in kinds {
            let count = self.workers.reduce(UInt64(0)) { sum, worker in
                worker.closed.reduce(sum) { $0 &+ ($1.key.reason.kind == kind ? $1.value : 0) }
            }
            text.sample(["limit": limit, "outcome": outcome], count)
        }
        text.sample(
            ["limit": "descriptors", "outcome": "paused"],
            self.workers.reduce(UInt64(0)) { $0 &+ $1.acceptPauses })
        text.sample(
            ["limit": "mailbox_messages", "outcome": "refused"],
            self.workers.reduce(UInt64(0)) { $0 &+ $1.mailboxRefusals })
    }

    func addWorkers(_ text: inout PrometheusText) {
        text.family(
            "strait_worker_busy_seconds_total", .counter,
            "Time that each worker spent working instead of waiting.")
        for worker in self.workers {
            text.sample(["worker": String(worker.worker)], seconds: worker.busyNanoseconds)
        }
        text.family(
            "strait_worker_turn_duration_seconds", .histogram,
            "How long turns of the loop took, from waking with events to waiting again.")
        for worker in self.workers {
            text.histogram(
                ["worker": String(worker.worker)], worker.turnDuration,
                exponents: Self.turnExponents)
        }
        text.family(
            "strait_worker_listeners", .gauge,
            "Listeners that each worker knows: open, or gone while connections are open.")
        for worker in self.workers {
            text.sample(["worker": String(worker.worker)], worker.listeners)
        }
        text.family(
            "strait_log_lines_dropped_total", .counter,
            "Lines that were not written because a queue was full or a place could not be written.")
        text.sample(
            ["kind": "access", "sink": self.control.accessSink], self.control.accessLinesDropped)
        let suppressed = self.workers.reduce(UInt64(0)) { $0 &+ $1.logLinesSuppressed }
        text.sample(
            ["kind": "log", "sink": "stderr"], suppressed &+ self.control.logLinesDropped)
    }

    func addReadiness(_ text: inout PrometheusText) {
        text.family("strait_ready", .gauge, "Whether each check of readiness holds.")
        for check in self.control.readiness.checks {
            text.sample(["check": check.name], check.ok ? 1 : 0)
        }
        text.family("strait_draining", .gauge, "Whether this router is on its way out.")
        text.sample(self.control.isDraining ? 1 : 0)
        text.family(
            "strait_draining_processes", .gauge,
            "Other processes of this router that finish what is open in them.")
        text.sample(UInt64(self.control.drainingProcesses))
        text.family(
            "strait_upgrade_failures_total", .counter,
            "Newer processes that did not take over, ended, or were gone back from.")
        for reason in UpgradeFailure.reasons {
            text.sample(["reason": reason], self.control.upgradeFailures[reason] ?? 0)
        }
    }

    // MARK: The process

    func addProcess(_ text: inout PrometheusText) {
        text.family("process_cpu_seconds_total", .counter, "CPU time, user and system.")
        text.sample(fraction: self.process.cpuSeconds)
        text.family("process_resident_memory_bytes", .gauge, "Resident memory.")
        text.sample(self.process.residentBytes)
        text.family("process_open_fds", .gauge, "Open file descriptors.")
        text.sample(self.process.openDescriptors)
        text.family("process_max_fds", .gauge, "File descriptors that may be open.")
        text.sample(self.process.descriptorsMax)
        text.family(
            "process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.")
        text.sample(fraction: self.process.startSeconds)
    }
}
