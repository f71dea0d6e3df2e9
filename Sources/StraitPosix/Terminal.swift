// Whether somebody sits at the other end.

private import Glibc

/// Terminals.
package enum Terminal {
    /// Whether standard input and standard error are a terminal, so that a question can be asked.
    package static var canAsk: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }
}
