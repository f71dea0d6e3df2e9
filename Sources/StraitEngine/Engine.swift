// The workers as the control plane sees them: start, command, join.

internal import StraitCore
internal import StraitPosix
internal import Synchronization

/// Why the engine could not start.
package struct EngineError: Error, Sendable, CustomStringConvertible {
    /// A sentence.
    package let description: String
}

/// The worker threads of this process.
package final class Engine: Sendable {
    private let mailboxes: [Mailbox<WorkerCommand>]
    private let threads: [StraitPosix.Thread]
    private let health: Mailbox<HealthCommand>
    private let judge: StraitPosix.Thread
    private let wasStopped = Atomic<Bool>(false)
    /// Workers that were told to drain, and not yet to resume.
    private let draining = Mutex<Set<Int>>([])

    private let shared: SharedCounts

    /// Starts `workers` threads (1 to ``Limits/workersMax``).
    ///
    /// - Parameters:
    ///   - workers: How many.
    ///   - pinned: Whether each is bound to a core of its own.
    ///   - reports: Called on the workers' threads; it must be quick and must not wait.
    /// - Throws: ``EngineError`` when a bound is broken, or threads or descriptors are lacking.
    package init(
        workers: Int, pinned: Bool, reports: @escaping @Sendable (WorkerReport) -> Void
    ) throws(EngineError) {
        let broken = Limits.violations
        guard broken.isEmpty else {
            throw EngineError(description: "limits: " + broken.joined(separator: "; "))
        }
        guard (1...Limits.workersMax).contains(workers) else {
            throw EngineError(description: "workers: 1 to \(Limits.workersMax), not \(workers)")
        }
        do throws(PosixError) {
            var mailboxes: [Mailbox<WorkerCommand>] = []
            for _ in 0..<workers { mailboxes.append(try Mailbox()) }
            let health = try Mailbox<HealthCommand>()
            let cores = StraitPosix.Thread.availableCores()
            let shares = DescriptorShares(
                descriptors: Sockets.descriptorLimit(), workers: workers)
            let shared = SharedCounts(shares)
            var threads: [StraitPosix.Thread] = []
            for index in 0..<workers {
                let setup = WorkerSetup(
                    index: index, mailboxes: mailboxes, shared: shared, health: health,
                    reports: reports)
                threads.append(
                    try StraitPosix.Thread.spawn(name: "worker-\(index)") {
                        if pinned {
                            StraitPosix.Thread.pinCurrent(core: cores[index % cores.count])
                        }
                        Worker.live(setup)
                    })
            }
            self.mailboxes = mailboxes
            self.shared = shared
            self.threads = threads
            self.health = health
            self.judge = try StraitPosix.Thread.spawn(name: "health") {
                HealthJudge.live(mailbox: health, reports: reports)
            }
        } catch {
            throw EngineError(description: "workers: \(error)")
        }
    }

    /// How many workers there are.
    package var workers: Int { self.mailboxes.count }

    /// Says whether other processes of this router may have given out cancel keys that come here.
    package func otherProcessesHaveKeys(_ doThey: Bool) {
        self.shared.keysLieElsewhere.store(doThey, ordering: .relaxed)
    }

    /// Puts a command into one worker's mailbox; false when ``Limits/mailboxMessagesMax`` wait
    /// there.
    @discardableResult
    package func send(_ command: WorkerCommand, to worker: Int) -> Bool {
        guard self.mailboxes.indices.contains(worker) else { return false }
        return self.mailboxes[worker].put(command, countMax: Limits.mailboxMessagesMax)
    }

    /// Puts a command into every mailbox that has room; those to resume and to stop into every
    /// mailbox.
    package func broadcast(_ command: WorkerCommand) {
        switch command {
        case .apply(let snapshot, _):
            for worker in self.mailboxes.indices { self.send(command, to: worker) }
            _ = self.health.put(.apply(snapshot))
        case .ping, .collectMetrics, .listConnections, .findConnection, .closeConnection,
            .askCancelTarget, .tellCancelTarget, .findCancelTarget:
            for worker in self.mailboxes.indices { self.send(command, to: worker) }
        case .drain:
            self.draining.withLock { draining in
                for worker in self.mailboxes.indices where self.send(command, to: worker) {
                    draining.insert(worker)
                }
            }
        case .resume:
            // Kept out, it would leave the drain's deadline to what opens later. For each drain
            // that found room there is one, and who was not told to drain need not be told this.
            self.draining.withLock { draining in
                for worker in draining { _ = self.mailboxes[worker].put(command) }
                draining = []
            }
        case .stop:
            // A second one says nothing new.
            guard !self.wasStopped.exchange(true, ordering: .relaxed) else { return }
            for mailbox in self.mailboxes { _ = mailbox.put(command) }
            _ = self.health.put(.stop)
        }
    }

    /// Waits until every thread has ended; they do after ``WorkerCommand/stop``.
    ///
    /// Call it once.
    package func join() {
        for thread in self.threads { thread.join() }
        self.judge.join()
    }
}

/// Numbers that all workers add to: what one process may have open.
final class SharedCounts: Sendable {
    /// Whether other processes of this router may have given out cancel keys that come here.
    let keysLieElsewhere = Atomic<Bool>(false)
    private let open = Atomic<Int>(0)
    /// As the descriptors allow.
    let connectionsMax: Int
    /// As the descriptors allow, for one worker.
    let pipesMax: Int

    init(_ shares: DescriptorShares) {
        self.connectionsMax = shares.connections
        self.pipesMax = shares.pipesPerWorker
    }

    /// Counts one more; false, and not counted, when `limit` (0: only the descriptors') is reached.
    func take(limit: Int) -> Bool {
        let bound = limit > 0 ? min(limit, self.connectionsMax) : self.connectionsMax
        if self.open.add(1, ordering: .relaxed).newValue <= bound { return true }
        self.open.subtract(1, ordering: .relaxed)
        return false
    }

    func give() { self.open.subtract(1, ordering: .relaxed) }
}

/// What a worker is born with.
struct WorkerSetup: Sendable {
    var index: Int
    var mailboxes: [Mailbox<WorkerCommand>]
    var shared: SharedCounts
    var health: Mailbox<HealthCommand>
    var reports: @Sendable (WorkerReport) -> Void
}
