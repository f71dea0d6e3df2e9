// The way out: readiness first, then the listeners, then what is open, then the threads.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitPosix

extension ControlPlane {
    /// How long threads may take to end when nothing is open any more.
    private static let stopTimeout = Duration.seconds(2)

    /// Accepts nothing more, waits for what is open until the deadline, ends the workers.
    func drainAndStop() async {
        guard self.stage != .draining else { return }
        self.stage = .draining
        let allowed =
            self.drainRequested ?? self.live?.configuration.timeouts.drain ?? Limits.drainTimeout
        let open = await self.openConnections()
        self.logger.notice(
            "draining: \(open) open connections, at most \(DurationText.text(allowed))",
            metadata: ["open": "\(open)"])
        let deadline = monotonicNow().advanced(byNanoseconds: allowed.nanoseconds)
        let drained = await self.fleet.drain(
            deadline: deadline, timeout: allowed + Self.stopTimeout
        ) { await self.closeListeners() }
        if !drained { self.logger.warning("connections were still open at the deadline") }
        await self.end()
    }

    /// Ends what a drain still waits for.
    package func hasten() async {
        self.logger.notice("ending at once")
        await self.fleet.hasten()
    }

    /// New connections are refused by the kernel from now on, instead of waiting for nobody.
    private func closeListeners() { self.sockets.closeAll() }

    private func end() async {
        let ended = await self.fleet.stop(timeout: Self.stopTimeout)
        if !ended { self.logger.warning("a worker has not ended in time") }
        self.sockets.closeAll()
        self.records.stop()
        self.logger.notice("stopped")
    }
}
