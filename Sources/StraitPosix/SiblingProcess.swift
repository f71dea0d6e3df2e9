// Another program, started with one descriptor more than the standard three.

internal import CStrait
internal import Glibc

/// A process that this one has started.
///
/// It is a sibling: its parent is this process' parent. So systemd, or a shell, is told of its end
/// also when this process has ended before it, and nothing is to be reaped here.
package final class SiblingProcess: Sendable {
    /// The descriptor that it finds what it inherits at.
    package static let inheritedDescriptor: Int32 = 3

    /// Its number.
    package let identifier: Int32
    /// Stands for the process, whoever gets its number later (pidfd_open(2)); -1 where there is
    /// none, and then its number does.
    private let descriptor: Int32

    private init(identifier: Int32) {
        self.identifier = identifier
        self.descriptor = cstrait_pidfd_open(identifier)
    }

    deinit { if self.descriptor >= 0 { Sockets.close(self.descriptor) } }

    /// Starts `program` with the standard descriptors of this process and one more.
    ///
    /// All others are closed. It begins with no signal blocked or ignored.
    ///
    /// - Parameters:
    ///   - program: A path.
    ///   - arguments: Without the program's own name.
    ///   - environment: All that it sees, as `NAME=VALUE`.
    ///   - inherited: Found by it at ``inheritedDescriptor``.
    /// - Returns: The process.
    /// - Throws: ``PosixError`` where the program cannot be started.
    package static func spawn(
        program: String, arguments: [String], environment: [String], inherited: Int32
    ) throws(PosixError) -> SiblingProcess {
        let words = CStrings([program] + arguments)
        let variables = CStrings(environment)
        let identifier = unsafe cstrait_spawn_sibling(
            program, words.pointers, variables.pointers, inherited, Self.inheritedDescriptor)
        guard identifier > 0 else { throw PosixError(program) }
        return SiblingProcess(identifier: identifier)
    }

    /// Waits until it has ended, at most `milliseconds`; whether it has.
    package func waitForEnd(milliseconds: Int32) -> Bool {
        guard self.descriptor >= 0 else { return kill(self.identifier, 0) != 0 }
        do throws(PosixError) {
            try BlockingStream.wait(
                self.descriptor, for: Int16(POLLIN), milliseconds: milliseconds)
            return true
        } catch {
            return false
        }
    }

    /// Ends it (SIGKILL).
    package func end() {
        guard self.descriptor >= 0 else {
            _ = kill(self.identifier, SIGKILL)
            return
        }
        _ = cstrait_pidfd_kill(self.descriptor)  // ESRCH: it has ended already
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
