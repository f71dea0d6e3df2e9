// A real program that keeps running: started, waited for, ended by its process id.

import Foundation
import Glibc
import Synchronization

/// A running program.
///
/// Ended by ``stop(signal:within:)``, at the latest when the rig ends.
final class Daemon: Sendable {
    let name: String
    let pid: Int32
    let logPath: String

    /// Starts a program in the foreground of nothing: no input, its output in a log file.
    ///
    /// - Parameters:
    ///   - name: Names its log file, and it in errors.
    ///   - arguments: The program, found by PATH, and its arguments.
    ///   - shell: Whose environment and folder it has.
    ///   - account: The user to run as, when the tests run as root; PostgreSQL refuses root.
    ///   - prefix: What runs it: outside of the unit, where there is one.
    ///   - extra: Variables added to the shell's.
    ///   - unit: The socket of launch.py in a unit that it runs in; nil: in none.
    /// - Returns: The program, started but perhaps not ready.
    /// - Throws: ``SpawnFailed``.
    static func start(
        _ name: String, _ arguments: [String], in shell: Shell, account: String? = nil,
        by prefix: [String] = [], environment extra: [String: String] = [:], unit: String? = nil
    ) throws -> Daemon {
        let logPath = "\(shell.directory)/\(name).log"
        let inUnit = try unit.map {
            try InUnit(launcher: $0, number: "\(shell.directory)/\(name).pid")
        }
        let ended = Ended()
        let child = try Spawn.start(
            asAccount(account) + prefix + (inUnit?.words ?? []) + arguments,
            environment: shell.environment.merging(extra) { $1 },
            directory: "/", files: Spawn.Files(output: logPath, error: logPath)
        ) { ended.set($0) }
        Reaper.remember(child, in: shell.directory)
        let pid = try inUnit?.pid() ?? child
        if pid != child { Reaper.remember(pid, in: shell.directory) }
        return Daemon(name: name, pid: pid, logPath: logPath, ended: ended)
    }

    private init(name: String, pid: Int32, logPath: String, ended: Ended) {
        self.name = name
        self.pid = pid
        self.logPath = logPath
        self.ended = ended
    }

    /// Where the exit status arrives.
    private final class Ended: Sendable {
        private let status = Mutex<Int32?>(nil)
        func set(_ value: Int32) { self.status.withLock { $0 = value } }
        var value: Int32? { self.status.withLock { $0 } }
    }
    private let ended: Ended

    /// The exit status; nil while it runs.
    var exitStatus: Int32? { self.ended.value }
    var isRunning: Bool { self.exitStatus == nil }

    /// What it wrote so far.
    var log: String {
        // A log that is not there yet is empty.
        (try? String(contentsOfFile: self.logPath, encoding: .utf8)) ?? ""
    }

    func signal(_ signal: Int32) { if self.isRunning { kill(self.pid, signal) } }

    /// Asks it to end, and ends it if it does not.
    ///
    /// - Returns: Its exit status.
    @discardableResult
    func stop(signal: Int32 = SIGTERM, within seconds: Int = 15) async throws -> Int32 {
        self.signal(signal)
        do {
            return try await eventually("\(self.name) ends", within: seconds) { self.exitStatus }
        } catch let error as NeverHappened {
            self.signal(SIGKILL)
            throw error
        }
    }

    /// Waits until the program is ready, and says what it wrote if it ended before that.
    func ready(
        _ what: String, within seconds: Int = 30, _ ask: () async throws -> Bool
    )
        async throws
    {
        do {
            try await eventually("\(self.name): \(what)", within: seconds) {
                guard self.isRunning else { throw EndedEarly(name: self.name, log: self.log) }
                return try await ask()
            }
        } catch let error as NeverHappened {
            throw EndedEarly(name: "\(error): \(self.name)", log: self.log)
        }
    }

    /// Open descriptors of the process.
    var descriptorCount: Int {
        // Only of a running process: an ended one has none.
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(self.pid)/fd").count) ?? 0
    }

    /// Resident memory of the process in KiB.
    var residentKiB: Int {
        let status =
            // As above.
            (try? String(contentsOfFile: "/proc/\(self.pid)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return Int(line.filter(\.isNumber)) ?? 0
    }

    static func asAccount(_ account: String?) -> [String] {
        guard let account, getuid() == 0 else { return [] }
        return ["setpriv", "--reuid", account, "--regid", account, "--init-groups"]
    }
}

/// A program that is started by the main process of a unit, in its sandbox.
private struct InUnit {
    let words: [String]
    private let number: String

    init(launcher: String, number: String) throws {
        unlink(number)
        guard mkfifo(number, 0o600) == 0 else { throw POSIXError(.EACCES) }
        self.number = number
        self.words = ["python3", Programs.script("systemd/in_unit.py"), launcher, number]
    }

    /// Waits for its number.
    func pid() throws -> Int32 {
        let descriptor = open(self.number, O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        var room = [UInt8](repeating: 0, count: 32)
        guard poll(&waiting, 1, 10_000) == 1 else { throw Missing(what: self.words[2]) }
        let count = read(descriptor, &room, room.count)
        let text = String(decoding: room.prefix(max(count, 0)), as: UTF8.self)
        guard let pid = Int32(text.trimmingCharacters(in: .newlines)) else {
            throw Missing(what: self.number)
        }
        return pid
    }
}

/// A program that ended before it was ready.
struct EndedEarly: Error, CustomStringConvertible {
    let name: String
    let log: String
    var description: String { "\(self.name) did not get ready; its log:\n\(self.log.suffix(3000))" }
}

/// Ends what the rig started if the test process itself dies.
enum Reaper {
    static func remember(_ pid: Int32, in directory: String) {
        let path = "\(directory)/pids"
        let line = Data("\(pid)\n".utf8)
        if let handle = FileHandle(forWritingAtPath: path) {
            handle.seekToEndOfFile()
            handle.write(line)
            handle.closeFile()
        } else {
            _ = FileManager.default.createFile(atPath: path, contents: line)
        }
    }

    /// Waits for this process in one of its own, then ends every remembered one and removes the
    /// folder.
    static func watch(_ directory: String) throws {
        let script = """
            tail --pid=\(getpid()) -f /dev/null
            if [ -f '\(directory)/pids' ]; then
                while read -r pid; do kill -9 "$pid" 2>/dev/null; done <'\(directory)/pids'
                rm -rf '\(directory)'
            fi
            """
        _ = try Spawn.start(
            ["setsid", "bash", "-c", script], environment: ["PATH": Shell.path], directory: "/",
            files: Spawn.Files()
        ) { _ in }
    }
}
