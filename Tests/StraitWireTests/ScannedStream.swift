// A Postgres stream as scanned in pieces; shared by the tests and the fuzz target.

import StraitWire

/// What a scanner found in a whole stream.
struct ScannedStream: Equatable {
    var key: [UInt8] = []
    var keyLength = 0
    var processID: UInt32?
    var isFinished = false
    var isMalformed = false
    /// The stream with its key overwritten by 0xEE.
    var rewritten: [UInt8] = []

    /// Scans `stream` in pieces that end at `cuts` (ascending) and at its end.
    ///
    /// Nil when the offsets of the pieces do not follow each other.
    init?(_ stream: [UInt8], cuts: some Sequence<Int> = []) {
        var scanner = PostgresStreamScanner()
        var start = 0
        for cut in Array(cuts) + [stream.count] where cut >= start {
            var piece = Array(stream[start..<cut])
            let result = scanner.scan(piece.span)
            guard result.keyRange.isEmpty || result.keyOffset == self.key.count else { return nil }
            guard result.keyRange.upperBound <= piece.count else { return nil }
            guard result.keyRange.isEmpty || result.processID != nil else { return nil }
            self.key += piece[result.keyRange]
            for index in result.keyRange { piece[index] = 0xEE }
            self.rewritten += piece
            self.keyLength = result.keyLength
            self.processID = result.processID
            self.isFinished = result.isFinished
            self.isMalformed = result.isMalformed
            start = cut
        }
    }
}
