// A change of desired state, from the file to the verdict.

internal import Logging
package import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitSnapshot
internal import StraitStore
internal import StraitTLS

/// What a change came to.
package struct ReloadVerdict: Codable, Hashable, Sendable {
    /// The revision before it; 0 at the start.
    package var oldRevision: UInt64
    /// The revision that went live.
    package var revision: UInt64
    /// How many of them obey the revision.
    package var workersLive: Int
    /// How many workers there are.
    package var workers: Int
    /// From reading to the last acknowledgement.
    package var milliseconds: UInt64
    /// Tenants that came, went or changed.
    package var tenantsChanged: Int
    /// Connections that are open now.
    package var openConnections: Int
    /// What asked for it: `start`, `SIGHUP`, `file change`, `request`, `ticket keys`.
    package var trigger: String

    /// See the properties.
    package init(
        oldRevision: UInt64, revision: UInt64, workersLive: Int, workers: Int,
        milliseconds: UInt64, tenantsChanged: Int, openConnections: Int, trigger: String
    ) {
        self.oldRevision = oldRevision
        self.revision = revision
        self.workersLive = workersLive
        self.workers = workers
        self.milliseconds = milliseconds
        self.tenantsChanged = tenantsChanged
        self.openConnections = openConnections
        self.trigger = trigger
    }

    /// `revision 42 -> 43 live on 8/8 workers in 11 ms; 3 tenants changed; 9114 open connections
    /// kept`.
    package var text: String {
        let tenants = self.tenantsChanged == 1 ? "tenant" : "tenants"
        let connections = self.openConnections == 1 ? "connection" : "connections"
        return "revision \(self.oldRevision) -> \(self.revision) live on "
            + "\(self.workersLive)/\(self.workers) workers in \(self.milliseconds) ms; "
            + "\(self.tenantsChanged) \(tenants) changed; "
            + "\(self.openConnections) open \(connections) kept"
    }
}

/// How a reload ended.
package enum ReloadOutcome: Sendable {
    case applied(ReloadVerdict)
    /// The file and all that it names say what is live already.
    case unchanged(revision: UInt64)
    /// The old configuration stays.
    case refused(revision: UInt64, [ConfigurationProblem])
    /// The router is on its way out.
    case draining
}

/// What metrics tell of reloads.
struct ReloadFacts: Sendable {
    var isLastSuccessful = true
    var lastSuccess = Timestamp(nanoseconds: 0)
    /// By stage: `compile`, `bind`, `broadcast`.
    var durations: [String: WorkerMetrics.Histogram] = [:]

    /// The configuration file is live, or says what is.
    mutating func succeeded(now: Timestamp) {
        self.isLastSuccessful = true
        self.lastSuccess = now
    }

    /// A change was carried across.
    mutating func took(compile: UInt64, bind: UInt64, broadcast: UInt64) {
        for (stage, spent) in [("compile", compile), ("bind", bind), ("broadcast", broadcast)] {
            self.durations[stage, default: WorkerMetrics.Histogram()].record(nanoseconds: spent)
        }
    }
}

extension ControlPlane {
    /// Reads, checks, compares, applies.
    ///
    /// Every way out leaves either the old state or the whole new one.
    func performReload(trigger: String) async -> ReloadOutcome {
        guard self.stage == .serving, let live = self.live else { return .draining }
        let reading = ConfigurationReader().read(path: self.path)
        guard var configuration = reading.configuration else {
            return self.refuse(reading.problems, trigger: trigger)
        }
        if let problem = self.lastTenantGone(configuration, live: live, reading.problems) {
            return self.refuse([problem], trigger: trigger)
        }
        // Where an address was missing when this process came back, it is tried again.
        let isListening = self.sockets.sockets.count == live.snapshot.listeners.count
        if isListening, configuration == live.configuration, self.filesAreUnchanged(live),
            live.endedAliases(at: UInt64(clamping: wallClockSeconds())).isEmpty
        {
            self.reloads.isLastSuccessful = true
            self.logger.info(
                "nothing changed; revision \(live.snapshot.revision) stays",
                metadata: ["trigger": "\(trigger)"])
            return .unchanged(revision: live.snapshot.revision)
        }
        do throws(ChangeRefused) {
            self.report(reading.problems)
            self.warnOfFixedSettings(old: live.configuration, new: configuration)
            configuration.ports = live.configuration.ports
            let verdict = try await self.apply(configuration, trigger: trigger)
            self.reloads.succeeded(now: Timestamp(nanoseconds: wallClockNanoseconds()))
            self.remember()
            self.logger.notice("\(verdict.text)", metadata: ["trigger": "\(trigger)"])
            return .applied(verdict)
        } catch {
            switch error {
            case .configuration(let refused): return self.refuse(refused.problems, trigger: trigger)
            case .registry(let error):
                return self.refuse([self.problem(of: error)], trigger: trigger)
            case .draining: return .draining
            }
        }
    }

    /// A file without tenants is most often one that is still being written: what serves somebody
    /// is not replaced by what serves nobody.
    private func lastTenantGone(
        _ configuration: Configuration, live: CompiledConfiguration,
        _ problems: [ConfigurationProblem]
    ) -> ConfigurationProblem? {
        let count = live.configuration.tenants.count
        guard configuration.tenants.isEmpty, count > 0 else { return nil }
        let warning = problems.first { $0.code == .nothingToServe }
        return ConfigurationProblem(
            .lastTenantGone, file: configuration.file,
            place: SourcePlace(
                line: warning?.line ?? 0, column: warning?.column ?? 0, path: warning?.path ?? ""),
            found: "no tenants, while revision \(live.snapshot.revision) serves \(count)",
            expected: "at least one tenant, as a reload never takes the last one away",
            remedy: "write the file to its end, or move a whole one into its place; to serve "
                + "nobody, end the router and start it with this file")
    }

    private func refuse(
        _ problems: [ConfigurationProblem], trigger: String
    ) -> ReloadOutcome {
        let revision = self.live?.snapshot.revision ?? 0
        self.reloads.isLastSuccessful = false
        self.report(problems)
        let errors = problems.count { $0.severity == .error }
        let words = errors == 1 ? "1 error" : "\(errors) errors"
        self.logger.error(
            "configuration refused: \(words); revision \(revision) stays live",
            metadata: ["trigger": "\(trigger)"])
        return .refused(revision: revision, problems)
    }

    /// What is wrong where the registry cannot be read.
    func problem(of error: StoreError) -> ConfigurationProblem {
        ConfigurationProblem(
            .registryUnusable, file: self.path,
            place: SourcePlace(line: 0, column: 0, path: "registry"), found: error.text,
            expected: "a registry that can be read",
            remedy: "mend it, and reload; what is live stays until then")
    }

    private func filesAreUnchanged(_ live: CompiledConfiguration) -> Bool {
        var files = FileContents()
        for (path, digest) in live.files {
            do throws(FileError) {
                let bytes = try files.read(path)
                guard TLSDigest.sha256(bytes) == digest else { return false }
            } catch {
                return false  // gone: compiling says so, with its line
            }
        }
        return true
    }

    private func warnOfFixedSettings(old: Configuration, new: Configuration) {
        if old.workers != new.workers {
            self.logger.warning("workers: the number of workers changes at the next start only")
        }
        if old.registry?.path != new.registry?.path {
            self.logger.warning("registry: the file changes at the next start only")
        }
        if old.ports != new.ports {
            self.logger.warning("ports: address, ranges and the rest change at the next start only")
        }
        if old.admin.unixPath != new.admin.unixPath {
            self.logger.warning("admin.unix: the path changes at the next start only")
        }
        if old.log != new.log {
            self.logger.warning("log: level and format change at the next start only")
        }
    }

    /// Whether the ticket keys have been in use for half a lifetime, so that none is for longer
    /// than one.
    var ticketKeysAreDue: Bool {
        guard self.stage == .serving, let live = self.live else { return false }
        let lifetime = live.configuration.tls.ticketLifetime.nanoseconds
        return lifetime > 0
            && monotonicNow().nanoseconds(since: self.epochStarted) >= lifetime / 2
    }

    /// New ticket keys, as a revision of their own.
    func rotateTicketKeys() async {
        guard self.ticketKeysAreDue, let live = self.live else { return }
        await self.useTicketKeys(of: self.epoch &+ 1, since: monotonicNow(), live)
    }

    /// Makes ticket keys of another epoch live, as a revision.
    ///
    /// Nothing is compiled and no file read: workers derive the keys.
    func useTicketKeys(
        of epoch: UInt64, since start: Instant, _ live: CompiledConfiguration
    ) async {
        (self.epoch, self.epochStarted) = (epoch, start)
        await self.carry([], onto: live, since: monotonicNow())
        self.logger.info("revision \(self.newestRevision): ticket keys are new")
    }
}
