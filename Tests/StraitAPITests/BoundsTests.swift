// What a connection to the operators' socket may take, seen with raw bytes.

import Foundation
import StraitAPI
import StraitPosix
import Testing

@Suite("The operators' socket, at its bounds", .timeLimit(.minutes(2))) struct BoundsTests {
    private static let question = "GET /livez HTTP/1.1\r\nHost: strait\r\n\r\n"

    private static func bounds(
        _ change: (inout AdminAPI.Bounds) -> Void
    ) -> AdminAPI.Bounds {
        var bounds = AdminAPI.Bounds()
        change(&bounds)
        return bounds
    }

    @Test(
        "closes a connection that does not finish its request, and serves others meanwhile",
        arguments: [
            "", "G", "GET /livez HTTP/1.1\r\nHost: st",
            "POST /v1/explain HTTP/1.1\r\nHost: strait\r\nContent-Length: 9\r\n\r\n{",
            "POST /v1/explain HTTP/1.1\r\nHost: strait\r\nTransfer-Encoding: chunked\r\n\r\n",
        ])
    func unfinished(start: String) async throws {
        let rig = try await Rig(bounds: Self.bounds { $0.request = .milliseconds(200) })
        let line = try Line(rig.path)
        if !start.isEmpty { try await line.send(start) }
        async let isClosed = line.endsSilently()
        #expect(try await rig.ask("GET", "/livez").status == 200)
        #expect(await isClosed)
        #expect(try await rig.ask("GET", "/livez").status == 200)
        try await rig.end()
    }

    @Test("closes a connection that is idle after its answer")
    func idle() async throws {
        let rig = try await Rig(bounds: Self.bounds { $0.request = .milliseconds(200) })
        let line = try Line(rig.path)
        try await line.send(Self.question + Self.question)
        #expect(try await line.answer()?.status == 200)
        #expect(try await line.answer()?.status == 200)
        #expect(await line.endsSilently())
        try await rig.end()
    }

    @Test("closes a connection that trickles: no byte moves the deadline")
    func trickle() async throws {
        let rig = try await Rig(bounds: Self.bounds { $0.request = .milliseconds(200) })
        let slow = try Line(rig.path)
        let whole = 2000
        try await slow.send(
            "POST /v1/explain HTTP/1.1\r\nHost: strait\r\nContent-Length: \(whole)\r\n\r\n")
        var sent = 0
        do {
            while sent < whole {
                try await slow.send("x")
                sent += 1
                // A round trip on a connection of its own sets the pace.
                _ = try await rig.ask("GET", "/livez")
            }
        } catch let error as PosixError {
            #expect([32, 104].contains(error.number), "closed by the other end, not \(error)")
        }
        #expect(sent < whole, "a body of one byte at a time must not be waited for")
        try await rig.end()
    }

    @Test("refuses a body that is too large with 413, announced or not, and goes on serving")
    func largeBody() async throws {
        let rig = try await Rig(bounds: Self.bounds { $0.bodyBytes = 1000 })
        let announced = try Line(rig.path)
        try await announced.send(
            "POST /v1/explain HTTP/1.1\r\nHost: strait\r\nContent-Length: 1001\r\n\r\n")
        #expect(try await announced.answer()?.status == 413)
        #expect(await announced.endsSilently())
        let chunked = try Line(rig.path)
        try await chunked.send(
            "POST /v1/explain HTTP/1.1\r\nHost: strait\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "3e9\r\n" + String(repeating: "x", count: 1001) + "\r\n0\r\n\r\n")
        #expect(try await chunked.answer()?.status == 413)
        #expect(await chunked.endsSilently())
        #expect(try await rig.ask("GET", "/livez").status == 200)
        let whole = #"{"application_protocols":[],"opening":"tls"}"#
        let padded = whole + String(repeating: " ", count: 1000 - whole.utf8.count)
        #expect(try await rig.ask("POST", "/v1/explain", body: padded).status == 200)
        try await rig.end()
    }

    @Test(
        "answers what is no request, or has too large a head, with 400 and closes at once",
        arguments: ["\u{16}\u{3}\u{1}", "GET /livez HTTP/1.1\r\nHost: strait\r\nX: "])
    func noRequest(start: String) async throws {
        let rig = try await Rig(
            bounds: Self.bounds {
                $0.headBytes = 1000
                $0.request = .seconds(3600)
            })
        let line = try Line(rig.path)
        try await line.send(start + String(repeating: "x", count: 2000) + "\r\n\r\n")
        #expect(try await line.answer()?.status == 400)
        #expect(await line.endsSilently())
        #expect(try await rig.ask("GET", "/livez").status == 200)
        try await rig.end()
    }

    @Test("lets a connection beyond the bound wait until another has ended")
    func connections() async throws {
        let rig = try await Rig(bounds: Self.bounds { $0.connections = 1 })
        let first = try Line(rig.path)
        try await first.send(Self.question)
        #expect(try await first.answer()?.status == 200)
        let second = try Line(rig.path)
        try await second.send(Self.question)
        async let answer = second.answer()
        for _ in 0..<20 {
            try await first.send(Self.question)
            #expect(try await first.answer()?.status == 200)
        }
        #expect(second.answersCount == 0, "the second must not be served beside the first")
        first.finish()
        #expect(try await answer?.status == 200)
        try await rig.end()
    }
}
