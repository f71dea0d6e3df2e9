// The service manager that has started this process (systemd, or what speaks its protocol): where
// it listens, and what it wants to hear. Without one nothing is said.

internal import StraitCore
internal import StraitPosix
package import StraitWire

/// Whom sd_notify(3) speaks to.
package struct ServiceManager: Sendable {
    /// Variables that name one process or its descriptors: not for those that it starts.
    ///
    /// NOTIFY_SOCKET and WATCHDOG_USEC are left to a process that is to become the service.
    package static let variablesOfOneProcess: Set<String> = [
        "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_PID",
    ]

    /// A notice is due at least this often; nil: nobody waits for one.
    package let watchdogInterval: Duration?
    private let socket: String?
    private let report: @Sendable (String) -> Void

    /// Nobody: nothing is said.
    package init() {
        self.socket = nil
        self.watchdogInterval = nil
        self.report = { _ in }
    }

    /// Who started this process, as its variables say.
    ///
    /// - Parameters:
    ///   - environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read.
    ///   - process: The number of this process.
    ///   - report: Told what could not be read or said, for the log.
    package init(
        environment: [String: String], process: Int32, report: @escaping @Sendable (String) -> Void
    ) {
        self.report = report
        guard let socket = environment["NOTIFY_SOCKET"], !socket.isEmpty else {
            self.socket = nil
            self.watchdogInterval = nil
            return
        }
        guard NoticeSocket.isName(socket) else {
            report(
                "NOTIFY_SOCKET is neither an absolute path nor an abstract name: nothing is said")
            self.socket = nil
            self.watchdogInterval = nil
            return
        }
        self.socket = socket
        self.watchdogInterval = Self.watchdogInterval(environment, process: process)
        if self.watchdogInterval == nil, let text = environment["WATCHDOG_USEC"],
            Int64(text).map({ $0 <= 0 }) ?? true
        {
            report("WATCHDOG_USEC is no number of microseconds: no watchdog")
        }
    }

    /// As sd_watchdog_enabled(3) reads the variables; nil where none is meant for this process.
    private static func watchdogInterval(
        _ environment: [String: String], process: Int32
    ) -> Duration? {
        guard let text = environment["WATCHDOG_USEC"], let interval = Int64(text), interval > 0
        else { return nil }
        if let owner = environment["WATCHDOG_PID"], owner != "\(process)" { return nil }
        return .microseconds(interval)
    }

    /// Whether somebody listens.
    package var isPresent: Bool { self.socket != nil }

    /// Says all of it in one datagram; what cannot be said is reported.
    package func tell(_ notices: [ServiceNotice]) {
        guard let socket = self.socket else { return }
        do throws(PosixError) {
            try NoticeSocket.send(ServiceNotice.datagram(notices), to: socket)
        } catch {
            self.report("the service manager was not told: \(error)")
        }
    }
}
