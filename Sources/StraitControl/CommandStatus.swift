// How a command ends, as scripts read it.

/// The exit codes of `strait`.
package enum CommandStatus: Int32, Error, Sendable, CaseIterable {
    case done = 0
    /// Refused, or failed, or not so.
    case refused = 1
    /// The command line was wrong.
    case usage = 2
    /// The router cannot be reached.
    case unreachable = 4

    /// Of an answer of the operator API.
    package init(httpStatus: Int) {
        self = (200..<300).contains(httpStatus) ? .done : .refused
    }

    /// Of ArgumentParser's own code: it ends with 64 (EX_USAGE) where the command line was wrong.
    package init(parserCode: Int32) {
        switch parserCode {
        case 0: self = .done
        case 64: self = .usage
        default: self = .refused
        }
    }
}
