// What the service manager hears of the router: ready, reloading, on its way out, alive.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitWire

extension ControlPlane {
    /// What an end takes at most beyond its drain.
    private static let endTimeout = Duration.seconds(10)

    /// Says that the router routes, once it does.
    ///
    /// Without that word the service manager ends the start after its own time-out.
    package func announceReady() {
        let readiness = self.readiness()
        guard readiness.isReady else {
            self.logger.warning("\(readiness.text(verbose: false).dropLast()): not announced")
            return
        }
        self.tell(.ready, .status(self.serviceStatus))
    }

    /// Reloads, with the service manager told before and after.
    func announcedReload(trigger: String) async -> ReloadOutcome {
        guard self.stage == .serving else { return await self.performReload(trigger: trigger) }
        self.tell(.reloading(monotonicMicroseconds: monotonicNow().nanoseconds / 1000))
        let outcome = await self.performReload(trigger: trigger)
        self.tell(.ready, .status(self.serviceStatus))
        return outcome
    }

    /// Says that the process ends, and asks for as much time as its drain may take.
    ///
    /// A drain that can be taken back is no such end.
    package func announceEnd() {
        guard !self.hasAnnouncedEnd else { return }
        self.hasAnnouncedEnd = true
        let time = (self.drainFacts.hasEnded ? .zero : self.drainAllowed) + Self.endTimeout
        // Also where another process ends the service: this one takes its time, too.
        let wanted = ServiceNotice.extendTimeout(microseconds: time.nanoseconds / 1000)
        self.serviceManager.tell(self.speaksForService ? [.stopping, wanted] : [wanted])
    }

    /// Changes the line that `systemctl status` shows.
    func announceStatus() { self.tell(.status(self.serviceStatus)) }

    /// Another process speaks from now on.
    ///
    /// This one may still be the main process: it stays that until it ends, so that the end of the
    /// newer one, while this one can accept again, is not taken for the end of the service.
    package func handOverService() { self.speaksForService = false }

    /// The newest that has taken over from this process is the main one, now that this one ends.
    ///
    /// One that was gone back from has none: it was not the main one.
    func nameMainProcess() {
        guard let next = self.handOver.newer.last(where: { !$0.waitForEnd(milliseconds: 0) }) else {
            return
        }
        self.serviceManager.tell([.mainProcess(next.identifier)])
    }

    /// This process is the main one, as far as it is the one that serves.
    func claimService() {
        guard self.stage == .serving else { return }
        self.tell(.mainProcess(processIdentifier()), .status(self.serviceStatus))
    }

    /// This process is the service again.
    package func takeServiceBack() {
        self.speaksForService = true
        self.tell(.ready, .status(self.serviceStatus))
    }

    /// Tells the watchdog that the router lives, for as long as every worker answers.
    ///
    /// With a worker that does not, its time runs out, and the service manager starts anew.
    func answerWatchdog() async {
        guard let interval = self.serviceManager.watchdogInterval else { return }
        while !Task.isCancelled {
            let silent = await self.fleet.silentWorkers(within: interval / 4)
            if silent.isEmpty {
                self.tell(.watchdog)
            } else if !Task.isCancelled {
                let names = silent.map(String.init).joined(separator: ", ")
                self.logger.error(
                    "no answer from worker \(names); the watchdog is not told that all is well")
            }
            do {
                try await Task.sleep(for: silent.isEmpty ? interval / 2 : interval / 4)
            } catch { return }
        }
    }

    private func tell(_ notices: ServiceNotice...) {
        if self.speaksForService { self.serviceManager.tell(notices) }
    }

    private var serviceStatus: String {
        if self.stage == .draining {
            return "draining, at most \(DurationText.text(self.drainAllowed))"
        }
        let snapshot = self.live?.snapshot
        return ServiceStatus(
            revision: snapshot?.revision ?? 0, listeners: snapshot?.listeners.count ?? 0,
            services: snapshot?.services.count ?? 0,
            isLastReloadSuccessful: self.reloads.isLastSuccessful
        ).text
    }
}

/// The line that `systemctl status` shows while the router routes.
package struct ServiceStatus: Hashable, Sendable {
    /// What is live.
    package var revision: UInt64
    /// Listeners of it.
    package var listeners: Int
    /// Services of all tenants.
    package var services: Int
    /// Whether the configuration that was read last is the one that is live.
    package var isLastReloadSuccessful: Bool

    /// See the properties.
    package init(revision: UInt64, listeners: Int, services: Int, isLastReloadSuccessful: Bool) {
        self.revision = revision
        self.listeners = listeners
        self.services = services
        self.isLastReloadSuccessful = isLastReloadSuccessful
    }

    /// `revision 3, 2 listeners, 12 services`.
    package var text: String {
        "revision \(self.revision), "
            + "\(self.listeners) \(self.listeners == 1 ? "listener" : "listeners"), "
            + "\(self.services) \(self.services == 1 ? "service" : "services")"
            + (self.isLastReloadSuccessful ? "" : "; the last reload was refused")
    }
}
