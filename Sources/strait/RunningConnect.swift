// The engine behind `strait connect`: one worker, one listener.

internal import Foundation
internal import StraitControl
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitSnapshot
internal import Synchronization

/// One worker with one listener, and why its last connection failed.
final class RunningConnect: Sendable {
    private let fleet: WorkerFleet
    private let sockets: Mutex<ListenerSocketSet>
    private let note: FailureNote
    private let delivery: Task<Void, Never>
    /// The address that we listen on, with its port.
    let address: SocketAddress?

    /// Starts the worker and listens; `tell` hears of each connection that ends badly, on the
    /// worker's thread.
    init(
        _ plan: ConnectPlan, tell: @escaping @Sendable (ConnectFailure) -> Void = { _ in }
    ) async throws {
        let note = FailureNote(plan, tell)
        let fleet = try Self.fleet { note.take($0) }
        let delivery = Task { await fleet.deliverReports() }
        let snapshot = try plan.snapshot()
        var set = ListenerSocketSet()
        do throws(ListenerNotOpened) {
            let change = try set.change(to: snapshot, backlogs: [:])
            _ = await fleet.apply(
                .apply(snapshot, sockets: change.next), revision: snapshot.revision,
                timeout: .seconds(5))
            set.keep(change)
        } catch {
            delivery.cancel()
            throw CommandFailure(.refused, "\(error.listener.address): \(error.error)")
        }
        self.fleet = fleet
        self.note = note
        self.delivery = delivery
        self.address = set.sockets.first.flatMap { Sockets.localAddress($0.descriptor) }
        self.sockets = Mutex(set)
    }

    private static func fleet(
        _ log: @escaping @Sendable (WorkerReport) -> Void
    ) throws(CommandFailure) -> WorkerFleet {
        do throws(EngineError) {
            return try WorkerFleet(workers: 1, pinned: false, log: log)
        } catch {
            throw CommandFailure(.refused, error.description)
        }
    }

    /// Why the last connection that ended badly did; nil when none did.
    var failure: ConnectFailure? { self.note.failure }

    /// Joins a connection of ours with standard input and output, until both directions have ended.
    ///
    /// - Returns: Whether any byte came; where none did, standard output is still open.
    func join(_ stream: consuming BlockingStream) async throws(PosixError) -> Bool {
        let descriptor = stream.release()
        defer { Sockets.close(descriptor) }
        let result: Result<Bool, PosixError> = await withCheckedContinuation { continuation in
            do throws(PosixError) {
                _ = try StraitPosix.Thread.spawn(name: "strait-join") {
                    do throws(PosixError) {
                        let hasBytes = try joinStreams(input: 0, output: 1, stream: descriptor)
                        continuation.resume(returning: .success(hasBytes))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }

    /// Ends what is open at once; what waits for it goes on.
    func giveUp() async {
        _ = await self.fleet.drain(deadline: monotonicNow(), timeout: .seconds(1))
    }

    /// Ends what is open, the worker, and the listener.
    func stop() async {
        await self.giveUp()
        _ = await self.fleet.stop(timeout: .seconds(1))
        self.sockets.withLock { $0.closeAll() }
        self.delivery.cancel()
    }
}

/// Remembers why the last connection that ended badly did.
///
/// Called on the worker's thread.
private final class FailureNote: Sendable {
    private let last = Mutex<ConnectFailure?>(nil)
    private let host: String
    private let applicationProtocol: String
    private let tell: @Sendable (ConnectFailure) -> Void

    init(_ plan: ConnectPlan, _ tell: @escaping @Sendable (ConnectFailure) -> Void) {
        self.host = plan.host
        self.applicationProtocol = String(decoding: plan.applicationProtocol.bytes, as: UTF8.self)
        self.tell = tell
    }

    var failure: ConnectFailure? { self.last.withLock { $0 } }

    func take(_ report: WorkerReport) {
        guard case .accessRecords(let lines) = report else { return }
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            guard
                let failure = ConnectFailure(
                    record: Array(line), host: self.host,
                    applicationProtocol: self.applicationProtocol)
            else { continue }
            self.last.withLock { $0 = failure }
            self.tell(failure)
        }
    }
}

/// Removes a file or folder that may be gone already.
func removeQuietly(_ path: String) {
    do { try FileManager.default.removeItem(atPath: path) } catch { return }
}

/// A UNIX socket that nobody else can open, not even for a moment: made in a folder of our own,
/// then moved to its place.
struct PrivateSocket {
    /// Where it is to be; nil for a port.
    let path: String?
    /// What is bound.
    let bound: SocketAddress
    private let folder: String

    /// Makes the folder beside the socket's place.
    init(_ address: SocketAddress) throws {
        guard case .unix(let path) = address else {
            (self.path, self.bound, self.folder) = (nil, address, "")
            return
        }
        guard !FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure(
                .refused, "\(path) exists; remove it if nobody listens there, or choose another")
        }
        let parent = (path as NSString).deletingLastPathComponent
        self.folder = "\(parent)/.strait-\(ProcessInfo.processInfo.processIdentifier)"
        guard let bound = SocketAddress("unix:\(self.folder)/s") else {
            throw CommandFailure(.refused, "\(path) is too long for a socket; 90 bytes are not")
        }
        (self.path, self.bound) = (path, bound)
        do {
            try FileManager.default.createDirectory(
                atPath: self.folder, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw CommandFailure(.refused, "\(parent): \(error.localizedDescription)")
        }
    }

    /// Puts the socket in its place, for its owner alone.
    func publish() throws {
        guard let path = self.path else { return }
        defer { removeQuietly(self.folder) }
        do {
            let made = "\(self.folder)/s"
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: made)
            try FileManager.default.moveItem(atPath: made, toPath: path)
        } catch {
            throw CommandFailure(.refused, "\(path): \(error.localizedDescription)")
        }
    }

    /// Takes it away.
    func remove() { if let path = self.path { removeQuietly(path) } }
}
