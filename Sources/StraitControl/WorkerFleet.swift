// Questions to all workers, and their answers: the bridge between mailboxes and async.

package import StraitCore
package import StraitEngine
internal import StraitPosix

/// The workers as the control plane asks them. Answers that do not come in time are missing, not
/// waited for.
package actor WorkerFleet {
    /// What a gathering of answers waits for.
    private enum Key: Hashable {
        case token(UInt64)
        case applied(UInt64)
        case drained
        case stopped
    }

    private struct Gathering {
        var missing: Int
        var reports: [WorkerReport]
        /// Who has said it: acknowledgements may come twice.
        var workers: Set<Int>
        let continuation: CheckedContinuation<[WorkerReport], Never>
    }

    private let engine: Engine
    private var gatherings: [Key: Gathering] = [:]
    private var lastToken: UInt64 = 0
    private let reports: AsyncStream<WorkerReport>
    /// CancelRequests whose keys another process of this router may have given out; each is to be
    /// answered by ``answer(_:_:)``; no worker has more than ``Limits/cancelQuestionsMax`` open.
    package nonisolated let cancelQuestions: AsyncStream<CancelQuestion>

    /// Starts the workers.
    ///
    /// - Parameters:
    ///   - workers: How many.
    ///   - pinned: Whether each is bound to a core.
    ///   - log: Called on the workers' threads for records and log lines; must be quick.
    /// - Throws: ``EngineError`` where a thread or a descriptor is not to be had.
    package init(
        workers: Int, pinned: Bool, log: @escaping @Sendable (WorkerReport) -> Void
    ) throws(EngineError) {
        let (reports, continuation) = AsyncStream<WorkerReport>.makeStream()
        self.reports = reports
        let (questions, asking) = AsyncStream<CancelQuestion>.makeStream()
        self.cancelQuestions = questions
        self.engine = try Engine(workers: workers, pinned: pinned) { report in
            switch report {
            case .accessRecords, .log, .health: log(report)
            case .cancelUnknown(let question): asking.yield(question)
            case .applied, .drained, .metrics, .connections, .found, .closed, .cancelTarget, .pong,
                .stopped:
                continuation.yield(report)
            }
        }
    }

    /// How many workers there are.
    package nonisolated var workers: Int { self.engine.workers }

    /// Hands reports to who waits for them, until cancelled.
    package func deliverReports() async {
        for await report in self.reports { self.deliver(report) }
    }

    /// Asks every worker and waits for all answers, but no longer than `timeout`.
    package func ask(
        timeout: Duration, _ command: (UInt64) -> WorkerCommand
    ) async -> [WorkerReport] {
        self.lastToken += 1
        let token = self.lastToken
        self.engine.broadcast(command(token))
        return await self.gather(.token(token), timeout: timeout)
    }

    /// Answers one of ``cancelQuestions``.
    package nonisolated func answer(_ question: CancelQuestion, _ target: CancelTarget?) {
        self.engine.send(.tellCancelTarget(question, target), to: question.asker)
    }

    /// Says whether other processes of this router may have given out cancel keys.
    package nonisolated func otherProcessesHaveKeys(_ doThey: Bool) {
        self.engine.otherProcessesHaveKeys(doThey)
    }

    /// The workers, by index, that do not answer within `timeout`: their loops do not turn.
    package func silentWorkers(within timeout: Duration) async -> [Int] {
        let answers = await self.ask(timeout: timeout) { .ping(token: $0) }
        let heard = Set(
            answers.compactMap { if case .pong(_, let worker) = $0 { worker } else { nil } })
        return (0..<self.workers).filter { !heard.contains($0) }
    }

    /// Gives every worker a snapshot and returns which of them obey it within `timeout`.
    package func apply(
        _ command: WorkerCommand, revision: UInt64, timeout: Duration
    ) async -> [Int] {
        self.engine.broadcast(command)
        return await self.gather(.applied(revision), timeout: timeout).compactMap { report in
            if case .applied(let worker, _) = report { worker } else { nil }
        }
    }

    /// Lets every worker stop accepting, and waits until none does.
    ///
    /// Who waits in the listeners' queues is accepted before.
    ///
    /// - Returns: Whether every worker has said so in time.
    package func stopAccepting(timeout: Duration) async -> Bool {
        self.engine.broadcast(.drain(deadline: .never))
        // Mailboxes keep their order: who answers this has obeyed.
        let answers = await self.ask(timeout: timeout) { .collectMetrics(token: $0) }
        return answers.count == self.engine.workers
    }

    /// Drains every worker.
    ///
    /// - Parameters:
    ///   - deadline: What is open then is ended.
    ///   - timeout: How long to wait for the workers.
    ///   - lettingGo: Called when no worker uses a listening socket any more.
    /// - Returns: Whether nothing is open any more.
    package func drain(
        deadline: Instant, timeout: Duration, lettingGo: @escaping @Sendable () async -> Void = {}
    ) async -> Bool {
        self.engine.broadcast(.drain(deadline: deadline))
        // Mailboxes keep their order: who answers this has obeyed the drain.
        let barrier = Task {
            let answers = await self.ask(timeout: .seconds(1)) { .collectMetrics(token: $0) }
            if answers.count == self.engine.workers { await lettingGo() }
        }
        let drained = await self.gather(.drained, timeout: timeout).count == self.engine.workers
        await barrier.value
        return drained
    }

    /// Takes a drain back: who waits for it goes on, and workers may listen again.
    package func resume() {
        self.engine.broadcast(.resume)
        self.finish(.drained)
    }

    /// Moves the deadline of a drain that is under way.
    package func hasten(to deadline: Instant = monotonicNow()) {
        self.engine.broadcast(.drain(deadline: deadline))
    }

    /// Ends every worker; false when some thread has not ended within `timeout`.
    package func stop(timeout: Duration) async -> Bool {
        self.engine.broadcast(.stop)
        let ended = await self.gather(.stopped, timeout: timeout).count
        guard ended == self.engine.workers else { return false }
        self.engine.join()  // the threads have said their last word, so this does not wait
        return true
    }

    private func gather(_ key: Key, timeout: Duration) async -> [WorkerReport] {
        let expiry = Task {
            do { try await Task.sleep(for: timeout) } catch { return }
            self.finish(key)
        }
        defer { expiry.cancel() }
        return await withCheckedContinuation { continuation in
            // A second question of the same kind ends the first with what it has.
            self.finish(key)
            self.gatherings[key] = Gathering(
                missing: self.engine.workers, reports: [], workers: [], continuation: continuation)
        }
    }

    private func deliver(_ report: WorkerReport) {
        let key: Key
        var worker: Int?
        switch report {
        case .metrics(let token, _), .connections(let token, _), .found(let token, _),
            .closed(let token, _), .cancelTarget(let token, _), .pong(let token, _):
            key = .token(token)
        case .applied(let sender, let revision):
            key = .applied(revision)
            worker = sender
        case .drained(let sender):
            key = .drained
            worker = sender
        case .stopped(let sender):
            key = .stopped
            worker = sender
        case .accessRecords, .log, .health, .cancelUnknown: return  // never sent here
        }
        guard var gathering = self.gatherings[key] else { return }
        if let worker {
            guard gathering.workers.insert(worker).inserted else { return }
        }
        gathering.reports.append(report)
        gathering.missing -= 1
        self.gatherings[key] = gathering
        if gathering.missing == 0 { self.finish(key) }
    }

    private func finish(_ key: Key) {
        guard let gathering = self.gatherings.removeValue(forKey: key) else { return }
        gathering.continuation.resume(returning: gathering.reports)
    }
}
