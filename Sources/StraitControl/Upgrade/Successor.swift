// The newer process, as the one that started it sees it.

internal import Foundation
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import Synchronization

/// A process that was started to take over.
struct Successor: Sendable {
    let process: SiblingProcess
    let peer: UpgradePeer
    /// What it was started from.
    let program: FileMark
    private let offering = Offering()

    /// Starts `program` as this process was started, and offers it everything.
    init(
        program: String, _ listeners: [InheritedListener], _ state: OfferedState
    ) throws(PosixError) {
        self.program = FileMark(path: program)
        let (ours, theirs) = try MessageSocket.pair(
            sendTimeoutMilliseconds: Int32(Limits.upgradeSendTimeout.nanoseconds / 1_000_000))
        let variables = ProcessInfo.processInfo.environment
            .filter { !Self.variablesOfOneProcess.contains($0.key) }
            .map { "\($0.key)=\($0.value)" }
        let mark = "\(UpgradeLink.variable)=\(SiblingProcess.inheritedDescriptor)"
        let process = try withExtendedLifetime(theirs) { () throws(PosixError) in
            try SiblingProcess.spawn(
                program: program, arguments: Array(CommandLine.arguments.dropFirst()),
                environment: variables + [mark], inherited: theirs.number)
        }
        self.process = process
        do throws(PosixError) {
            let link = UpgradeLink(socket: ours)
            let offering = self.offering
            self.peer = try UpgradePeer(link)
            // On a thread of its own, because it waits where the other process does not read.
            try Thread.spawn(name: "offer") {
                do throws(PosixError) {
                    try Self.offer(listeners, state, over: link)
                } catch {
                    offering.failed(error)
                    link.socket.shutdown()
                }
            }.detach()
        } catch {
            process.end()
            throw error
        }
    }

    /// Variables that the new process does not get.
    private static let variablesOfOneProcess = ServiceManager.variablesOfOneProcess
        .union([UpgradeLink.variable])

    /// Why the offer could not be sent, unless the other process was gone.
    var notOffered: PosixError? { self.offering.failure.withLock { $0 } }

    /// Sends the listeners and what belongs to them.
    static func offer(
        _ listeners: [InheritedListener], _ state: OfferedState, over link: UpgradeLink
    ) throws(PosixError) {
        try link.send(.version(UpgradeMessage.spoken))
        var rest = listeners[...]
        while !rest.isEmpty {
            let part = rest.prefix(MessageSocket.descriptorsMax)
            rest = rest.dropFirst(part.count)
            try link.send(
                .listeners(
                    part.map {
                        OfferedListener(name: $0.name ?? "", address: $0.address.description)
                    }), descriptors: part.map(\.descriptor))
        }
        try link.send(.offer(state))
    }

    /// Ends it.
    func end() {
        self.peer.end()
        self.process.end()
    }
}

/// What the thread that sends the offer came to.
private final class Offering: Sendable {
    let failure = Mutex<PosixError?>(nil)

    func failed(_ error: PosixError) {
        guard !error.isGone else { return }  // which the peer tells
        self.failure.withLock { $0 = error }
    }
}
