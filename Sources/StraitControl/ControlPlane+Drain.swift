// The way out: readiness first, then the listeners, then what is open, then the threads. A drain
// that an operator asked for can be taken back until nothing is open any more.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import Synchronization

/// What came of taking a drain back.
package enum DrainCancellation: Hashable, Sendable {
    /// The router listens and routes again.
    case cancelled
    /// There was nothing to take back.
    case notDraining
    /// Nothing is open any more, or a signal has come: the process ends.
    case tooLate
    /// An address is somebody else's by now, for people; the drain goes on.
    case refused(String)
}

extension ControlPlane {
    /// How long threads may take to end when nothing is open any more.
    private static let stopTimeout = Duration.seconds(2)

    /// Begins a drain, after which ``run()`` returns; the caller sees to the rest of the process.
    ///
    /// Where one is under way, what is open has no more time than `deadline` from now on.
    package func requestDrain(within deadline: Duration?) async {
        if self.stage == .draining, let deadline {
            await self.hasten(within: deadline)
        }
        self.beginDrain(within: deadline)
    }

    func beginDrain(within deadline: Duration?) {
        guard self.stage == .serving else { return }
        self.drainFacts.deadline = deadline
        self.leave()
        self.drains.continuation.yield()
    }

    /// A signal has come: this process is on its way out at once, whatever change is under way.
    func leaveBySignal() async {
        if self.stage == .serving { self.leave() }
        if self.drainFacts.isBesideAnother, let live = self.live {
            // As it would end any other: what is open has no more time than that.
            await self.hasten(within: live.configuration.timeouts.drain)
            self.endHold()
        }
    }

    private func hasten(within time: Duration) async {
        let end = monotonicNow().advanced(byNanoseconds: time.nanoseconds)
        self.drainFacts.hasten(to: end)
        await self.fleet.hasten(to: end)
    }

    /// This process is on its way out: nobody goes back from it, or takes over from it now.
    private func leave() {
        self.stage = .draining
        self.registryFacts.wakeWatchers()
        self.releasePredecessor()
        if self.handOver.machine.isOffering { self.handOver.successor?.end() }
    }

    /// Takes back a drain that ``requestDrain(within:)`` began.
    package func cancelDrain() async -> DrainCancellation {
        await self.inTurn { await $0.performCancelDrain() }
    }

    private func performCancelDrain() async -> DrainCancellation {
        guard self.stage == .draining else { return .notDraining }
        guard !self.drainFacts.isBesideAnother else {
            return .refused("another process accepts; `strait upgrade --rollback` goes back")
        }
        guard !self.isEnding.load(ordering: .acquiring), !self.drainFacts.hasEnded else {
            return .tooLate
        }
        if let reason = await self.acceptAgain() { return .refused("\(reason); the drain goes on") }
        return .cancelled
    }

    /// Listens and routes again while a drain is under way.
    ///
    /// - Parameter isAlone: Whether nobody else accepts: then what cannot be opened is left out
    ///   and told.
    /// - Returns: Nil, or why not.
    func acceptAgain(isAlone: Bool = false) async -> String? {
        guard !self.isEnding.load(ordering: .acquiring), !self.drainFacts.hasEnded,
            let live = self.live
        else { return "the process ends" }
        let change: ListenerSocketSet.Change
        do throws(ListenerNotOpened) {
            change = try self.sockets.change(
                to: live.snapshot, backlogs: live.backlogs, skipsUnavailable: isAlone)
        } catch {
            return "\(error.listener.address): \(error.error)"
        }
        for missing in change.missing {
            self.logger.error(
                "nobody listens on \(missing.listener.address) until a reload: \(missing.error)")
        }
        self.drainFacts.isResuming = true
        defer { self.drainFacts.isResuming = false }
        self.drainFacts.cancel()
        self.sockets.restoreOptions()
        self.stage = .serving
        self.sockets.keep(change)
        let revision = live.snapshot.revision
        await self.fleet.resume()
        let (portSockets, ports) = self.beginPorts(live.snapshot)
        let obeying = await self.fleet.apply(
            .apply(live.snapshot, sockets: change.next + portSockets), revision: revision,
            timeout: Self.applyTimeout)
        for worker in obeying { self.liveRevisions[worker] = revision }
        self.finishPorts(ports)
        self.portSockets?.restore()
        self.endHold()
        guard self.stage == .serving else { return "the process ends" }  // by a signal, meanwhile
        self.logger.notice("the drain is taken back; revision \(revision) is live again")
        self.announceStatus()
        return nil
    }

    /// Drains; false when it was taken back.
    func drainUnlessCancelled() async -> Bool {
        guard self.stage == .draining else { return false }  // taken back before it began
        return await self.drain()
    }

    /// Drains if that was not done yet, and ends the workers.
    func drainAndStop(bySignal: Bool) async {
        self.isEnding.store(true, ordering: .releasing)
        if self.stage == .serving { self.leave() }
        self.announceEnd()
        if !self.drainFacts.hasEnded {
            _ = await self.drain()
        }
        if bySignal { await self.waitForNewerProcesses() }
        await self.end()
    }

    /// A signal is for every process of the router, and the end of the oldest, which is the main
    /// one, would be taken for the end of all: systemd signals those that are left once more.
    private func waitForNewerProcesses() async {
        let allowed = self.live?.configuration.timeouts.drain ?? Limits.drainTimeout
        let deadline = monotonicNow().advanced(byNanoseconds: allowed.nanoseconds)
        for process in self.handOver.newer {
            guard !process.waitForEnd(milliseconds: 0) else { continue }
            self.logger.notice("waits for process \(process.identifier), which has taken over")
            while !self.drainFacts.isHastened, monotonicNow() < deadline {
                if await Self.hasEnded(process, within: 100) { break }
            }
        }
    }

    /// How long a drain may take.
    var drainAllowed: Duration {
        self.drainFacts.deadline ?? self.live?.configuration.timeouts.drain ?? Limits.drainTimeout
    }

    /// Accepts nothing more and waits for what is open until the deadline; false when it was taken
    /// back.
    private func drain() async -> Bool {
        if self.drainFacts.isResuming { await self.lastChange?.value }
        let cancelled = self.drainFacts.cancelled
        let allowed = self.drainAllowed
        self.announceStatus()
        let open = await self.openConnections()
        guard self.drainFacts.cancelled == cancelled else { return false }
        self.logger.notice(
            "draining: \(open) open, at most \(DurationText.text(allowed))",
            metadata: ["open": "\(open)"])
        let deadline = min(
            self.drainFacts.end, monotonicNow().advanced(byNanoseconds: allowed.nanoseconds))
        let drained = await self.fleet.drain(
            deadline: deadline, timeout: allowed + Self.stopTimeout
        ) { await self.closeListeners(unlessCancelledSince: cancelled) }
        guard self.drainFacts.cancelled == cancelled else { return false }
        if drained { await self.holdForReturn(until: deadline) }
        guard self.drainFacts.cancelled == cancelled else { return false }
        self.drainFacts.hasEnded = true
        if !drained { self.logger.warning("connections were still open at the deadline") }
        return true
    }

    /// Ends what a drain still waits for.
    package func hasten() async {
        self.logger.notice("ending at once")
        self.drainFacts.isHastened = true
        await self.hasten(within: .zero)
        self.endHold()
    }

    /// New connections are refused by the kernel from now on, instead of waiting for nobody.
    ///
    /// Not where another process accepts them: there the sockets stay open for a way back.
    private func closeListeners(unlessCancelledSince cancelled: Int) {
        guard self.drainFacts.cancelled == cancelled, !self.handOver.machine.hasHandedOver else {
            return
        }
        self.sockets.closeAll()
        self.portSockets?.closeAll()
    }

    private func end() async {
        self.nameMainProcess()
        let ended = await self.fleet.stop(timeout: Self.stopTimeout)
        if !ended { self.logger.warning("a worker has not ended in time") }
        self.sockets.closeAll()
        self.portSockets?.closeAll()
        self.names.stop()
        self.records.stop()
        self.logger.notice("stopped")
    }
}
