// Starts a program and waits for its end on a thread of its own.
//
// Foundation's Process is not used: it notices the end of a program by a descriptor that programs
// started at the same time inherit, so that a short one seems to run for as long as a long one.

import Foundation
import Glibc

/// A program that could not be started.
struct SpawnFailed: Error, CustomStringConvertible {
    let program: String
    let number: Int32
    var description: String { "\(self.program): \(String(cString: strerror(self.number)))" }
}

enum Spawn {
    /// Where a program reads from and writes to: paths.
    struct Files: Sendable {
        var input = "/dev/null"
        var output = "/dev/null"
        var error = "/dev/null"
    }

    /// Starts a program, found by PATH, and returns its process id.
    ///
    /// - Parameters:
    ///   - arguments: The program and its arguments.
    ///   - environment: All of its variables.
    ///   - directory: Where it runs.
    ///   - files: Where it reads from and writes to.
    ///   - ended: Told the exit status once, from another thread; 128 + number for a signal.
    /// - Returns: Its process id.
    /// - Throws: ``SpawnFailed`` with the number of the error.
    static func start(
        _ arguments: [String], environment: [String: String], directory: String, files: Files,
        ended: @escaping @Sendable (Int32) -> Void
    ) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let created = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 0, files.input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, files.output, created, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, files.error, created, 0o644)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let commandLine = ["env", "--chdir=\(directory)"] + arguments
        let words = commandLine.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, "env", &actions, &attributes, words, variables)
        guard result == 0 else { throw SpawnFailed(program: arguments[0], number: result) }
        let child = pid
        Thread.detachNewThread { ended(wait(for: child)) }
        return child
    }

    private static func wait(for pid: Int32) -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { return 127 }
        }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }
}
