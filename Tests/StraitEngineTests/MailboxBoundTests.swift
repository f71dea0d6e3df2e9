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

@Suite("An engine whose worker is stuck", .timeLimit(.minutes(1))) struct MailboxBoundTests {
    @Test("takes as many commands as the bound says, counts the others, and stops in the end")
    func bounded() throws {
        let worker = try Gate()
        let test = try Gate()
        let refused = Mutex<UInt64>(0)
        let wasHeld = Mutex(false)
        let engine = try Engine(workers: 1, pinned: false) { report in
            guard case .metrics(_, let metrics) = report else { return }
            refused.withLock { $0 = max($0, metrics.mailboxRefusals) }
            let isFirst = wasHeld.withLock { held in
                defer { held = true }
                return !held
            }
            if isFirst { test.open() }
            worker.pass()
        }
        #expect(engine.broadcast(.collectMetrics(token: 0)) == 1)
        test.pass()
        var taken = 0
        for token in 1...3000 { taken += engine.broadcast(.collectMetrics(token: UInt64(token))) }
        #expect(taken == Limits.mailboxMessagesMax)
        #expect(engine.send(.collectMetrics(token: 1), to: 0) == false)
        #expect(engine.broadcast(.stop) == 1)
        #expect(engine.broadcast(.stop) == 1)
        worker.open()
        engine.join()
        #expect(refused.withLock { $0 } == UInt64(3001 - Limits.mailboxMessagesMax))
    }
}
