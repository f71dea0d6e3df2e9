// The newer process' side: it takes over from the one that started it, and can give back.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot

extension ControlPlane {
    /// Says that this process accepts and that operators reach it; the one before it drains then.
    package func announceServing() {
        guard let predecessor = self.handOver.predecessor else { return }
        self.sockets.closeInherited()
        self.speaksForService = true
        if !predecessor.peer.tell(.serving) {
            self.logger.warning("the process before this one has ended before this one served")
            self.handOver.predecessor = nil
        }
    }

    /// Lets the process before this one go on without a way back: this one is upgraded, or drains.
    func releasePredecessor() {
        guard let peer = self.handOver.predecessor?.peer else { return }
        peer.tell(.released)
        peer.end()
        self.handOver.predecessor = nil
    }

    /// Tells the process before this one on which of its addresses nobody accepts any more.
    func tellDropped() {
        guard let predecessor = self.handOver.predecessor, let live = self.live else { return }
        let wanted = Set(live.snapshot.listeners.map(\.address))
        let all = predecessor.listeners.filter { !PortSockets.isOfPorts($0) }.map(\.address)
            .filter { !wanted.contains($0) }
        var dropped = all.filter { self.handOver.told.insert($0).inserted }[...]
        while !dropped.isEmpty {
            let part = dropped.prefix(Limits.droppedPerMessage)
            dropped = dropped.dropFirst(part.count)
            predecessor.peer.tell(.dropped(part.map(\.description)))
        }
    }

    /// Lets the process before this one accept again, and drains.
    package func rollBack() async -> UpgradeAnswer {
        await self.inTurn { await $0.performRollBack() }
    }

    private func performRollBack() async -> UpgradeAnswer {
        guard self.stage == .serving, let live = self.live, let admin = self.setup.admin,
            let predecessor = self.handOver.predecessor,
            let older = predecessor.state.draining.first
        else {
            return .refused("there is no process to go back to: it has ended, or never was")
        }
        let begin = monotonicNow()
        do throws(PosixError) {
            try admin.keepReachable()
        } catch {
            return .refused("the operators' socket gets no second name: \(error)")
        }
        let state = ReturnedState(
            epoch: self.epoch,
            epochAgeNanoseconds: monotonicNow().nanoseconds(since: self.epochStarted),
            revision: self.newestRevision, admin: admin.ownPath)
        guard predecessor.peer.tell(.takeBack(state)) else {
            admin.dropOwnPath()
            self.handOver.predecessor = nil
            return .refused("process \(older.pid) has ended; this one serves on")
        }
        let answer = await Self.answerToTakeBack(of: predecessor)
        guard case .resumed? = answer else {
            admin.dropOwnPath()
            guard case .notResumed(let reason)? = answer else {
                // The conversation is over: should it wake up, it sees that this one lives.
                self.handOver.predecessor = nil
                return .refused("process \(older.pid) does not answer; this one serves on")
            }
            return .refused("\(reason); this one serves on")
        }
        self.handOver.predecessor = nil
        let told = await self.drain(
            beside: older.pid, which: "accepts again", since: begin, live, admin)
        self.logger.notice("rolled back: \(told.text)")
        return told
    }

    private static func answerToTakeBack(of predecessor: Predecessor) async -> UpgradeMessage? {
        guard case .resuming? = await predecessor.peer.next(within: Limits.upgradeStepTimeout)
        else {
            predecessor.peer.end()
            return nil
        }
        let time = Limits.upgradeStepTimeout + Self.applyTimeout
        while let message = await predecessor.peer.next(within: time) {
            guard case .resuming = message else { return message }  // which asks whether we wait
        }
        return nil
    }
}
