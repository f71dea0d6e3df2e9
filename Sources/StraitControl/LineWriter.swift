// Logs and access records on their way out, on a thread of their own: a slow disk or reader delays
// nobody.

package import StraitPosix
internal import Synchronization

/// Writes whole lines to one place from its own thread, with a bounded queue; beyond, lines are
/// dropped and counted.
package final class LineWriter: Sendable {
    private enum Message: Sendable {
        case lines([UInt8])
        case reopen
        case stop
    }

    /// What waits to be written at most, in bytes.
    ///
    /// Beyond: dropped and counted.
    package static let queuedBytesMax = 16 * 1024 * 1024

    private let mailbox: Mailbox<Message>
    private let queuedBytes = Atomic<Int>(0)
    private let dropped = Atomic<UInt64>(0)
    private let thread = Mutex<Thread?>(nil)

    /// Opens `destination` and starts the thread.
    ///
    /// - Parameters:
    ///   - destination: Where lines go.
    ///   - name: The thread's name, at most 15 bytes.
    /// - Throws: ``PosixError`` where the place cannot be written or no thread is to be had.
    package init(_ destination: LineOutput.Destination, name: String) throws(PosixError) {
        let mailbox = try Mailbox<Message>()
        self.mailbox = mailbox
        // Opened here first, so that an unwritable place is told to whoever asked for it.
        do {
            _ = try LineOutput(destination)
        }
        let thread = try Thread.spawn(name: name) { [self] in self.run(destination) }
        self.thread.withLock { $0 = thread }
    }

    /// Queues whole lines, each with its line feed.
    package func write(_ lines: [UInt8]) {
        let queued = self.queuedBytes.add(lines.count, ordering: .relaxed).newValue
        guard queued <= Self.queuedBytesMax else {
            self.queuedBytes.subtract(lines.count, ordering: .relaxed)
            self.drop(lines)
            return
        }
        _ = self.mailbox.put(.lines(lines))
    }

    /// Opens a file's path anew, after what is queued has been written.
    package func reopen() { _ = self.mailbox.put(.reopen) }

    /// Writes what is queued and ends the thread.
    ///
    /// Lines that come later are lost.
    package func stop() {
        guard let thread = self.thread.withLock({ $0.take() }) else { return }
        _ = self.mailbox.put(.stop)
        thread.join()
    }

    /// Lines that were dropped because the queue was full or the place could not be written.
    package var droppedLines: UInt64 { self.dropped.load(ordering: .relaxed) }

    private func drop(_ lines: [UInt8]) {
        let count = lines.count { $0 == UInt8(ascii: "\n") }
        self.dropped.add(UInt64(count), ordering: .relaxed)
    }

    /// The thread: takes what waits, writes it, sleeps.
    private func run(_ destination: LineOutput.Destination) {
        do throws(PosixError) {
            var output = try LineOutput(destination)
            let poller = try Poller(eventsMax: 1)
            try poller.addLevel(self.mailbox.descriptor, token: 0)
            while true {
                _ = poller.wait(milliseconds: -1)
                guard self.perform(self.mailbox.takeAll(), on: &output) else { return }
            }
        } catch {
            for case .lines(let lines) in self.mailbox.takeAll() { self.drop(lines) }
        }
    }

    /// Performs what was asked; false when the thread shall end.
    private func perform(_ messages: [Message], on output: inout LineOutput) -> Bool {
        for message in messages {
            switch message {
            case .lines(let lines):
                self.queuedBytes.subtract(lines.count, ordering: .relaxed)
                do throws(PosixError) { try output.write(lines) } catch { self.drop(lines) }
            case .reopen:
                // Where the new file cannot be opened the old one goes on being written.
                do throws(PosixError) { try output.reopen() } catch { continue }
            case .stop: return false
            }
        }
        return true
    }
}
