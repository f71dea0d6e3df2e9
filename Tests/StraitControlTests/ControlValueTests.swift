// The small values: readiness, exit codes, time, tables, log lines, answers.

import Foundation
import Logging
import StraitControl
import StraitCore
import Testing

@Suite("Readiness") struct ReadinessTests {
    private static func facts(
        _ stage: ReadinessFacts.Stage = .serving, bound: Int = 2, revision: UInt64 = 4,
        live: Int = 8
    ) -> ReadinessFacts {
        ReadinessFacts(
            stage: stage, listenersWanted: 2, listenersBound: bound, revision: revision, workers: 8,
            workersLive: live)
    }

    @Test("ready means: listeners bound, snapshot live on every worker, not draining")
    func ready() {
        let answer = Self.facts().answer
        #expect(answer.isReady)
        #expect(answer.text(verbose: false) == "ready\n")
        #expect(
            answer.text(verbose: true)
                == "[+]listeners ok\n[+]snapshot ok\n[+]drain ok\nready\n")
    }

    @Test(
        "each thing that is missing is named, and makes it unready",
        arguments: [
            (Self.facts(bound: 1), "not_ready", "listeners"),
            (Self.facts(live: 7), "not_ready", "snapshot"),
            (Self.facts(revision: 0), "not_ready", "snapshot"),
            (Self.facts(.draining), "draining", "drain"),
            (Self.facts(.starting, bound: 0, revision: 0, live: 0), "starting", "listeners"),
        ])
    func unready(facts: ReadinessFacts, status: String, check: String) {
        let answer = facts.answer
        #expect(!answer.isReady)
        #expect(answer.status == status)
        #expect(answer.checks.contains { $0.name == check && !$0.ok })
    }
}

@Suite("CommandStatus") struct CommandStatusTests {
    @Test("scripts rely on the numbers")
    func numbers() {
        #expect(CommandStatus.allCases.map(\.rawValue) == [0, 1, 2, 4])
    }

    @Test(
        "wrong usage is 2, help is 0, anything else 1",
        arguments: [
            (Int32(64), CommandStatus.usage), (0, .done), (1, .refused), (70, .refused),
        ])
    func parser(code: Int32, expected: CommandStatus) {
        #expect(CommandStatus(parserCode: code) == expected)
    }

    @Test(
        "an answer of the router that is not 2xx is a refusal",
        arguments: [
            (200, CommandStatus.done), (202, .done), (404, .refused), (409, .refused),
            (503, .refused),
        ])
    func http(status: Int, expected: CommandStatus) {
        #expect(CommandStatus(httpStatus: status) == expected)
    }
}

@Suite("Timestamp") struct TimestampTests {
    @Test(
        "RFC 3339 in UTC, leap days included",
        arguments: [
            (UInt64(0), "1970-01-01T00:00:00.000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999Z"),
            (1_795_366_809_457_902_531, "2026-11-22T17:00:09.457Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
        ])
    func text(nanoseconds: UInt64, expected: String) {
        #expect(Timestamp(nanoseconds: nanoseconds).description == expected)
        let whole = Int64(nanoseconds / 1_000_000_000)
        #expect(Timestamp(seconds: whole).seconds == nanoseconds / 1_000_000_000)
        for far in [Int64.max, 253_402_300_799] {
            #expect(Timestamp(seconds: far).description.hasPrefix("2554-"))
        }
        #expect(Timestamp(seconds: .min).nanoseconds == 0)
    }
}

@Suite("Log lines") struct LogLineTests {
    private static func line(_ message: String, _ format: LineLogHandler.Format) -> String {
        LineLogHandler.line(
            time: Timestamp(nanoseconds: 0), level: .warning, message: message,
            fields: ["place": "a b", "code": "E1"], format: format)
    }

    @Test("text: time, level, message, fields in order, quoted where they have spaces")
    func text() {
        #expect(
            Self.line("hello", .text)
                == "1970-01-01T00:00:00.000Z warning  hello code=E1 place=\"a b\"\n")
    }

    @Test("whatever is logged stays one line", arguments: [LineLogHandler.Format.text, .json])
    func oneLine(format: LineLogHandler.Format) {
        let line = Self.line("a\nb\u{1B}[31m\rc\"\\", format)
        #expect(line.utf8.count { $0 < 0x20 } == 1)
        #expect(line.hasSuffix("\n"))
    }

    @Test("json: an object that can be read, with the message unchanged")
    func json() throws {
        let line = Self.line("a\n\"b\"\\\u{1}", .json)
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        let fields = try #require(object as? [String: String])
        #expect(fields["body"] == "a\n\"b\"\\\u{1}")
        #expect(fields["severity_text"] == "WARNING")
        #expect(fields["strait.code"] == "E1")
    }
}

@Suite("Answers") struct AnswerTests {
    @Test("a table aligns its columns and leaves no cell empty")
    func table() {
        var table = TextTable("name", "open")
        table.add("acme/orders", "")
        table.add("x", "12")
        #expect(table.text == "NAME         OPEN\nacme/orders  -\nx            12\n")
    }

    @Test("a verdict says what changed, in one line")
    func verdict() {
        let verdict = ReloadVerdict(
            oldRevision: 42, revision: 43, workersLive: 8, workers: 8, milliseconds: 11,
            tenantsChanged: 3, openConnections: 9114, trigger: "SIGHUP")
        #expect(
            verdict.text
                == "revision 42 -> 43 live on 8/8 workers in 11 ms; 3 tenants changed; "
                + "9114 open connections kept")
    }

    @Test("what the API writes, the command line reads")
    func roundTrip() throws {
        let answer = ReadinessFacts(
            stage: .serving, listenersWanted: 1, listenersBound: 1, revision: 1, workers: 1,
            workersLive: 1
        ).answer
        let bytes = try AnswerJSON.encode(answer)
        #expect(try AnswerJSON.decode(ReadinessAnswer.self, from: bytes) == answer)
        let verdict = ReloadAnswer(.unchanged(revision: 4))
        #expect(
            try AnswerJSON.decode(ReloadAnswer.self, from: try AnswerJSON.encode(verdict))
                == verdict)
    }
}

@Suite("Series of metrics") struct MetricsSeriesTests {
    private static func labels(_ tenant: String, _ service: String) -> ServiceLabels {
        ServiceLabels(
            tenant: tenant, service: service, serviceProtocol: "web", mode: "terminate")
    }

    @Test("what comes when all slots were given shares those of other; what has one keeps it")
    func bounded() {
        var series = MetricsSeries(slotsMax: 4)
        series.chooseTenants(["acme", "beta"], count: 2)
        let first = (1...3).map { series.slot(Self.labels("acme", "s\($0)")) }
        #expect(Set(first).count == 3 && !first.contains(0), "0 is of nobody")
        let other = series.slot(Self.labels("acme", "s4"))
        #expect(!first.contains(other))
        #expect(series.slot(Self.labels("beta", "s1")) == other)
        #expect(series.slot(Self.labels("gamma", "s1")) == other)
        #expect(series.slot(Self.labels("acme", "s2")) == first[1])
    }

    @Test("one tenant uses up its share, and no other's; what it used goes with its name")
    func share() {
        var series = MetricsSeries(slotsMax: 100, slotsOfTenantMax: 2)
        series.chooseTenants(["acme", "beta"], count: 2)
        let acme = (1...4).map { series.slot(Self.labels("acme", "s\($0)")) }
        #expect(Set(acme).count == 3)
        #expect(acme[2] == acme[3], "beyond its share it counts as other")
        #expect(series.slot(Self.labels("acme", "s1")) == acme[0], "what has a slot keeps it")
        let beta = (1...2).map { series.slot(Self.labels("beta", "s\($0)")) }
        #expect(Set(beta + acme).count == 5)
        #expect(series.replaceOwn("acme", by: "zeta") == true)
        #expect(series.slot(Self.labels("zeta", "s9")) == acme[3])
    }
}
