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

    /// Starts the worker and listens.
    init(_ plan: ConnectPlan) async throws {
        let note = FailureNote()
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
            throw CommandFailure(.refused, "\(error.listener.address): \(error.reason)")
        }
        self.fleet = fleet
        self.note = note
        self.delivery = delivery
        self.address = set.sockets.first.flatMap { ListenerSockets.boundAddress($0.descriptor) }
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
    var failure: String? { self.note.text }

    /// Joins a connection of ours with standard input and output, until both directions have ended.
    func join(_ stream: consuming BlockingStream) async throws(PosixError) {
        let descriptor = stream.release()
        defer { Sockets.close(descriptor) }
        let result = await withCheckedContinuation { continuation in
            do throws(PosixError) {
                _ = try StraitPosix.Thread.spawn(name: "strait-join") {
                    do throws(PosixError) {
                        try joinStreams(input: 0, output: 1, stream: descriptor)
                        continuation.resume(returning: PosixError?.none)
                    } catch {
                        continuation.resume(returning: error)
                    }
                }
            } catch {
                continuation.resume(returning: error)
            }
        }
        if let result { throw result }
    }

    /// Ends what is open, the worker, and the listener.
    func stop() async {
        _ = await self.fleet.drain(deadline: monotonicNow(), timeout: .seconds(1))
        _ = await self.fleet.stop(timeout: .seconds(1))
        self.sockets.withLock { $0.closeAll() }
        self.delivery.cancel()
    }
}

/// Remembers the reason of the last connection that ended badly.
///
/// Called on the worker's thread.
private final class FailureNote: Sendable {
    private let last = Mutex<String?>(nil)

    var text: String? { self.last.withLock { $0 } }

    func take(_ report: WorkerReport) {
        guard case .accessRecords(let lines) = report else { return }
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            guard let text = Self.failure(in: Array(line)) else { continue }
            self.last.withLock { $0 = text }
        }
    }

    private static func failure(in record: [UInt8]) -> String? {
        do {
            let object = try JSONSerialization.jsonObject(with: Data(record))
            guard let fields = object as? [String: Any],
                let reason = fields["error.type"] as? String, reason != "drained"
            else { return nil }
            let detail = (fields["strait.detail"] as? String).map { ": \($0)" } ?? ""
            return reason + detail
        } catch {
            return "the record of the connection cannot be read"
        }
    }
}

/// Removes a file or folder that may be gone already.
func removeQuietly(_ path: String) {
    do { try FileManager.default.removeItem(atPath: path) } catch { return }
}
