// A point on the monotonic clock. Pure: the loop reads the clock and passes the value in.

/// A point in time on the machine's monotonic clock, in whole nanoseconds.
package struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since an arbitrary start.
    package var nanoseconds: UInt64

    /// - Parameter nanoseconds: Nanoseconds since the clock's arbitrary start.
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The start of the clock; earlier than any instant that was read from it.
    package static let zero = Instant(nanoseconds: 0)

    /// Later than every instant that is ever read: "no deadline".
    package static let never = Instant(nanoseconds: .max)

    // All spelled out, as what the protocols give is generic and slow in other modules.

    /// Whether both are the same.
    package static func == (left: Instant, right: Instant) -> Bool {
        left.nanoseconds == right.nanoseconds
    }
    /// Whether `left` is the earlier one.
    package static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
    /// Whether `left` is not the later one.
    package static func <= (left: Instant, right: Instant) -> Bool {
        left.nanoseconds <= right.nanoseconds
    }
    /// Whether `left` is the later one.
    package static func > (left: Instant, right: Instant) -> Bool {
        left.nanoseconds > right.nanoseconds
    }
    /// Whether `left` is not the earlier one.
    package static func >= (left: Instant, right: Instant) -> Bool {
        left.nanoseconds >= right.nanoseconds
    }

    /// The instant that lies `nanoseconds` later; ``never`` when the sum does not fit.
    package func advanced(byNanoseconds nanoseconds: UInt64) -> Instant {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// Nanoseconds from `earlier` to this instant; 0 when `earlier` is the later one.
    package func nanoseconds(since earlier: Instant) -> UInt64 {
        self.nanoseconds > earlier.nanoseconds ? self.nanoseconds - earlier.nanoseconds : 0
    }
}
