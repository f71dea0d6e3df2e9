// Records of ended connections: one JSON object each, batched for the writer, and the latest kept
// for questions.

internal import StraitCore

/// What a worker has written and not yet handed over, and the latest records.
struct AccessLog {
    private let reports: @Sendable (WorkerReport) -> Void
    private var lines: [UInt8] = []
    private var recent: [AccessRecord] = []
    private var next = 0

    init(reports: @escaping @Sendable (WorkerReport) -> Void) { self.reports = reports }

    /// Takes a record: for the writer if it `isWritten`, and among the latest `recentMax`.
    mutating func append(_ record: AccessRecord, isWritten: Bool, recentMax: Int) {
        if isWritten {
            self.lines += record.json
            self.lines.append(UInt8(ascii: "\n"))
            if self.lines.count >= Self.batchBytes { self.flush() }
        }
        guard recentMax > 0 else { return }
        if self.recent.count > recentMax { self.recent.removeLast(self.recent.count - recentMax) }
        if self.recent.count < recentMax {
            self.recent.append(record)
        } else {
            self.next %= self.recent.count
            self.recent[self.next] = record
            self.next += 1
        }
    }

    /// Hands over what is written; called once a turn.
    mutating func flush() {
        guard !self.lines.isEmpty else { return }
        self.reports(.accessRecords(self.lines))
        self.lines = []
    }

    /// The record of a connection that ended lately.
    func find(_ id: ConnectionID) -> [UInt8]? { self.recent.last { $0.id == id }?.json }

    private static let batchBytes = 64 * 1024
}
