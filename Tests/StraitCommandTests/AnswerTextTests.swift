// What commands print, and what they read of an HTTP answer.

import StraitControl
import Testing
import strait

@Suite("Answers as text") struct AnswerTextTests {
    private static func read<Answer: Decodable>(_ json: String) throws -> Answer {
        try AnswerJSON.decode(Answer.self, from: Array(json.utf8))
    }

    @Test("status is a line for the router, then columns, then certificates")
    func status() throws {
        let answer: StatusAnswer = try Self.read(
            """
            {"version":"1","router":"r-1","region":"eu","status":"ready","revision":3,"workers":2,
            "workers_live":2,"started":"2026-01-01T00:00:00.000Z","uptime_seconds":5,
            "open_connections":1,"last_reload_successful":false,"pid":7,
            "draining":[{"pid":6,"admin":"/run/a.sock.6"}],
            "listeners":[{"name":"public","address":"[::]:443"}],
            "services":[{"tenant":"acme","service":"www","protocol":"web","mode":"terminate",
            "upstreams":[{"address":"10.0.0.1:80","health":"up","weight":1,"backup":false,"open":1},
            {"address":"10.0.0.2:80","name":"b.test","health":"down","weight":1,"backup":true,
            "open":0,"since":"2026-01-01T00:00:01.000Z","why":"tcp check: no answer in time"}],
            "open":1},
            {"tenant":"zed","service":"db","protocol":"postgres","mode":"passthrough",
            "upstreams":[{"address":"10.0.0.3:5432","weight":1,"backup":false}]}],
            "certificates":[{"tenant":"acme","name":"a.test","kind":"listener",
            "not_after":"2027-01-01T00:00:00.000Z"}]}
            """)
        #expect(
            AnswerText.status(answer) == """
                router r-1 (eu)  ready  revision 3 live on 2/2 workers  up 5s  1 open  version 1  \
                pid 7  last reload REFUSED (strait reload says why)
                draining process 6  --admin /run/a.sock.6
                listener public  [::]:443
                SERVICE   PROTOCOL  MODE         UPSTREAMS                OPEN
                acme/www  web       terminate    10.0.0.1:80 10.0.0.2:80  1
                zed/db    postgres  passthrough  10.0.0.3:5432            -
                UPSTREAM              OF        HEALTH        SINCE                     OPEN  WHY
                10.0.0.1:80           acme/www  up            -                         1     -
                10.0.0.2:80 (b.test)  acme/www  down, backup  2026-01-01T00:00:01.000Z  0     \
                tcp check: no answer in time
                certificate a.test  valid until 2027-01-01T00:00:00.000Z

                """)
    }

    @Test("connections are a table whose empty cells show")
    func connections() throws {
        let rows: [ConnectionAnswer] = try Self.read(
            """
            [{"id":"c-0000000000001","worker":0,"phase":"peek","age_seconds":1.5,
            "bytes_received":0,"bytes_sent":0}]
            """)
        let lines = AnswerText.connections(rows).split(separator: "\n")
        #expect(lines.count == 2)
        #expect(
            lines[1].split(separator: " ") == [
                "c-0000000000001", "1.5s", "peek", "-", "-", "-", "-", "0", "0",
            ])
        #expect(AnswerText.connections([]).hasPrefix("ID"))
    }

    @Test("an explanation is its steps, aligned, and its decision")
    func explanation() throws {
        let answer: ExplainAnswer = try Self.read(
            """
            {"decision":"refuse","text":"refused: name_unknown","revision":2,
            "listener":"public","remedy":"a name that is known","upstreams":[],
            "steps":[{"phase":"accept","rule":"a","outcome":"b"},
            {"phase":"peek","rule":"c","outcome":"d"}]}
            """)
        #expect(
            AnswerText.explanation(answer) == """
                  accept  a: b
                  peek    c: d
                refused: name_unknown  (revision 2, listener public)
                it would pass with a name that is known

                """)
    }

    @Test("the story of a refused connection ends with what would have made it pass")
    func story() throws {
        let text = try AnswerText.story(
            ofRecord: Array(
                """
                {"strait.connection.id":"c-0000000000001","client.address":"::1",
                "client.port":5,"server.address":"a.test","strait.listener":"public",
                "strait.phase":"route","strait.side":"local","strait.reason":"name_unknown",
                "strait.check":"name"}
                """.utf8))
        let lines = text.split(separator: "\n")
        #expect(lines.first == "c-0000000000001  [::1]:5 -> a.test")
        #expect(lines.dropLast().last == "name_unknown by local in phase route (check name)")
        #expect(
            lines.last
                == "it would have passed with a.test among a tenant's domains or a service's hosts")
    }

    @Test("the story of a connection that ended well, or is open, ends with that")
    func orderly() throws {
        let ended = #"{"strait.reason":"finished","strait.side":"upstream","strait.phase":"relay"}"#
        #expect(
            try AnswerText.story(ofRecord: Array(ended.utf8))
                .hasSuffix("finished by upstream in phase relay\n"))
        let open = #"{"strait.phase":"relay"}"#
        #expect(
            try AnswerText.story(ofRecord: Array(open.utf8)).hasSuffix("open, in phase relay\n"))
        #expect(throws: (any Error).self) { try AnswerText.story(ofRecord: Array("[]".utf8)) }
        #expect(throws: (any Error).self) { try AnswerText.story(ofRecord: []) }
    }

    @Test("an HTTP answer is a status and a body, cut anywhere it is none or shorter")
    func http() throws {
        let whole = Array("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nbody".utf8)
        let read = try #require(HTTPAnswerReader.read(whole))
        #expect(read.status == 404 && read.body == Array("body".utf8))
        let headEnd = whole.count - 4
        for count in 0..<whole.count {
            let cut = HTTPAnswerReader.read(Array(whole[..<count]))
            #expect((cut == nil) == (count < headEnd))
        }
        for text in ["HTTP/1.1 abc\r\n\r\n", "SSH-2.0-x\r\n\r\n", "\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            #expect(HTTPAnswerReader.read(Array(text.utf8)) == nil, "\(text)")
        }
    }
}
