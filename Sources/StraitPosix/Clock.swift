// The clocks. The loop reads them and passes values in; nothing below reads a clock by itself.

internal import Glibc
package import StraitCore

/// The monotonic clock, now.
package func monotonicNow() -> Instant {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
}

/// The wall clock, now, in nanoseconds since 1970-01-01T00:00:00Z.
package func wallClockNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
