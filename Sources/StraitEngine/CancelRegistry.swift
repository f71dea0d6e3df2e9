// Postgres cancel keys: ours, which the downstream was given, and the upstream's, which they stand
// for.
//
// The process id stays the upstream's, because applications compare it with the one in
// notifications. The key is ours: its first byte names the worker, the others are random, and it
// has the upstream's length, so that the stream's framing does not change.

internal import StraitPosix
internal import StraitSnapshot
internal import StraitWire

/// The cancel keys that one worker has given out and not withdrawn.
struct CancelRegistry {
    private var targets: [CancelKey: CancelTarget] = [:]

    /// The worker that gave a key out, as the key itself says.
    static func worker(of key: some Collection<UInt8>) -> Int? { key.first.map(Int.init) }

    /// A new key of ours with `length` bytes (4 to 256) for this worker.
    static func makeKey(worker: Int, length: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        var key = [UInt8(truncatingIfNeeded: worker)]
        while key.count < length { key.append(UInt8.random(in: 0...255, using: &generator)) }
        return key
    }

    mutating func add(_ key: CancelKey, _ target: CancelTarget) { self.targets[key] = target }

    mutating func remove(_ key: CancelKey) { self.targets[key] = nil }

    func target(_ key: CancelKey) -> CancelTarget? { self.targets[key] }
}

/// Replaces the key in the upstream's BackendKeyData by ours, wherever the stream is cut.
struct KeyRewriter {
    private var scanner = PostgresStreamScanner()
    private var processID: UInt32 = 0
    private var theirs: [UInt8] = []
    private var ours: [UInt8] = []

    /// What a piece of the stream brought.
    enum Outcome {
        /// Look at the next piece too.
        case goOn
        /// The key is whole; a connection has one.
        case key(processID: UInt32, theirs: [UInt8], ours: [UInt8])
        /// Nothing more to look for.
        case finished
    }

    /// Looks at the first `count` bytes of the buffer, and says which of them are to be replaced by
    /// which.
    mutating func scan(
        _ buffer: borrowing TransferBuffer, _ count: Int, worker: Int
    ) -> (outcome: Outcome, replacement: (range: Range<Int>, bytes: ArraySlice<UInt8>)?) {
        let result = self.scanner.scan(buffer.span(0..<count))
        if let processID = result.processID { self.processID = processID }
        guard !result.keyRange.isEmpty else {
            return (result.isFinished || result.isMalformed ? .finished : .goOn, nil)
        }
        if self.ours.isEmpty {
            self.ours = CancelRegistry.makeKey(worker: worker, length: result.keyLength)
        }
        self.theirs += buffer.copy(result.keyRange)
        let end = result.keyOffset + result.keyRange.count
        let replacement = (range: result.keyRange, bytes: self.ours[result.keyOffset..<end])
        guard end == result.keyLength else { return (.goOn, replacement) }
        return (
            .key(processID: self.processID, theirs: self.theirs, ours: self.ours), replacement
        )
    }
}
