// Copy or splice: bulk goes through a pipe in the kernel, small messages through the worker's
// buffer.
//
// Measured: splice costs ping-pong +45 %, copy doubles bulk. So each direction begins copying,
// changes after several large reads in a row, and changes back after several small ones.

/// How one direction moves its bytes, and when it changes.
package struct TransferMode: Equatable, Sendable {
    /// Reads of at least this many bytes are large.
    package static let largeBytes = 32 * 1024
    /// Large reads in a row before splicing.
    package static let largeReadsToSplice = 4
    /// Moves of less than this many bytes are small.
    package static let smallBytes = 16 * 1024
    /// Small moves in a row before copying again.
    package static let smallMovesToCopy = 8

    /// Whether bytes are spliced now.
    package private(set) var isSplicing = false
    private var streak: UInt8 = 0

    /// Whether large reads come one after the other, spliced or copied.
    package var isBulk: Bool { self.isSplicing || self.streak >= UInt8(Self.largeReadsToSplice) }

    /// Copies, until large reads come.
    package init() {}

    /// A read of `bytes` was copied.
    ///
    /// True when splicing should begin.
    package mutating func copied(bytes: Int) -> Bool {
        guard bytes >= Self.largeBytes else {
            self.streak = 0
            return false
        }
        // Where splicing is impossible (TLS, a key to look for) large reads go on without end.
        self.streak = min(self.streak + 1, UInt8(Self.largeReadsToSplice))
        return self.streak >= Self.largeReadsToSplice
    }

    /// A move of `bytes` into the pipe.
    ///
    /// True when copying should begin again, once the pipe is empty.
    package mutating func spliced(bytes: Int) -> Bool {
        guard bytes < Self.smallBytes else {
            self.streak = 0
            return false
        }
        self.streak = min(self.streak + 1, UInt8(Self.smallMovesToCopy))
        return self.streak >= Self.smallMovesToCopy
    }

    /// Splicing has begun: a pipe was had.
    package mutating func beganSplicing() {
        self.isSplicing = true
        self.streak = 0
    }

    /// Copying has begun, or goes on because no pipe was to be had.
    package mutating func beganCopying() {
        self.isSplicing = false
        self.streak = 0
    }
}
