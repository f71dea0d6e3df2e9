// The entry that libFuzzer calls for each input; see tools/fuzz. No test calls it.

import Glibc

private let target: FuzzTarget = {
    guard let name = getenv("STRAIT_FUZZ_TARGET"),
        let target = FuzzTarget(rawValue: String(cString: name))
    else { preconditionFailure("STRAIT_FUZZ_TARGET names a target") }
    return target
}()

/// One input; a broken invariant ends the process, which libFuzzer reports with the input.
@_cdecl("LLVMFuzzerTestOneInput")
package func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let violation = target.violation(input) else { return 0 }
    let line = Array("broken invariant: \(violation)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)  // an optimised build prints no precondition's text
    preconditionFailure("every invariant holds")
}
