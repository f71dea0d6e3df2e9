// A worker that takes nothing: what is put for it is bounded and counted, and it can be stopped.

import Glibc
import StraitCore
import StraitEngine
import Synchronization
import Testing

/// Holds whoever passes until it is opened.
private final class Gate: Sendable {
    private let ends: (read: Int32, write: Int32)

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw RigError(description: "a pipe") }
        self.ends = (ends[0], ends[1])
    }

    deinit { _ = close(self.ends.read) }

    /// Waits until the gate is open.
    func pass() {
        var byte: UInt8 = 0
        _ = read(self.ends.read, &byte, 1)
    }

    /// Opens it for ever.
    func open() { _ = close(self.ends.write) }
}

@Suite("An engine whose worker is stuck", .timeLimit(.minutes(3))) struct MailboxBoundTests {
    /// What a worker has told once it was let go.
    private struct Told {
        var refused: UInt64 = 0
        var drained = 0
        var stopped = 0
    }

    /// An engine whose one worker stands still until `worker` is open.
    private final class Stuck: Sendable {
        let engine: Engine
        let worker: Gate
        private let told: Held

        private final class Held: Sendable {
            let value = Mutex((told: Told(), wasHeld: false))
        }

        init() throws {
            let worker = try Gate()
            let test = try Gate()
            let held = Held()
            self.engine = try Engine(workers: 1, pinned: false) { report in
                if case .drained = report { held.value.withLock { $0.told.drained += 1 } }
                if case .stopped = report { held.value.withLock { $0.told.stopped += 1 } }
                guard case .metrics(_, let metrics) = report else { return }
                let isFirst = held.value.withLock { held in
                    defer { held.wasHeld = true }
                    held.told.refused = max(held.told.refused, metrics.mailboxRefusals)
                    return !held.wasHeld
                }
                if isFirst { test.open() }
                worker.pass()
            }
            self.worker = worker
            self.told = held
            self.engine.broadcast(.collectMetrics(token: 0))
            test.pass()
        }

        /// Puts what does not fit, and counts what was taken.
        func fill() -> Int {
            (1...3000).count { self.engine.send(.collectMetrics(token: UInt64($0)), to: 0) }
        }

        /// Lets the worker go, and waits for its end.
        func end() -> Told {
            self.engine.broadcast(.stop)
            self.engine.broadcast(.stop)
            self.worker.open()
            self.engine.join()
            return self.told.value.withLock { $0.told }
        }
    }

    @Test("takes as many commands as the bound says, counts the others, and stops in the end")
    func bounded() throws {
        let stuck = try Stuck()
        #expect(stuck.fill() == Limits.mailboxMessagesMax)
        #expect(stuck.engine.send(.collectMetrics(token: 1), to: 0) == false)
        let told = stuck.end()
        #expect(told.refused == UInt64(3001 - Limits.mailboxMessagesMax))
        #expect(told.stopped == 1)
    }

    @Test("is told that a drain is taken back, however many commands wait")
    func resumed() throws {
        let stuck = try Stuck()
        stuck.engine.broadcast(.drain(deadline: .never))
        #expect(stuck.fill() == Limits.mailboxMessagesMax - 1)
        stuck.engine.broadcast(.resume)
        #expect(stuck.end().drained == 0, "it drains no more")
    }

    @Test("is told so only where it was told to drain, so that the bound holds")
    func notDraining() throws {
        let stuck = try Stuck()
        #expect(stuck.fill() == Limits.mailboxMessagesMax)
        stuck.engine.broadcast(.drain(deadline: .never))
        for _ in 0..<10 { stuck.engine.broadcast(.resume) }
        let told = stuck.end()
        #expect(told.refused == 3000 - UInt64(Limits.mailboxMessagesMax) + 1)
        #expect(told.drained == 0)
    }
}
