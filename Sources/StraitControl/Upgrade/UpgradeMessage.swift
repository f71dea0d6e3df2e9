// What two processes of one router say to each other while one takes over from the other. One JSON
// object a message, over a pair of sockets that the older one made.

internal import Foundation
internal import StraitCore
internal import StraitPosix

/// A listening socket that goes with the message, in the order of the message's descriptors.
struct OfferedListener: Codable, Hashable, Sendable {
    /// The listener's name.
    var name: String
    /// Its address as configured.
    var address: String
}

/// What the predecessor hands over beside its sockets, so that what downstreams were given goes on
/// being good.
struct OfferedState: Codable, Hashable, Sendable {
    /// The secret from which ticket keys are derived.
    var ticketRoot: [UInt8]
    /// Counts the times that ticket keys were changed.
    var epoch: UInt64
    /// How long the keys have been in use.
    var epochAgeNanoseconds: UInt64
    /// The revision that is live.
    var revision: UInt64
    /// The path of the predecessor's operators' socket, which its successor takes.
    var admin: String
    /// What an upgrade starts where nothing is named: how the first process was started.
    var program: String
    /// Processes that still drain, the predecessor first.
    var draining: [DrainingProcess]
}

/// What the successor gives back with the listeners, so that what it gave downstreams is good in
/// the predecessor, too.
struct ReturnedState: Codable, Hashable, Sendable {
    /// Counts the times that ticket keys were changed.
    var epoch: UInt64
    /// How long the keys have been in use.
    var epochAgeNanoseconds: UInt64
    /// The revision that is live.
    var revision: UInt64
    /// Where the successor will answer operators.
    var admin: String
}

/// One message.
enum UpgradeMessage: Codable, Hashable, Sendable {
    // From the predecessor.

    /// Comes first and stays as it is: which messages follow.
    case version(Int)
    /// Some of the listeners.
    case listeners([OfferedListener])
    /// The rest; the offer is whole.
    case offer(OfferedState)
    /// Accept now.
    case go
    /// The predecessor has heard that it is to accept again; the answer comes next.
    case resuming
    /// It accepts again.
    case resumed
    /// It cannot: why.
    case notResumed(String)

    // From the successor.

    /// The configuration is read, and every listener is open.
    case ready(revision: UInt64)
    /// It cannot take over: why.
    case failed(String)
    /// It accepts, and operators reach it.
    case serving
    /// Addresses that it does not listen on any more: nobody may wait there.
    case dropped([String])
    /// The predecessor shall accept again.
    case takeBack(ReturnedState)
    /// The predecessor is not to accept again: this one is upgraded itself, or drains.
    case released

    /// What this program speaks; another number is refused.
    static let spoken = 1

    func encoded() throws(PosixError) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(self))
        } catch {
            throw .badMessage("upgrade message")
        }
    }

    init(_ bytes: [UInt8]) throws(PosixError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch {
            throw .badMessage("upgrade message")
        }
    }
}

/// The connection between predecessor and successor.
struct UpgradeLink: Sendable {
    /// The environment variable that tells a process that it is a successor: a descriptor.
    static let variable = "STRAIT_UPGRADE"

    let socket: MessageSocket

    func send(_ message: UpgradeMessage, descriptors: [Int32] = []) throws(PosixError) {
        try self.socket.send(try message.encoded(), descriptors: descriptors)
    }

    /// Waits for the next message; nil when the other process is gone.
    func receive() throws(PosixError) -> (message: UpgradeMessage, descriptors: [Int32])? {
        guard let received = try self.socket.receive() else { return nil }
        do throws(PosixError) {
            return (try UpgradeMessage(received.bytes), received.descriptors)
        } catch {
            for number in received.descriptors { Sockets.close(number) }
            throw error
        }
    }
}

/// The other process of an upgrade, once messages may come at any time.
struct UpgradePeer: Sendable {
    private let link: UpgradeLink
    /// What it says, until it is gone.
    let messages: AsyncStream<UpgradeMessage>

    /// Receives on a thread of its own from now on.
    ///
    /// - Throws: ``PosixError`` where no thread is to be had.
    init(_ link: UpgradeLink) throws(PosixError) {
        let (stream, continuation) = AsyncStream<UpgradeMessage>.makeStream(
            bufferingPolicy: .bufferingOldest(Limits.upgradeMessagesMax))
        self.link = link
        self.messages = stream
        try Thread.spawn(name: "upgrade") {
            do throws(PosixError) {
                while let (message, descriptors) = try link.receive() {
                    for number in descriptors { Sockets.close(number) }  // none are expected
                    if case .dropped = continuation.yield(message) { break }
                }
            } catch {
                // What cannot be read ends the conversation, as the other's end does.
            }
            link.socket.shutdown()
            continuation.finish()
        }.detach()
    }

    /// Says something.
    ///
    /// - Returns: Whether the other process was there to hear it.
    @discardableResult
    func tell(_ message: UpgradeMessage) -> Bool {
        do throws(PosixError) {
            try self.link.send(message)
            return true
        } catch {
            return false
        }
    }

    /// What it says next; nil when it is gone, or when `timeout` has passed, which ends the
    /// conversation.
    func next(within timeout: Duration? = nil) async -> UpgradeMessage? {
        let expiry = timeout.map { timeout in
            Task {
                do { try await Task.sleep(for: timeout) } catch { return }
                self.end()
            }
        }
        defer { expiry?.cancel() }
        var iterator = self.messages.makeAsyncIterator()
        return await iterator.next()
    }

    /// Ends the conversation: the other process sees that this one is gone.
    func end() { self.link.socket.shutdown() }
}
