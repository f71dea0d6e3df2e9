// The text format of Prometheus, version 0.0.4, written by hand.

package import StraitEngine

/// Families of samples in the making.
///
/// A family is opened once; its samples follow.
package struct PrometheusText: Sendable {
    /// The content type, without which Prometheus 3 refuses the answer.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// What a family's samples mean.
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// Label names with their values, in the order in which they are written.
    package typealias Labels = KeyValuePairs<String, String>

    private var lines = ""
    private var family = ""

    /// Without any family.
    package init() {}

    /// The whole text.
    package var text: String { self.lines }

    /// Opens a family.
    ///
    /// - Parameters:
    ///   - name: The metric's name.
    ///   - kind: Its type.
    ///   - help: One sentence; line feeds and backslashes are escaped.
    package mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        self.family = name
        let sentence = Self.escaped(help, quotes: false)
        self.lines += "# HELP \(name) \(sentence)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// A sample of a whole number.
    package mutating func sample(_ labels: Labels, _ value: some BinaryInteger) {
        self.add(self.family, Self.text(of: labels), String(value))
    }

    /// A sample without labels of a whole number.
    package mutating func sample(_ value: some BinaryInteger) {
        self.add(self.family, "", String(value))
    }

    /// A sample without labels of a fraction.
    package mutating func sample(fraction value: Double) {
        self.add(self.family, "", Self.number(value))
    }

    /// A sample of a fraction.
    package mutating func sample(_ labels: Labels, fraction value: Double) {
        self.add(self.family, Self.text(of: labels), Self.number(value))
    }

    /// A sample of a duration, in seconds.
    package mutating func sample(_ labels: Labels = [:], seconds nanoseconds: UInt64) {
        self.add(self.family, Self.text(of: labels), Self.seconds(nanoseconds))
    }

    /// All samples of one histogram: cumulative buckets, sum, count.
    ///
    /// - Parameters:
    ///   - labels: Of all its samples, without `le`.
    ///   - histogram: The counts.
    ///   - exponents: Which of the buckets become visible: bucket i ends at 2^i microseconds.
    package mutating func histogram(
        _ labels: Labels = [:], _ histogram: WorkerMetrics.Histogram, exponents: ClosedRange<Int>
    ) {
        let prefix = Self.text(of: labels)
        let separator = prefix.isEmpty ? "" : ","
        var total: UInt64 = 0
        for (exponent, count) in histogram.buckets.enumerated() {
            total &+= count
            guard exponents.contains(exponent) else { continue }
            let bound = Self.seconds(1000 << UInt64(exponent))
            self.add(
                self.family + "_bucket", "\(prefix)\(separator)le=\"\(bound)\"", String(total))
        }
        self.add(self.family + "_bucket", "\(prefix)\(separator)le=\"+Inf\"", String(total))
        self.add(self.family + "_sum", prefix, Self.seconds(histogram.sumNanoseconds))
        self.add(self.family + "_count", prefix, String(total))
    }

    private mutating func add(_ name: String, _ labels: String, _ value: String) {
        self.lines += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    private static func text(of labels: Labels) -> String {
        labels.map { "\($0.key)=\"\(Self.escaped($0.value, quotes: true))\"" }
            .joined(separator: ",")
    }

    /// Backslash, line feed and, in a label's value, the quote are escaped.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// Nanoseconds as seconds, exactly: `1.5`, `0.000128`, `0`.
    static func seconds(_ nanoseconds: UInt64) -> String {
        let whole = nanoseconds / 1_000_000_000
        let fraction = nanoseconds % 1_000_000_000
        guard fraction > 0 else { return String(whole) }
        let digits = String(fraction)
        var decimals = String(repeating: "0", count: 9 - digits.count) + digits
        while decimals.hasSuffix("0") { decimals.removeLast() }
        return "\(whole).\(decimals)"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }
}
