// Points in time as operators write them: RFC 3339, in UTC.

/// Reads `2026-11-20T12:04:31Z`.
package enum TimeText {
    /// Seconds since 1970-01-01T00:00:00Z; a fraction of a second is dropped.
    ///
    /// Nil for anything but a date and a time from 1970 to 9999 with `T` and `Z` (RFC 3339 §5.6).
    package static func parse(_ text: String) -> UInt64? {
        let bytes = Array(text.utf8)
        guard (20...40).contains(bytes.count), bytes.last == UInt8(ascii: "Z") else { return nil }
        let marks: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")]
        guard marks.allSatisfy({ bytes[$0.0] == $0.1.asciiValue }) else { return nil }
        let fraction = bytes[19..<bytes.count - 1]
        guard fraction.isEmpty || fraction.first == UInt8(ascii: "."), fraction.count != 1,
            fraction.dropFirst().allSatisfy({ (48...57).contains($0) }),
            let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]),
            let day = Self.number(bytes[8..<10]), let hour = Self.number(bytes[11..<13]),
            let minute = Self.number(bytes[14..<16]), let second = Self.number(bytes[17..<19]),
            year >= 1970, (1...12).contains(month), day >= 1, day <= Self.days(of: month, year),
            hour < 24, minute < 60, second < 60
        else { return nil }
        let days = Self.daysSince1970(year, month, day)
        return UInt64(days * 86_400 + hour * 3600 + minute * 60 + second)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    }

    private static func isLeap(_ year: Int) -> Bool {
        year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    }

    private static func days(of month: Int, _ year: Int) -> Int {
        month == 2 && self.isLeap(year)
            ? 29 : [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }

    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let before = year - 1
        let years = before * 365 + before / 4 - before / 100 + before / 400 - 719_162
        return years + (1..<month).reduce(0) { $0 + Self.days(of: $1, year) } + day - 1
    }
}
