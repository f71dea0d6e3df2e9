// The door into a worker: any thread puts, one thread takes.

internal import CStrait
internal import Glibc
internal import Synchronization

/// A queue into one thread, with a descriptor that wakes its poller.
package final class Mailbox<Message: Sendable>: Sendable {
    private struct Queue {
        var messages: [Message] = []
        var refused: UInt64 = 0
    }

    private let queue = Mutex(Queue())
    private let wakeDescriptor: Int32

    /// - Throws: ``PosixError`` when there is no descriptor to be had.
    package init() throws(PosixError) {
        self.wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard self.wakeDescriptor >= 0 else { throw PosixError("eventfd") }
    }

    deinit { _ = close(self.wakeDescriptor) }

    /// The descriptor that becomes readable when a message waits.
    package var descriptor: Int32 { self.wakeDescriptor }

    /// Puts a message; false when `countMax` are waiting already.
    package func put(_ message: Message, countMax: Int = .max) -> Bool {
        let (taken, wasEmpty) = self.queue.withLock { queue -> (Bool, Bool) in
            guard queue.messages.count < countMax else {
                queue.refused += 1
                return (false, false)
            }
            queue.messages.append(message)
            return (true, queue.messages.count == 1)
        }
        if wasEmpty { _ = eventfd_write(self.wakeDescriptor, 1) }
        return taken
    }

    /// How many messages were refused so far because of their `countMax`.
    package var refused: UInt64 { self.queue.withLock { $0.refused } }

    /// Takes all that wait.
    package func takeAll() -> [Message] {
        var count: eventfd_t = 0
        _ = unsafe eventfd_read(self.wakeDescriptor, &count)
        return self.queue.withLock { queue in
            defer { queue.messages = [] }
            return queue.messages
        }
    }
}
