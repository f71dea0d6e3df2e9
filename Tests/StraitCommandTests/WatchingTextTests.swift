// What `strait top` and `strait watch` print.

import StraitControl
import Testing
import strait

@Suite("Text of those who look on") struct WatchingTextTests {
    private static func answer(_ tenants: String) throws -> TopAnswer {
        try AnswerJSON.decode(
            TopAnswer.self,
            from: Array(
                """
                {"time":"2026-01-01T00:00:00.000Z","seconds":2.004,"sort":"bytes",
                "tenants_total":100000,"tenants":[\(tenants)]}
                """.utf8))
    }

    private static let acme = """
        {"tenant":"acme","connections":12,"connections_total":900,"refusals_total":3,
        "bytes_in_total":1,"bytes_out_total":2,"new_per_second":0.5,"refusals_per_second":12.2,
        "bytes_in_per_second":999.6,"bytes_out_per_second":1234567890}
        """

    @Test("a table has a line on what is seen, and rates with units")
    func table() throws {
        #expect(
            TopText.table(try Self.answer(Self.acme)) == """
                2026-01-01T00:00:00.000Z  1 of 100000 tenants by bytes, over 2.0 s
                TENANT  OPEN  NEW/S  IN/S    OUT/S   REFUSED/S
                acme    12    0.5    1.0 kB  1.2 GB  12

                """)
    }

    @Test("a tenant without rates has dashes, and no tenants are a header")
    func empty() throws {
        let one = try Self.answer(
            #"{"tenant":"b","connections":0,"connections_total":0,"refusals_total":0,"#
                + #""bytes_in_total":0,"bytes_out_total":0}"#)
        #expect(TopText.table(one).contains("b       0     -      -     -      -\n"))
        #expect(TopText.table(try Self.answer("")).split(separator: "\n").count == 2)
    }

    @Test("a frame keeps to the terminal, and clears what was there")
    func frame() {
        #expect(
            TopText.frame("abcdef\ng\nh\n", rows: 2, columns: 3)
                == "\u{1B}[Habc\u{1B}[K\r\ng\u{1B}[K\u{1B}[J")
    }

    @Test(
        "an event is a line, for people and for programs",
        arguments: [
            (
                "tenant",
                #"{"resource":"tenant/acme","tenant":"acme","action":"put","revision":7}"#,
                "7  put     tenant/acme  (acme)"
            ),
            (
                "authority",
                #"{"resource":"authority/installation","tenant":null,"action":"put","revision":1}"#,
                "1  put     authority/installation"
            ),
            (
                "live", #"{"revision":7,"milliseconds":1.5}"#,
                "7  live    on all workers after 1.5 ms"
            ),
            (
                "compacted", #"{"revision":9}"#,
                "9  compacted  changes are missing: list anew; goes on from here"
            ),
            ("ended", #"{"reason":"gone"}"#, "-  ended   gone"), ("odd", "x", "odd  x"),
        ])
    func event(kind: String, data: String, line: String) {
        let event = EventStreamReader.Event(kind: kind, data: data, lastID: "")
        #expect(WatchLine.text(event) == line)
        guard data.hasPrefix("{") else { return }
        #expect(WatchLine.json(event) == "{\"event\":\"\(kind)\"," + data.dropFirst())
    }
}
