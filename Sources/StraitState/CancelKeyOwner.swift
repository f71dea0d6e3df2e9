// Which worker gave a Postgres cancel key out. Said by a keyed hash of the whole key, so that every
// bit of it is random.

/// Finds the worker of a cancel key, and makes keys that lead to a worker.
///
/// The process id stays the upstream's, because programs compare it with the one in notifications
/// and name it to `pg_terminate_backend`. That leaves the secret, 4 bytes in protocol 3.0 and up to
/// 256 in 3.2. No bits of it name the worker: the key is chosen so that its hash does. The hash is
/// keyed at random when the process starts, so a guess is right once in 2^32, as if the worker were
/// not in it; knowing the hash would give no more than the worker's number.
package struct CancelKeyOwner: Sendable {
    private let workers: Int

    /// - Parameter workers: How many workers there are, 1 or more.
    package init(workers: Int) {
        precondition(workers > 0, "somebody gave the key out")
        self.workers = workers
    }

    /// The index of the worker that gives out this key, from 0.
    package func worker(processID: UInt32, key: [UInt8]) -> Int {
        var hasher = Hasher()
        hasher.combine(processID)
        hasher.combine(key)
        return Int(UInt(bitPattern: hasher.finalize()) % UInt(self.workers))
    }

    /// The key nearest above `random` that leads to `worker`.
    ///
    /// - Parameters:
    ///   - random: 4 bytes or more from a cryptographic generator.
    ///   - processID: The upstream's.
    ///   - worker: Who gives the key out.
    ///   - isTaken: Whether a key is in use with this process id already; then the next one is
    ///     looked at.
    /// - Returns: A key of the same length; nil where none was found in ``triesMax`` tries, which
    ///   has a chance of less than 2^-40 with 128 workers.
    package func key(
        from random: [UInt8], processID: UInt32, worker: Int, isTaken: ([UInt8]) -> Bool
    ) -> [UInt8]? {
        precondition(random.count >= 4, "the shortest key has 4 bytes")
        var key = random
        for _ in 0..<Self.triesMax {
            if self.worker(processID: processID, key: key) == worker, !isTaken(key) { return key }
            for index in 0..<4 {  // counts up, the first byte the lowest
                key[index] &+= 1
                if key[index] != 0 { break }
            }
        }
        return nil
    }

    private static let triesMax = 4096
}
