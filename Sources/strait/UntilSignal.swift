// Commands that go on until they are interrupted: what waits does so on a thread of its own.

internal import StraitPosix
internal import UnixSignals

/// Does something on a thread until it is done, fails, or a signal ends the command, which is no
/// failure.
func untilSignal(_ body: @escaping @Sendable () throws -> Void) async throws {
    // Trapped first: a signal that comes early is not lost.
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
    let (ends, end) = AsyncThrowingStream<Void, any Error>.makeStream()
    _ = try StraitPosix.Thread.spawn(name: "strait-command") {
        do {
            try body()
            end.finish()
        } catch {
            end.finish(throwing: error)
        }
    }
    let waiting = Task {
        for await _ in signals { break }
        end.finish()
    }
    defer { waiting.cancel() }
    for try await _ in ends {}
}
