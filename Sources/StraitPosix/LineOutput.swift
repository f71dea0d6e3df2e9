// Where logs and records are written: a standard stream or a file that is appended to.

internal import Glibc

/// A descriptor that whole lines are appended to.
package struct LineOutput: ~Copyable {
    /// What is written to.
    package enum Destination: Hashable, Sendable {
        case standardOutput
        case standardError
        /// Created with mode 0640 where it does not exist.
        case file(path: String)
    }

    private let destination: Destination
    private var file: OwnedDescriptor

    /// Opens `destination`.
    package init(_ destination: Destination) throws(PosixError) {
        self.destination = destination
        self.file = OwnedDescriptor(owning: try Self.open(destination))
    }

    /// Writes all of `bytes`, waiting where the reader is slow.
    package func write(_ bytes: [UInt8]) throws(PosixError) {
        try writeAll(bytes[...], to: self.number, milliseconds: -1)
    }

    /// Opens a file's path anew, after it was rotated.
    ///
    /// The old file stays where this fails.
    package mutating func reopen() throws(PosixError) {
        let number = try Self.open(self.destination)
        self.file = OwnedDescriptor(owning: number)
    }

    private var number: Int32 {
        switch self.destination {
        case .standardOutput: STDOUT_FILENO
        case .standardError: STDERR_FILENO
        case .file: self.file.number
        }
    }

    /// A new descriptor for a file; -1, which owns nothing, for a standard stream.
    private static func open(_ destination: Destination) throws(PosixError) -> Int32 {
        guard case .file(let path) = destination else { return -1 }
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY
        let number = unsafe path.withCString { unsafe Glibc.open($0, flags, 0o640) }
        guard number >= 0 else { throw PosixError("open") }
        return number
    }
}
