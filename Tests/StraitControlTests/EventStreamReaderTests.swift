// Chunks and events, whole and cut anywhere.

import StraitControl
import StraitCore
import Testing

@Suite("Reading a stream of events") struct EventStreamReaderTests {
    private static let stream =
        "retry: 1000\n\n:\nid: 3\n\nid: 4\nevent: tenant\ndata: {\"a\":1}\n\n"
        + "event: live\rdata: x\rdata:y\r\rdata\r\ndata\r\n\r\nevent: lost\n\n"
        + "data: z\nid\n\ndata: cut"
    private static let events = [
        EventStreamReader.Event(kind: "tenant", data: "{\"a\":1}", lastID: "4"),
        EventStreamReader.Event(kind: "live", data: "x\ny", lastID: "4"),
        EventStreamReader.Event(kind: "message", data: "\n", lastID: "4"),
        EventStreamReader.Event(kind: "message", data: "z", lastID: ""),
    ]

    @Test("cut anywhere, the events are the same")
    func cuts() throws {
        let bytes = Array(Self.stream.utf8)
        for cut in 0...bytes.count {
            var reader = EventStreamReader()
            let events =
                try reader.receive(Array(bytes[..<cut])) + reader.receive(Array(bytes[cut...]))
            #expect(events == Self.events)
        }
    }

    @Test("the id holds over streams, and alone makes no event")
    func ids() throws {
        var reader = EventStreamReader(after: "2")
        #expect(reader.lastID == "2")
        #expect(try reader.receive(Array(":\nid: 9\n\n".utf8)).isEmpty)
        #expect(reader.lastID == "9")
        #expect(try reader.receive(Array("id: \0\ndata: a\n\n".utf8)).map(\.lastID) == ["9"])
    }

    @Test("a line, or an event, without end is refused")
    func bounds() throws {
        let long = [UInt8](repeating: 120, count: Limits.watchLineBytesMax)
        var line = EventStreamReader()
        #expect(try line.receive(long).isEmpty)
        #expect(throws: EventStreamProblem.lineTooLong) { try line.receive([120]) }
        var event = EventStreamReader()
        let part = Array("data: ".utf8) + long.dropLast(100) + [10]
        #expect(try event.receive(part).isEmpty)
        #expect(throws: EventStreamProblem.lineTooLong) { try event.receive(part) }
    }

    @Test("chunks cut anywhere come to the same bytes")
    func chunks() throws {
        let bytes = Array("5\r\nhello\r\n00A;x=y\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n".utf8)
        for cut in 0...bytes.count {
            var reader = ChunkedReader()
            let payload =
                try reader.receive(Array(bytes[..<cut])) + reader.receive(Array(bytes[cut...]))
            #expect(String(decoding: payload, as: UTF8.self) == "hello0123456789")
            #expect(reader.isAtEnd)
        }
    }

    @Test(
        "what is no chunk is refused",
        arguments: ["x\r\n", "\r\n", "-1\r\n", "1\r\nabc", "1234567890abcdef\r\n", " 1\r\n"])
    func noChunk(text: String) {
        var reader = ChunkedReader()
        #expect(throws: EventStreamProblem.malformed) { try reader.receive(Array(text.utf8)) }
    }
}
