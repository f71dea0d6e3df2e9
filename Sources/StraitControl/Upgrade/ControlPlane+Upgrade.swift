// A newer process takes over: it gets the listeners, accepts once it is ready, and this one drains.
// Whatever fails on the way, one of the two accepts.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import Synchronization

extension ControlPlane {
    /// Starts a newer process with this one's own arguments and lets it take over.
    ///
    /// - Parameters:
    ///   - program: A path; nil for where this process was started from.
    ///   - onlyOther: Whether nothing is done where the program is the one that runs.
    ///   - timeout: How long the new process may take to be ready.
    /// - Returns: What came of it; where it is refused this process serves on.
    package func upgrade(
        program: String?, onlyOther: Bool, within timeout: Duration
    ) async -> UpgradeAnswer {
        await self.inTurn {
            await $0.performUpgrade(program: program, onlyOther: onlyOther, within: timeout)
        }
    }

    private func performUpgrade(
        program: String?, onlyOther: Bool, within timeout: Duration
    ) async -> UpgradeAnswer {
        await self.forgetEndedProcesses()
        let path = program ?? self.program
        if onlyOther, !UpgradeSetup.isOther(path) {
            return .unchanged("\(path) is the program that runs")
        }
        if onlyOther, FileMark(path: path) == self.handOver.unwanted {
            return .unwanted(
                "\(path) was gone back from, or has died; `strait upgrade` takes it all the same")
        }
        guard self.stage == .serving, let live = self.live, let admin = self.setup.admin,
            self.handOver.machine.isServing
        else {
            return .refused(
                "this process drains; `strait drain --cancel` takes that back, or ask the one that "
                    + "accepts")
        }
        guard processIdentifier() != 1 else {
            return .refused(
                "process 1 cannot be upgraded: what it started ends with it; replace the container")
        }
        let draining = self.handOver.draining.count
        guard draining < Limits.drainingProcessesMax else {
            return .refused(
                "\(draining) older processes drain already; wait for them, or end them")
        }
        let begin = monotonicNow()
        guard case .offer = self.handOver.machine.requested() else {
            return .refused("another upgrade is under way")
        }
        do throws(UpgradeFailed) {
            let successor = try self.start(path, live, admin)
            self.handOver.started(successor)
            try await self.follow(successor, within: timeout, admin)
            return await self.handedOver(to: successor, since: begin, live, admin)
        } catch {
            if case (.abandon, .some(let successor)) = self.handOver.failed(error.failure) {
                await self.giveUp(successor, admin)
            }
            let reason = error.failure.text
            let line = reason.split(whereSeparator: \.isNewline)
                .map { $0.drop { $0 == " " } }.joined(separator: "; ")
            self.logger.error("not upgraded: \(line); this process serves on")
            return .refused("\(reason); this process serves on")
        }
    }

    private func start(
        _ path: String, _ live: CompiledConfiguration, _ admin: AdminSocket
    ) throws(UpgradeFailed) -> Successor {
        let names = Dictionary(
            live.snapshot.listeners.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let listeners = self.sockets.sockets.compactMap { socket in
            names[socket.id].map {
                InheritedListener(
                    name: $0.name, address: $0.address, descriptor: socket.descriptor)
            }
        }
        let ports = self.portSockets?.passed() ?? []
        let state = OfferedState(
            ticketRoot: self.compiler.ticketRoot, epoch: self.epoch,
            epochAgeNanoseconds: monotonicNow().nanoseconds(since: self.epochStarted),
            revision: self.newestRevision, admin: admin.path, program: self.program,
            draining: [DrainingProcess(pid: processIdentifier(), admin: admin.ownPath)]
                + self.handOver.draining)
        do throws(PosixError) {
            let successor = try Successor(program: path, listeners + ports, state)
            self.logger.notice(
                "upgrading: \(path) starts", metadata: ["pid": "\(successor.process.identifier)"])
            return successor
        } catch {
            throw UpgradeFailed(.refused("\(path) cannot be started: \(error)"))
        }
    }

    /// Waits until the successor is ready, tells it to accept, and waits until it does.
    private func follow(
        _ successor: Successor, within timeout: Duration, _ admin: AdminSocket
    ) async throws(UpgradeFailed) {
        guard case .ready(let revision) = try await self.next(of: successor, within: timeout) else {
            throw UpgradeFailed(.refused("it said something else than that it is ready"))
        }
        self.newestRevision = max(self.newestRevision, revision)
        guard self.stage == .serving else {
            throw UpgradeFailed(.refused(Self.drains))
        }
        do throws(PosixError) {
            try admin.keepReachable()
        } catch {
            throw UpgradeFailed(.refused("the operators' socket gets no second name: \(error)"))
        }
        self.releasePredecessor()
        guard case .go = self.handOver.machine.successorReady() else {
            throw UpgradeFailed(.refused("it is given up already"))
        }
        successor.peer.tell(.go)
        guard case .serving = try await self.next(of: successor, within: Limits.upgradeStepTimeout),
            case .drain = self.handOver.machine.successorServes()
        else {
            throw UpgradeFailed(.refused("it said something else than that it serves"))
        }
    }

    private func next(
        of successor: Successor, within timeout: Duration
    ) async throws(UpgradeFailed) -> UpgradeMessage {
        let deadline = monotonicNow().advanced(byNanoseconds: timeout.nanoseconds)
        while true {
            let left = deadline.nanoseconds(since: monotonicNow())
            switch await successor.peer.next(within: .nanoseconds(Int64(clamping: left))) {
            case .failed(let reason)?:
                throw UpgradeFailed(.refused(String(reason.prefix(Limits.upgradeReasonMax))))
            case .dropped(let addresses)?: self.handOver.drop(addresses, of: self.ownAddresses)
            case let message?: return message
            case nil:
                guard self.stage == .serving else { throw UpgradeFailed(.refused(Self.drains)) }
                if let reason = successor.notOffered {
                    throw UpgradeFailed(.refused("the listeners could not be offered: \(reason)"))
                }
                throw UpgradeFailed(monotonicNow() < deadline ? .gone : .late)
            }
        }
    }

    private static let drains = "the router drains"

    private var ownAddresses: Set<String> {
        Set((self.live?.snapshot.listeners ?? []).map(\.address.description))
    }

    /// Ends a successor that does not take over, and takes back what it may have taken.
    private func giveUp(_ successor: Successor, _ admin: AdminSocket) async {
        successor.process.end()
        _ = await Self.hasEnded(successor.process, within: 1000)
        successor.peer.end()
        admin.forgetFolder(of: successor.process.identifier)
        self.sockets.restoreOptions()
        guard !AdminSocket.isAbandoned(admin.ownPath) else { return }  // it has no second name yet
        self.takeBack(admin)
    }

    /// Takes the operators' path again, where another process has taken it.
    private func takeBack(_ admin: AdminSocket) {
        do throws(PosixError) {
            try admin.takeBack()
        } catch {
            self.logger.error("the operators' socket stays at \(admin.ownPath): \(error)")
        }
    }

    private func handedOver(
        to successor: Successor, since begin: Instant, _ live: CompiledConfiguration,
        _ admin: AdminSocket
    ) async -> UpgradeAnswer {
        self.handOver.takenOver(by: successor)
        let answer = await self.drain(
            beside: successor.process.identifier, which: "accepts", since: begin, live, admin)
        Task { await self.listen(to: successor, admin) }
        self.logger.notice("upgraded: \(answer.text)")
        return answer
    }

    /// Stops accepting and begins to drain, because another process accepts.
    ///
    /// - Parameters:
    ///   - process: The other one.
    ///   - what: What it does since `begin`, for people.
    ///   - begin: When that was asked for.
    ///   - live: What this process serves.
    ///   - admin: Where this process goes on answering operators, by its second name.
    /// - Returns: What operators are told.
    func drain(
        beside process: Int32, which what: String, since begin: Instant,
        _ live: CompiledConfiguration, _ admin: AdminSocket
    ) async -> UpgradeAnswer {
        let spent = monotonicNow().nanoseconds(since: begin) / 1_000_000
        self.handOverService()
        let hasStopped = await self.fleet.stopAccepting(timeout: Self.answerTimeout)
        let open = await self.openConnections()
        let allowed = live.configuration.timeouts.upgrade
        if hasStopped { self.closeDropped() }
        self.beginDrain(within: allowed)
        self.drainFacts.isBesideAnother = true
        return UpgradeAnswer(
            result: "done",
            text: "process \(process) \(what) after \(spent) ms; process \(processIdentifier()) "
                + "finishes \(open) connection\(open == 1 ? "" : "s"), "
                + "at most \(DurationText.text(allowed)), "
                + "and answers at \(admin.ownPath)",
            pid: process,
            draining: DrainingProcess(pid: processIdentifier(), admin: admin.ownPath),
            openConnections: open, milliseconds: spent)
    }

    // MARK: The way back

    /// Hears the successor while this process drains.
    private func listen(to successor: Successor, _ admin: AdminSocket) async {
        while let message = await successor.peer.next() {
            guard self.handOver.isCurrent(successor) else { continue }
            switch message {
            case .takeBack(let state):
                // Where it has given up waiting, it serves on, and this process goes on draining.
                guard successor.peer.tell(.resuming) else { continue }
                successor.peer.tell(await self.comeBack(.rolledBack, from: successor, state.admin))
                await self.goOn(from: state)
            case .dropped(let addresses):
                self.handOver.drop(addresses, of: self.ownAddresses)
                self.closeDropped()
            case .released: self.release()
            case .version, .listeners, .offer, .go, .resuming, .resumed, .notResumed, .ready,
                .failed, .serving:
                continue
            }
        }
        // It has ended, or has ended the conversation and goes on alone.
        let wait = Int32(Limits.upgradeEndTimeout.nanoseconds / 1_000_000)
        let hasEnded = await Self.hasEnded(successor.process, within: wait)
        guard self.handOver.isCurrent(successor) else { return }
        if hasEnded {
            _ = await self.comeBack(.gone, from: successor, "")
        } else {
            self.release()
        }
    }

    /// This process is not to accept again: nobody may wait at its sockets.
    private func release() {
        self.handOver.machine.released()
        if self.stage == .draining {
            self.sockets.closeAll()
            self.portSockets?.closeAll()
        }
        self.endHold()
    }

    /// Closes the sockets that the successor has dropped; no worker of this process uses any.
    private func closeDropped() {
        guard let live = self.live, !self.handOver.dropped.isEmpty else { return }
        self.sockets.close(on: self.handOver.dropped, of: live.snapshot)
        self.handOver.closedDropped()
    }

    /// Accepts again, because the successor gives back or is gone.
    ///
    /// - Parameters:
    ///   - failure: Which of the two.
    ///   - successor: Who accepted.
    ///   - path: Where it will answer operators, if it will.
    /// - Returns: What it is to be told.
    private func comeBack(
        _ failure: UpgradeFailure, from successor: Successor, _ path: String
    ) async -> UpgradeMessage {
        await self.inTurn { control in
            guard control.handOver.isCurrent(successor), control.handOver.machine.mayReturn,
                let admin = control.setup.admin
            else { return .notResumed("the process before this one goes on without it") }
            let isAlone = failure == .gone
            if let reason = await control.acceptAgain(isAlone: isAlone) {
                if isAlone { control.logger.error("nobody accepts any more: \(reason)") }
                return .notResumed(reason)
            }
            // Where it waits no more, it serves on.
            guard isAlone || successor.peer.tell(.resuming) else {
                await control.letGoAgain()
                return .notResumed("it goes on alone")
            }
            _ = control.handOver.failed(failure)  // `.resume`, which is done already
            control.takeServiceBack()
            control.takeBack(admin)
            let process = successor.process.identifier
            if failure == .rolledBack {
                control.handOver.draining.append(DrainingProcess(pid: process, admin: path))
                control.logger.notice("rolled back: this process accepts again")
            } else {
                admin.forgetFolder(of: process)
                control.logger.error("process \(process) has ended; this one accepts again")
            }
            return .resumed
        }
    }

    /// Goes on counting revisions where the successor was, and with the ticket keys that it gave
    /// downstreams tickets of.
    private func goOn(from state: ReturnedState) async {
        await self.inTurn { control in
            guard control.stage == .serving, let live = control.live else { return }
            control.newestRevision = max(control.newestRevision, state.revision)
            guard state.epoch > control.epoch else { return }
            let now = monotonicNow().nanoseconds
            let start = Instant(nanoseconds: now - min(now, state.epochAgeNanoseconds))
            await control.useTicketKeys(of: state.epoch, since: start, live)
        }
    }

    /// Drains again, because the successor has not heard that this process accepts.
    private func letGoAgain() async {
        guard let live = self.live else { return }
        self.logger.warning("the newer process has not waited for this one, which drains again")
        self.beginDrain(within: live.configuration.timeouts.upgrade)
        self.drainFacts.isBesideAnother = true
        _ = await self.fleet.stopAccepting(timeout: Self.answerTimeout)
    }

    /// Stays for a while when nothing is open any more, but not beyond `deadline`: the successor
    /// may fail or give back.
    func holdForReturn(until deadline: Instant) async {
        let left = Duration.nanoseconds(
            Int64(clamping: deadline.nanoseconds(since: monotonicNow())))
        let window = min(Limits.upgradeReturnWindow, left)
        guard self.handOver.machine.mayReturn, !self.isEnding.load(ordering: .acquiring) else {
            return
        }
        let expiry = Task {
            do { try await Task.sleep(for: window) } catch { return }
            self.endHold()
        }
        await withCheckedContinuation { self.drainFacts.hold = $0 }
        expiry.cancel()
    }

    /// Ends that wait.
    func endHold() {
        self.drainFacts.hold?.resume()
        self.drainFacts.hold = nil
    }
}

/// Why an upgrade failed, inside this file.
private struct UpgradeFailed: Error {
    let failure: UpgradeFailure
    init(_ failure: UpgradeFailure) { self.failure = failure }
}

extension UpgradeFailure {
    /// For people.
    fileprivate var text: String {
        switch self {
        case .refused(let reason): reason
        case .gone: "the new process ended before it took over; the log has its own words"
        case .late: "the new process was not ready in time"
        case .rolledBack: "rolled back"
        }
    }
}
