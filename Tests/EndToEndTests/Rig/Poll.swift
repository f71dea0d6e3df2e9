// Waits for another process, with a deadline. The only place of the tests that lets time pass.

/// What was waited for did not come.
struct NeverHappened: Error, CustomStringConvertible {
    let what: String
    let seconds: Int
    var description: String { "not within \(self.seconds) s: \(self.what)" }
}

/// Asks until the answer is not nil.
///
/// - Parameters:
///   - what: What is waited for, for the error.
///   - seconds: How long, at most.
///   - ask: Asked every 20 ms; what it throws ends the waiting.
/// - Returns: The first answer that is not nil.
/// - Throws: ``NeverHappened`` after that time, or what `ask` throws.
func eventually<Answer: Sendable>(
    _ what: String, within seconds: Int = 30, _ ask: () async throws -> Answer?
) async throws -> Answer {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if let answer = try await ask() { return answer }
        try await Task.sleep(for: .milliseconds(20))
    }
    throw NeverHappened(what: what, seconds: seconds)
}

/// Asks until the answer is yes.
func eventually(
    _ what: String, within seconds: Int = 30, _ ask: () async throws -> Bool
) async throws {
    _ = try await eventually(what, within: seconds) { try await ask() ? true : nil }
}
