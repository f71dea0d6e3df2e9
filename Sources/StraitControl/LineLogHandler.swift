// The process's own log: one line an event, as text or JSON, through swift-log.

internal import Foundation
package import Logging
internal import StraitConfig
internal import StraitPosix

/// Turns log events into lines and hands them to a writer.
package struct LineLogHandler: LogHandler {
    /// How a line looks.
    package enum Format: Sendable {
        case text, json
    }

    /// What is less severe is left out.
    package var logLevel: Logger.Level
    /// Fields of every line.
    package var metadata: Logger.Metadata = [:]
    private let label: String
    private let format: Format
    private let write: @Sendable ([UInt8]) -> Void

    /// - Parameters:
    ///   - label: The logger's label.
    ///   - level: What is less severe is left out.
    ///   - format: How a line looks.
    ///   - write: Takes whole lines; must not wait.
    package init(
        label: String, level: Logger.Level, format: Format,
        write: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.label = label
        self.logLevel = level
        self.format = format
        self.write = write
    }

    /// A field of every line.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    /// Writes one line.
    package func log(event: LogEvent) {
        let fields = self.metadata.merging(event.metadata ?? [:]) { _, event in event }
        let line = Self.line(
            time: Timestamp(nanoseconds: wallClockNanoseconds()), level: event.level,
            message: "\(event.message)", fields: fields.mapValues { "\($0)" }, format: self.format)
        self.write(Array(line.utf8))
    }

    /// One line, with its line feed.
    ///
    /// Control characters are escaped, so an event stays one line.
    package static func line(
        time: Timestamp, level: Logger.Level, message: String, fields: [String: String],
        format: Format
    ) -> String {
        let sorted = fields.sorted { $0.key < $1.key }
        switch format {
        case .text:
            let rest = sorted.map { " \($0.key)=\(Self.word($0.value))" }.joined()
            let mark = level.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
            return "\(time) \(mark) \(Self.oneLine(message))\(rest)\n"
        case .json:
            var json = JSONText()
            json.add("timestamp", "\(time)")
            json.add("severity_text", level.rawValue.uppercased())
            json.add("event.name", "strait.log")
            json.add("body", message)
            for (key, value) in sorted { json.add("strait.\(key)", value) }
            return json.object + "\n"
        }
    }

    /// A value for the text form: quoted where it holds spaces or quotes.
    private static func word(_ value: String) -> String {
        let plain = value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F }
        return plain && !value.isEmpty ? value : JSONString.quoted(value)
    }

    private static func oneLine(_ message: String) -> String {
        var line = ""
        for scalar in message.unicodeScalars {
            switch scalar.value {
            case 0x0A: line += "\\n"
            case 0..<0x20, 0x7F: line += "?"
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line
    }
}

/// A flat JSON object in the making; the order of the keys is the order of adding.
struct JSONText {
    private var fields: [String] = []

    mutating func add(_ key: String, _ value: String) {
        self.fields.append("\(JSONString.quoted(key)):\(JSONString.quoted(value))")
    }

    /// The whole object.
    var object: String { "{" + self.fields.joined(separator: ",") + "}" }
}
