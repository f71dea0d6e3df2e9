// What Foundation does not do atomically.

internal import CStrait
internal import Glibc

extension PosixError {
    /// Whether nobody listens (ECONNREFUSED).
    package var isRefused: Bool { self.number == ECONNREFUSED }

    /// Whether nothing is there (ENOENT).
    package var isAbsent: Bool { self.number == ENOENT }

    /// Whether the user may not (EACCES, EPERM).
    package var isForbidden: Bool { self.number == EACCES || self.number == EPERM }
}

/// Moves a file, a socket included, over another one in one step.
package func renameReplacing(from source: String, to target: String) throws(PosixError) {
    let status = unsafe source.withCString { from in
        unsafe target.withCString { to in unsafe rename(from, to) }
    }
    guard status == 0 else { throw PosixError("rename") }
}

/// Gives a file, a socket included, a second name.
package func linkFile(from source: String, to target: String) throws(PosixError) {
    let status = unsafe source.withCString { from in
        unsafe target.withCString { to in unsafe link(from, to) }
    }
    guard status == 0 else { throw PosixError("link") }
}

/// Makes a file that nobody but its owner could ever open.
package func makePrivateFile(at path: String, contents: [UInt8]) throws(PosixError) {
    let descriptor = unsafe path.withCString { name in
        unsafe open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    }
    guard descriptor >= 0 else { throw PosixError("open") }
    defer { close(descriptor) }
    let written = unsafe contents.withUnsafeBytes { bytes in
        unsafe write(descriptor, bytes.baseAddress, bytes.count)
    }
    guard written == contents.count, fsync(descriptor) == 0 else { throw PosixError("write") }
}

/// The number of this process.
package func processIdentifier() -> Int32 { getpid() }

/// Makes a write to a pipe or socket that nobody reads an error instead of the end of the process.
package func ignoreBrokenPipes() { _ = signal(SIGPIPE, SIG_IGN) }

/// The commit that this program was built from, as the build was told; `unknown` else.
package func buildCommit() -> String { unsafe String(cString: cstrait_commit()) }
