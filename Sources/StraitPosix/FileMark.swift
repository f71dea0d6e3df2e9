// Whether a file has changed, or is another one, without reading it.

internal import Glibc

/// What a file looks like from outside: another mark means another content, or another file.
///
/// One stat(2); symbolic links are followed, so that a link that was swung counts as a change.
package struct FileMark: Hashable, Sendable {
    private var device: UInt64 = 0
    private var number: UInt64 = 0
    private var size: Int64 = 0
    /// When it was modified, in nanoseconds since 1970; -1 where there is nothing to look at.
    private var modified: Int64 = -1

    /// The mark of `path`; files that are not there have one too.
    package init(path: String) {
        var facts = stat()
        guard unsafe stat(path, &facts) == 0 else { return }
        self.device = UInt64(facts.st_dev)
        self.number = UInt64(facts.st_ino)
        self.size = Int64(facts.st_size)
        let seconds = Int64(facts.st_mtim.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        self.modified = seconds.partialValue &+ Int64(facts.st_mtim.tv_nsec)
    }
}

/// Which file there is, whatever its name: one lstat(2), so that a symbolic link is itself.
///
/// - Parameter path: Where it lies.
/// - Returns: The file system that it is on, and its inode; nil where there is none, whatever the
///   reason.
package func fileNumber(at path: String) -> (device: Int, number: Int)? {
    var facts = stat()
    guard unsafe lstat(path, &facts) == 0 else { return nil }
    return (Int(truncatingIfNeeded: facts.st_dev), Int(truncatingIfNeeded: facts.st_ino))
}
