// Asking before something is destroyed.

internal import StraitControl
internal import StraitPosix

/// Asks on a terminal; elsewhere `isSure` must have been said.
func confirm(_ act: String, _ isSure: Bool) throws {
    guard !isSure else { return }
    guard Terminal.canAsk else {
        throw CommandFailure(.usage, "\(act)? Nobody can be asked here: --yes says so")
    }
    writeError("\(act)? [y/N] ")
    guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
        throw CommandFailure(.refused, "nothing was done")
    }
}
