// How a problem looks, and how durations are read.

import Foundation
import StraitConfig
import Testing

@Suite("A problem") struct ProblemTests {
    private let problem = ConfigurationProblem(
        .notAChoice, file: "strait.yaml",
        place: SourcePlace(line: 14, column: 13, path: "tenants[0].services[1].upstreams[0]"),
        found: "\"htttp://10.0.3.8:8080\"", expected: "tcp, tls or unix",
        remedy: "did you mean \"tcp\"?")

    @Test("is four lines of text")
    func text() {
        let expected = """
            strait.yaml:14:13  tenants[0].services[1].upstreams[0]  error E2104
                found     "htttp://10.0.3.8:8080"
                expected  tcp, tls or unix
                remedy    did you mean "tcp"?
            """
        #expect(self.problem.text == expected)
    }

    @Test("of the whole file has neither line nor path in its text")
    func wholeFile() {
        let place = SourcePlace(line: 0, column: 0, path: "")
        let problem = ConfigurationProblem(
            .fileUnreadable, file: "a.yaml", place: place, found: "f", expected: "e", remedy: "r")
        #expect(problem.text.hasPrefix("a.yaml  error E2001\n"))
    }

    @Test("stands in the same place however the path was put together")
    func place() {
        let whole = SourcePlace(line: 3, column: 5, path: "tenants[2]")
        let item = SourcePlace(line: 3, column: 5, list: "tenants", item: 2)
        #expect(item.path == "tenants[2]")
        #expect(item == whole && item.hashValue == whole.hashValue)
        #expect(item != SourcePlace(line: 3, column: 5, list: "tenants", item: 1))
        #expect(item != SourcePlace(line: 3, column: 5, path: "tenants"))
        #expect(item != SourcePlace(line: 4, column: 5, path: "tenants[2]"))
    }

    @Test("keeps control characters out of the terminal")
    func escapes() throws {
        let text = "region: \"a\\e[31m\\u0007\"\nlisteners: 1\n"
        let problem = try #require(
            ConfigurationReader(checksFiles: false).read(text: text, file: "x").problems.first)
        #expect(problem.found == "\"a\\u001b[31m\\u0007\"")
    }

    @Test("of every kind has a code of its own and a sentence")
    func codes() {
        let codes = ConfigurationProblem.Code.allCases
        #expect(codes.allSatisfy { $0.summary.hasSuffix(".") })
        #expect(Set(codes.map(\.summary)).count == codes.count)
        #expect(codes.allSatisfy { ($0.severity == .warning) == $0.rawValue.hasPrefix("W") })
    }

    @Test("of every kind stands in the reference", arguments: ConfigurationProblem.Code.allCases)
    func reference(code: ConfigurationProblem.Code) throws {
        let root = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in
            url.deletingLastPathComponent()
        }
        let text = try String(contentsOf: root.appending(path: "REFERENCE.md"), encoding: .utf8)
        #expect(text.contains("\n| `\(code.rawValue)` | \(code.summary) |\n"))
    }
}

@Suite("A duration") struct DurationTextTests {
    @Test(
        "is a whole number and a unit",
        arguments: [
            ("500ms", Duration.milliseconds(500)), ("10s", .seconds(10)), ("5m", .seconds(300)),
            ("1h", .seconds(3600)), ("0s", .zero), ("007s", .seconds(7)),
        ])
    func parses(text: String, duration: Duration) {
        #expect(DurationText.parse(text) == duration)
    }

    @Test(
        "is nothing else",
        arguments: [
            "", "s", "5", "5 s", " 5s", "5S", "-5s", "+5s", "1.5s", "1h30m", "5d", "5us", "٣s",
            "9223372036854775807h", "99999999999999999999s", "878401h",
        ])
    func refuses(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(
        "is written in its largest whole unit and read back",
        arguments: [
            (Duration.milliseconds(1), "1ms"), (.seconds(90), "90s"), (.seconds(120), "2m"),
            (.seconds(86_400), "24h"), (.zero, "0s"), (.milliseconds(1500), "1500ms"),
        ])
    func writes(duration: Duration, text: String) {
        #expect(DurationText.text(duration) == text)
        #expect(DurationText.parse(text) == duration)
    }
}
