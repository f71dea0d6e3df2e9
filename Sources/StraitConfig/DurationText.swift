// Durations as operators write them: a whole number and a unit.

/// Reads and writes `500ms`, `10s`, `5m`, `1h`.
package enum DurationText {
    /// The units, and the milliseconds of each.
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000),
    ]

    /// The duration that `text` stands for; nil for anything but digits and a unit, or beyond 100
    /// years.
    package static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text[digits.endIndex...]
        guard !digits.isEmpty, let number = Int64(digits),
            let found = self.units.first(where: { $0.name == unit })
        else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: found.milliseconds)
        guard !overflow, milliseconds <= 100 * 366 * 24 * 3_600_000 else { return nil }
        return .milliseconds(milliseconds)
    }

    /// The text of a duration of whole milliseconds in the largest unit that divides it.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        guard milliseconds > 0 else { return "0s" }
        for unit in self.units.reversed() where milliseconds % unit.milliseconds == 0 {
            return "\(milliseconds / unit.milliseconds)\(unit.name)"
        }
        return "\(milliseconds)ms"
    }
}
