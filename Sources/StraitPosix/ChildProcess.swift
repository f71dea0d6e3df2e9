// Another program of ours, started with one descriptor more than the standard three.

internal import CStrait
internal import Glibc

/// A process that this one has started.
package struct ChildProcess: Hashable, Sendable {
    /// The descriptor that the child finds what it inherits at.
    package static let inheritedDescriptor: Int32 = 3

    /// Its number.
    package let identifier: Int32

    /// Starts `program` with the standard descriptors of this process and one more.
    ///
    /// All others are closed. The child begins with no signal blocked or ignored.
    ///
    /// - Parameters:
    ///   - program: A path.
    ///   - arguments: Without the program's own name.
    ///   - environment: All that it sees, as `NAME=VALUE`.
    ///   - inherited: Found by the child at ``inheritedDescriptor``.
    /// - Returns: The process; it is to be reaped.
    /// - Throws: ``PosixError`` where the program cannot be started.
    package static func spawn(
        program: String, arguments: [String], environment: [String], inherited: Int32
    ) throws(PosixError) -> ChildProcess {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, inherited, Self.inheritedDescriptor)
        unsafe cstrait_spawn_closes_from(&actions, Self.inheritedDescriptor + 1)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe posix_spawnattr_setsigmask(&attributes, &signals)
        unsafe sigfillset(&signals)
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        let flags = Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        unsafe posix_spawnattr_setflags(&attributes, flags)
        var identifier = pid_t()
        let words = CStrings([program] + arguments)
        let variables = CStrings(environment)
        let status = unsafe posix_spawn(
            &identifier, program, &actions, &attributes, words.pointers, variables.pointers)
        guard status == 0 else { throw PosixError(call: program, number: status) }
        return ChildProcess(identifier: identifier)
    }

    /// Asks it to end (SIGTERM), or ends it (SIGKILL).
    package func end(atOnce: Bool) { _ = kill(self.identifier, atOnce ? SIGKILL : SIGTERM) }

    /// Waits for its end and forgets it; call it once.
    ///
    /// - Returns: `exit 1`, `signal 9`, or why nothing is known.
    @discardableResult
    package func reap() -> String {
        var status: Int32 = 0
        while unsafe waitpid(self.identifier, &status, 0) < 0 {
            guard errno == EINTR else { return "\(PosixError("waitpid"))" }
        }
        // wait(2): the low 7 bits are the signal, the next 8 the exit status.
        let signal = status & 0x7F
        return signal == 0 ? "exit \(status >> 8 & 0xFF)" : "signal \(signal)"
    }
}

/// Strings as C wants a list of them; freed at the end.
@safe private struct CStrings: ~Copyable {
    /// Ends with nil; the strings are owned.
    let pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) {
        unsafe self.pointers = strings.map { unsafe strdup($0) } + [nil]
    }

    deinit {
        for index in unsafe self.pointers.indices { unsafe free(self.pointers[index]) }
    }
}
