// How this process reaches the others of its router, which may hang: on threads of their own.

internal import StraitCore
internal import StraitPosix

extension ControlPlane {
    /// How long another process may take to answer.
    static let otherAnswerMilliseconds: Int32 = 500

    /// Whether a process has ended, waiting for that at most `milliseconds`.
    nonisolated static func hasEnded(
        _ process: SiblingProcess, within milliseconds: Int32
    ) async -> Bool {
        // Without a thread to wait on, as it is now.
        await Self.onThread { process.waitForEnd(milliseconds: milliseconds) }
            ?? process.waitForEnd(milliseconds: 0)
    }

    /// What `work` returns, from a thread of its own; nil where there is no thread.
    nonisolated static func onThread<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value?
    ) async -> Value? {
        await withCheckedContinuation { continuation in
            do throws(PosixError) {
                try Thread.spawn(name: "ask") { continuation.resume(returning: work()) }.detach()
            } catch {
                continuation.resume(returning: nil)
            }
        }
    }

    /// Forgets draining processes that have ended; what they left of their sockets is removed.
    func forgetEndedProcesses() async {
        let known = self.handOver.draining
        guard !known.isEmpty else { return }
        let ended = await Self.onThread { known.filter { AdminSocket.isAbandoned($0.admin) } }
        for process in ended ?? [] {
            AdminSocket.removeFile(process.admin)
            self.handOver.draining.removeAll { $0 == process }
        }
        // It may have been the main one, and may have died without naming another.
        if ended?.isEmpty == false { self.claimService() }
    }
}
