// Where workers put access records and log lines: called on their threads, so it only queues.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import Synchronization

/// Takes what workers write.
package final class RecordSink: Sendable {
    private struct State: Sendable {
        var destination: Configuration.AccessSettings.Destination = .off
        var writer: LineWriter?
        /// Lines that writers before this one dropped.
        var droppedBefore: UInt64 = 0
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// Writes access records to `destination` from now on.
    ///
    /// The old place stays where this one cannot be opened.
    func use(_ destination: Configuration.AccessSettings.Destination) {
        guard self.state.withLock({ $0.destination != destination }) else { return }
        do throws(PosixError) {
            let writer = try destination.output.map { output throws(PosixError) in
                try LineWriter(output, name: "access-records")
            }
            let old = self.state.withLock { state -> LineWriter? in
                defer { state.writer = writer }
                state.destination = destination
                state.droppedBefore += state.writer?.droppedLines ?? 0
                return state.writer
            }
            old?.stop()
        } catch {
            self.logger.error("access.path cannot be opened: \(error); the old place stays in use")
        }
    }

    /// A report of a worker that is no answer.
    func take(_ report: WorkerReport) {
        switch report {
        case .accessRecords(let lines):
            let writer = self.state.withLock { $0.writer }
            writer?.write(lines)
        case .log(let line):
            var fields: Logger.Metadata = ["worker": "\(line.worker)"]
            if line.suppressed > 0 { fields["suppressed"] = "\(line.suppressed)" }
            switch line.level {
            case .warning: self.logger.warning("\(line.message)", metadata: fields)
            case .error: self.logger.error("\(line.message)", metadata: fields)
            }
        case .health(let turn): self.tell(turn)
        case .applied, .drained, .metrics, .connections, .found, .closed, .cancelTarget,
            .cancelUnknown, .pong, .stopped:
            return
        }
    }

    private func tell(_ turn: HealthTurn) {
        var fields: Logger.Metadata = [
            "tenant": "\(turn.tenant)", "service": "\(turn.service)",
            "upstream": "\(turn.address)", "health": "\(turn.health.rawValue)",
        ]
        if turn.suppressed > 0 { fields["suppressed"] = "\(turn.suppressed)" }
        self.logger.log(
            level: turn.health.isHealthy ? .notice : .warning,
            "upstream \(turn.address) is \(turn.health.rawValue): \(turn.why)", metadata: fields)
    }

    /// Opens a file anew after rotation.
    package func reopen() { self.state.withLock { $0.writer }?.reopen() }

    /// Writes what is queued and ends.
    package func stop() { self.state.withLock { $0.writer.take() }?.stop() }

    /// Records that were lost here, and where they should have gone.
    var dropped: (lines: UInt64, sink: String) {
        self.state.withLock { state in
            (state.droppedBefore + (state.writer?.droppedLines ?? 0), state.destination.word)
        }
    }
}

extension Configuration.AccessSettings.Destination {
    fileprivate var output: LineOutput.Destination? {
        switch self {
        case .standardOutput: .standardOutput
        case .standardError: .standardError
        case .off: nil
        case .file(let path): .file(path: path)
        }
    }

    fileprivate var word: String {
        switch self {
        case .standardOutput: "stdout"
        case .standardError: "stderr"
        case .off: "off"
        case .file: "file"
        }
    }
}
