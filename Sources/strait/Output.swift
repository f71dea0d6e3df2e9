// Data on standard output, prose on standard error.

internal import StraitPosix

/// Writes data.
func writeOutput(_ text: String) { write(text, to: .standardOutput) }

/// Writes prose.
func writeError(_ text: String) { write(text, to: .standardError) }

private func write(_ text: String, to destination: LineOutput.Destination) {
    do throws(PosixError) {
        try LineOutput(destination).write(Array(text.utf8))
    } catch {
        // Nobody reads: there is nobody left to tell.
    }
}
