// Postgres cancel keys: ours, which the downstream was given, and the upstream's, which they stand
// for.
//
// The process id stays the upstream's, because applications compare it with the one in
// notifications. The key is ours: random throughout, and of the upstream's length, so that the
// stream's framing does not change. Which worker gave it out, its hash says.

internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import StraitWire

/// The cancel keys that one worker has given out and not withdrawn.
struct CancelRegistry {
    private var targets: [CancelKey: CancelTarget] = [:]

    private let owner: CancelKeyOwner
    private let worker: Int

    /// - Parameters:
    ///   - worker: Whose registry it is.
    ///   - workers: How many there are.
    init(worker: Int, workers: Int) {
        self.worker = worker
        self.owner = CancelKeyOwner(workers: workers)
    }

    /// The worker that gave a key out, if any has.
    func worker(of key: CancelKey) -> Int {
        self.owner.worker(processID: key.processID, key: key.bytes)
    }

    /// A new key of ours, as long as the upstream's (4 to 256 bytes), that leads here.
    ///
    /// Nil in a case that does not happen: then the upstream's own key stays in place.
    func makeKey(processID: UInt32, length: Int) -> [UInt8]? {
        self.owner.key(
            from: TLSRandom.bytes(length), processID: processID, worker: self.worker
        ) { self.targets[CancelKey(processID: processID, bytes: $0)] != nil }
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
        _ buffer: borrowing TransferBuffer, _ count: Int, _ registry: CancelRegistry
    ) -> (outcome: Outcome, replacement: (range: Range<Int>, bytes: ArraySlice<UInt8>)?) {
        let result = self.scanner.scan(buffer.span(0..<count))
        if let processID = result.processID { self.processID = processID }
        guard !result.keyRange.isEmpty else {
            return (result.isFinished || result.isMalformed ? .finished : .goOn, nil)
        }
        if self.ours.isEmpty {
            guard
                let key = registry.makeKey(
                    processID: self.processID, length: result.keyLength)
            else { return (.finished, nil) }
            self.ours = key
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
