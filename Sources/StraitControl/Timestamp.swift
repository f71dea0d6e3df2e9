// Points on the wall clock as logs, records and answers write them (RFC 3339, UTC).

/// A time of day in UTC.
package struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    package let nanoseconds: UInt64

    /// - Parameter nanoseconds: Nanoseconds since 1970-01-01T00:00:00Z.
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// - Parameter seconds: Seconds since 1970; before that it is 1970, beyond 2554 it is then, as
    ///   a certificate may say any year.
    package init(seconds: Int64) {
        let (nanoseconds, isOver) = UInt64(clamping: seconds)
            .multipliedReportingOverflow(by: 1_000_000_000)
        self.nanoseconds = isOver ? .max : nanoseconds
    }

    /// Whole seconds, for the wire formats that count in seconds.
    package var seconds: UInt64 { self.nanoseconds / 1_000_000_000 }

    /// Whether `left` comes first.
    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// `2026-11-20T12:04:31.207Z`, in milliseconds.
    package var description: String {
        let day = Self.date(daysSince1970: Int(self.seconds / 86_400))
        let second = Int(self.seconds % 86_400)
        let milliseconds = Int(self.nanoseconds % 1_000_000_000 / 1_000_000)
        return Self.padded(day.year, 4) + "-" + Self.padded(day.month, 2) + "-"
            + Self.padded(day.day, 2) + "T" + Self.padded(second / 3600, 2) + ":"
            + Self.padded(second / 60 % 60, 2) + ":" + Self.padded(second % 60, 2) + "."
            + Self.padded(milliseconds, 3) + "Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(width - digits.count, 0)) + digits
    }

    /// The proleptic Gregorian date, counted in eras of 400 years that begin on 1 March.
    private static func date(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
