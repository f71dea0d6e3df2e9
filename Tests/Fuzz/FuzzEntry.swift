// The entry that libFuzzer calls for each input, and the one list of all targets. Compiled by
// tools/fuzz, together with the targets of the test suites; no test calls it.

import Glibc

/// A target, whichever suite it belongs to.
private struct Target: Sendable {
    let name: String
    let violation: @Sendable ([UInt8]) -> String?

    /// Every one: parsers, state machines, routing.
    static let all: [Target] =
        FuzzTarget.allCases.map { target in
            Target(name: target.rawValue) { target.violation($0) }
        }
        + StateFuzzTarget.allCases.map { target in
            Target(name: target.rawValue) { target.violation($0) }
        }
        + RouteFuzzTarget.allCases.map { target in
            Target(name: target.rawValue) { target.violation($0) }
        }
}

/// The target that STRAIT_FUZZ_TARGET names; with `list` the names are written, and that is all.
private let target: Target = {
    let name = getenv("STRAIT_FUZZ_TARGET").map { String(cString: $0) } ?? "list"
    if name == "list" {
        say(Target.all.map(\.name).joined(separator: "\n"), to: STDOUT_FILENO)
        _exit(0)  // not exit: libFuzzer would call that a crash
    }
    let found = Target.all.filter { $0.name == name }
    guard found.count == 1 else { preconditionFailure("STRAIT_FUZZ_TARGET names one target") }
    return found[0]
}()

/// One input; a broken invariant ends the process, which libFuzzer reports with the input.
@_cdecl("LLVMFuzzerTestOneInput")
package func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let violation = target.violation(input) else { return 0 }
    // An optimised build prints no precondition's text.
    say("broken invariant: \(violation)", to: STDERR_FILENO)
    preconditionFailure("every invariant holds")
}

private func say(_ line: String, to descriptor: CInt) {
    let bytes = Array("\(line)\n".utf8)
    _ = write(descriptor, bytes, bytes.count)
}
