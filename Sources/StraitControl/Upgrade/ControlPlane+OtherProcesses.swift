// How this process reaches the others of its router, which may hang: on threads of their own.

internal import StraitCore
internal import StraitPosix

/// The answer of `GET /v1/process`, for which nobody is waited for.
package struct ProcessAnswer: Codable, Sendable {
    /// The process.
    package var pid: Int32

    /// Of this one.
    package static var current: ProcessAnswer { ProcessAnswer(pid: processIdentifier()) }
}

extension ControlPlane {
    /// How long another process may take to answer.
    static let otherAnswerMilliseconds: Int32 = 500

    /// The process that answers operators at the common path; nil where it is this one, or nobody.
    func servingProcess() async -> Int32? {
        guard let path = self.setup.admin?.path else { return nil }
        let found = await Self.onThread { () -> Int32? in
            for _ in 0..<3 {
                do {
                    let (_, body) = try AdminRequest("GET", "/v1/process").send(
                        to: path, milliseconds: 2 * Self.otherAnswerMilliseconds,
                        bytesMax: Limits.processAnswerBytesMax)
                    return try AnswerJSON.decode(ProcessAnswer.self, from: body).pid
                } catch {
                    continue  // it compiles, or nobody is there
                }
            }
            return nil
        }
        return found == processIdentifier() ? nil : found
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
    }
}
