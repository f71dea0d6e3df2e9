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
        let path = program ?? self.setup.program
        if onlyOther, !UpgradeSetup.isOther(path) {
            return .unchanged("\(path) is the program that runs")
        }
        guard self.stage == .serving, let live = self.live, let admin = self.setup.admin,
            self.upgrades.isServing
        else { return .refused("this process does not serve, or is on its way out") }
        guard processIdentifier() != 1 else {
            return .refused(
                "process 1 cannot be upgraded: what it started ends with it; replace the container")
        }
        self.forgetEndedProcesses()
        guard self.draining.count < Limits.drainingProcessesMax else {
            return .refused(
                "\(self.draining.count) older processes drain already; wait for them, or end them")
        }
        let begin = monotonicNow()
        _ = self.upgrades.requested()
        do throws(UpgradeFailed) {
            let successor = try self.start(path, live, admin)
            self.successor = successor
            do throws(UpgradeFailed) {
                try await self.follow(successor, within: timeout, admin)
            } catch {
                await self.giveUp(successor, admin)
                throw error
            }
            return await self.handedOver(to: successor, since: begin, live, admin)
        } catch {
            _ = self.upgrades.failed(error.failure)
            self.upgradeFailures[error.failure.name, default: 0] += 1
            let reason = error.failure.text
            self.logger.error("not upgraded: \(reason); this process serves on")
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
        let state = OfferedState(
            ticketRoot: self.compiler.ticketRoot, epoch: self.epoch,
            epochAgeNanoseconds: monotonicNow().nanoseconds(since: self.epochStarted),
            revision: live.snapshot.revision, admin: admin.path,
            draining: [DrainingProcess(pid: processIdentifier(), admin: admin.ownPath)]
                + self.draining)
        do throws(PosixError) {
            let successor = try Successor(program: path, listeners, state)
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
        guard case .ready = try await self.next(of: successor, within: timeout) else {
            throw UpgradeFailed(.refused("it said something else than that it is ready"))
        }
        guard self.stage == .serving else {
            throw UpgradeFailed(.refused("the router drains"))
        }
        do throws(PosixError) {
            try admin.keepReachable()
        } catch {
            throw UpgradeFailed(.refused("the operators' socket gets no second name: \(error)"))
        }
        self.releasePredecessor()
        _ = self.upgrades.successorReady()
        successor.peer.tell(.go)
        guard case .serving = try await self.next(of: successor, within: Limits.upgradeStepTimeout)
        else {
            throw UpgradeFailed(.refused("it said something else than that it serves"))
        }
        _ = self.upgrades.successorServes()
    }

    private func next(
        of successor: Successor, within timeout: Duration
    ) async throws(UpgradeFailed) -> UpgradeMessage {
        let deadline = monotonicNow().advanced(byNanoseconds: timeout.nanoseconds)
        switch await successor.peer.next(within: timeout) {
        case .failed(let reason)?:
            throw UpgradeFailed(.refused(String(reason.prefix(Limits.upgradeReasonMax))))
        case .dropped(let addresses)?:
            self.dropped += addresses
            return try await self.next(of: successor, within: timeout)
        case let message?: return message
        case nil: throw UpgradeFailed(monotonicNow() < deadline ? .gone : .late)
        }
    }

    /// Ends a successor that does not take over, and takes back what it may have taken.
    private func giveUp(_ successor: Successor, _ admin: AdminSocket) async {
        self.successor = nil
        self.dropped = []
        successor.process.end()
        _ = await Self.onThread { successor.process.waitForEnd(milliseconds: 1000) }
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
        self.newerProcesses.removeAll { $0.waitForEnd(milliseconds: 0) }
        self.newerProcesses.append(successor.process)
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
        await self.fleet.stopAccepting(timeout: Self.answerTimeout)
        let open = await self.openConnections()
        let allowed = live.configuration.timeouts.upgrade
        self.closeDropped()
        self.requestDrain(within: allowed)
        self.drainsForAnother = true
        return UpgradeAnswer(
            result: "done",
            text: "process \(process) \(what) after \(spent) ms; process \(processIdentifier()) "
                + "finishes \(open) connections, at most \(DurationText.text(allowed)), "
                + "and answers at \(admin.ownPath)",
            pid: process,
            draining: DrainingProcess(pid: processIdentifier(), admin: admin.ownPath),
            openConnections: open, milliseconds: spent)
    }

    // MARK: The way back

    /// Hears the successor while this process drains.
    private func listen(to successor: Successor, _ admin: AdminSocket) async {
        while let message = await successor.peer.next() {
            guard self.isCurrent(successor) else { continue }
            switch message {
            case .takeBack(let path):
                // Where it has given up waiting, it serves on, and this process goes on draining.
                guard successor.peer.tell(.resuming) else { continue }
                successor.peer.tell(await self.comeBack(.rolledBack, from: successor, path))
            case .dropped(let addresses):
                self.dropped += addresses
                self.closeDropped()
            case .released: self.release()
            case .version, .listeners, .offer, .go, .resuming, .resumed, .notResumed, .ready,
                .failed, .serving:
                continue
            }
        }
        // It has ended, or has ended the conversation and goes on alone.
        let hasEnded = await Self.onThread { successor.process.waitForEnd(milliseconds: 2000) }
        guard self.isCurrent(successor) else { return }
        if hasEnded == true {
            _ = await self.comeBack(.gone, from: successor, "")
        } else {
            self.release()
        }
    }

    private func isCurrent(_ successor: Successor) -> Bool {
        self.successor?.process.identifier == successor.process.identifier
    }

    /// This process is not to accept again: nobody may wait at its sockets.
    private func release() {
        self.upgrades.released()
        if self.stage == .draining { self.sockets.closeAll() }
        self.endHold()
    }

    /// Closes the sockets that the successor has dropped; no worker of this process uses any.
    private func closeDropped() {
        guard let live = self.live, !self.dropped.isEmpty else { return }
        self.sockets.close(on: Set(self.dropped), of: live.snapshot)
        self.dropped = []
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
            guard control.isCurrent(successor), control.upgrades.mayReturn,
                let admin = control.setup.admin
            else { return .notResumed("the process before this one goes on without it") }
            let isAlone = failure == .gone
            if let reason = await control.acceptAgain(isAlone: isAlone) {
                if isAlone { control.logger.error("nobody accepts any more: \(reason)") }
                return .notResumed(reason)
            }
            _ = control.upgrades.failed(failure)
            control.successor = nil
            control.takeServiceBack()
            control.upgradeFailures[failure.name, default: 0] += 1
            control.takeBack(admin)
            let process = successor.process.identifier
            if failure == .rolledBack {
                control.draining.append(DrainingProcess(pid: process, admin: path))
                control.logger.notice("rolled back: this process accepts again")
            } else {
                admin.forgetFolder(of: process)
                control.logger.error("process \(process) has ended; this one accepts again")
            }
            return .resumed
        }
    }

    /// Stays for a while when nothing is open any more, but not beyond `deadline`: the successor
    /// may fail or give back.
    func holdForReturn(until deadline: Instant) async {
        let left = Duration.nanoseconds(
            Int64(clamping: deadline.nanoseconds(since: monotonicNow())))
        let window = min(Limits.upgradeReturnWindow, left)
        guard self.upgrades.mayReturn, !self.isEnding.load(ordering: .acquiring) else { return }
        let expiry = Task {
            do { try await Task.sleep(for: window) } catch { return }
            self.endHold()
        }
        await withCheckedContinuation { self.hold = $0 }
        expiry.cancel()
    }

    /// Ends that wait.
    func endHold() {
        self.hold?.resume()
        self.hold = nil
    }

    /// Forgets draining processes that have ended; what they left of their sockets is removed.
    func forgetEndedProcesses() {
        self.draining.removeAll { process in
            guard AdminSocket.isAbandoned(process.admin) else { return false }
            AdminSocket.removeFile(process.admin)
            return true
        }
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

extension UpgradeAnswer {
    static func refused(_ reason: String) -> UpgradeAnswer { .init("refused", reason) }

    static func unchanged(_ reason: String) -> UpgradeAnswer { .init("unchanged", reason) }

    private init(_ result: String, _ reason: String) {
        self.init(
            result: result, text: reason, pid: processIdentifier(), draining: nil,
            openConnections: 0, milliseconds: 0)
    }
}
