// Whether somebody sits at the other end.

private import Glibc

/// Terminals.
package enum Terminal {
    /// Whether standard input and standard error are a terminal, so that a question can be asked.
    package static var canAsk: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    /// How much fits on standard output; nil where it is no terminal, or does not tell.
    package static var outputSize: (rows: Int, columns: Int)? {
        var size = winsize()
        let result = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
        guard result == 0, size.ws_row > 0, size.ws_col > 0 else { return nil }
        return (Int(size.ws_row), Int(size.ws_col))
    }
}
