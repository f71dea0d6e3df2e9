// What a service says to the service manager that has started it: datagrams of sd_notify(3).

/// One thing that is said.
package enum ServiceNotice: Hashable, Sendable {
    /// It has started, or has read its configuration again.
    case ready
    /// It reads its configuration; `ready` follows. The time is of the monotonic clock.
    case reloading(monotonicMicroseconds: UInt64)
    /// It is on its way out.
    case stopping
    /// One line for people.
    case status(String)
    /// It lives: the next one is due within the watchdog's interval.
    case watchdog
    /// Another process is the service from now on.
    case mainProcess(Int32)
    /// The phase that it is in may last so much longer, from now on.
    case extendTimeout(microseconds: UInt64)

    /// The bytes of a line of status at most; what is longer is cut.
    package static let statusBytesMax = 512

    /// What one datagram says: an assignment a line.
    package static func datagram(_ notices: [ServiceNotice]) -> [UInt8] {
        Array(notices.map(\.assignments).joined(separator: "\n").utf8)
    }

    private var assignments: String {
        switch self {
        case .ready: "READY=1"
        case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)"
        case .stopping: "STOPPING=1"
        case .status(let text): "STATUS=\(Self.line(text))"
        case .watchdog: "WATCHDOG=1"
        case .mainProcess(let identifier): "MAINPID=\(identifier)"
        case .extendTimeout(let time): "EXTEND_TIMEOUT_USEC=\(time)"
        }
    }

    /// Without anything that could end the line and begin another assignment, and not too long.
    private static func line(_ text: String) -> String {
        var line = ""
        var bytes = 0
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            let isLineEnd = scalar.value == 0x2028 || scalar.value == 0x2029
            let kept: Unicode.Scalar = isControl || isLineEnd ? " " : scalar
            bytes += UTF8.width(kept)
            guard bytes <= Self.statusBytesMax else { break }
            line.unicodeScalars.append(kept)
        }
        return line
    }
}
