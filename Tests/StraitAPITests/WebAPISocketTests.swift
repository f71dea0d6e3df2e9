// The socket of `/webapi`, seen with raw bytes: what comes before HTTP, and who may hold what.

import Foundation
import Logging
import ServiceLifecycle
import StraitAPI
import StraitControl
import StraitCore
import StraitPosix
import StraitWire
import Testing

/// `/webapi` on a socket of its own, over the configuration of ``Responding``.
private struct Answering {
    let socket: EngineSocket
    private let admin: AdminSocket
    private let folder: URL
    private let services: ServiceGroup
    private let task: Task<Void, any Error>

    init() async throws {
        self.folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("w-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: false)
        self.admin = try AdminSocket(path: self.folder.appendingPathComponent("s").path)
        self.socket = try EngineSocket(.webAPI, beside: self.admin)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let api = WebAPI(
            directory: try Responding().directory, socket: self.socket, logger: logger,
            requestTimeout: .seconds(60))
        let services = ServiceGroup(services: [api], logger: logger)
        self.services = services
        self.task = Task { try await services.run() }
        await api.isListening()
    }

    /// A connection as the engine makes one, from that address.
    func line(from source: String = "192.0.2.1:4242", tenant: String = "acme") async throws -> Line
    {
        var header = ProxyHeader(
            command: .proxy, source: SocketAddress(source),
            destination: SocketAddress("192.0.2.9:443"))
        header.tlvs.append(ProxyTLVType.tenant, Array(tenant.utf8))
        let line = try Line(self.socket.path)
        try await line.send(header.encodedV2())
        return line
    }

    func end() async throws {
        await self.services.triggerGracefulShutdown()
        try await self.task.value
        self.socket.remove()
        self.admin.remove()
        try FileManager.default.removeItem(at: self.folder)
    }
}

@Suite("The socket of /webapi", .timeLimit(.minutes(3))) struct WebAPISocketTests {
    private static let question = "GET /webapi/find HTTP/1.1\r\nHost: acme.example.com\r\n\r\n"

    @Test("answers one request after the other on a connection that the engine made")
    func answers() async throws {
        let answering = try await Answering()
        let line = try await answering.line()
        for _ in 0..<2 {
            try await line.send(Self.question)
            #expect(try await line.answer()?.status == 200)
        }
        try await line.send("GET /webapi/find HTTP/1.1\r\nConnection: close\r\n\r\n")
        let last = try await line.answer()
        #expect(last?.status == 400 && last?.headers["connection"] == "close")
        #expect(await line.endsSilently())
        try await answering.end()
    }

    @Test("says nothing to whoever does not begin as the engine does")
    func strangers() async throws {
        let answering = try await Answering()
        let line = try Line(answering.socket.path)
        try await line.send(Self.question)
        #expect(await line.endsSilently())
        let nobody = try await answering.line(tenant: "")
        #expect(await nobody.endsSilently())
        try await answering.end()
    }

    @Test("answers what is no HTTP with 400, a body with 413, and ends the connection")
    func refusals() async throws {
        let answering = try await Answering()
        let lines = [
            ("no HTTP at all\r\n\r\n", 400),
            (
                "GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 9000))\r\n\r\n",
                400
            ),
            ("POST /webapi/find HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 413),
            ("POST /webapi/find HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        ]
        for (text, status) in lines {
            let line = try await answering.line()
            try await line.send(text)
            #expect(try await line.answer()?.status == status, "\(text.prefix(60))")
            #expect(await line.endsSilently())
        }
        try await answering.end()
    }

    @Test("who sends more than questions take is cut off, whatever it was")
    func bytes() async throws {
        let answering = try await Answering()
        let line = try await answering.line()
        let question =
            "GET /webapi/find HTTP/1.1\r\nHost: acme.example.com\r\n"
            + "X: \(String(repeating: "x", count: 7000))\r\n\r\n"
        var answered = 0
        while answered <= Limits.webAPIConnectionBytesMax / question.utf8.count {
            do {
                try await line.send(question)
                guard try await line.answer() != nil else { break }
            } catch is PosixError {
                break  // closed with our bytes unread
            }
            answered += 1
        }
        #expect(answered > Limits.webAPIConnectionBytesMax / 8000)
        #expect(answered <= Limits.webAPIConnectionBytesMax / question.utf8.count)
        try await answering.end()
    }

    @Test("a source that holds too many connections loses its oldest, and nobody else's")
    func crowd() async throws {
        let answering = try await Answering()
        let other = try await answering.line(from: "198.51.100.1:1")
        var lines: [Line] = []
        for _ in 0...Limits.webAPIConnectionsPerSourceMax {
            let line = try await answering.line()
            try await line.send(Self.question)
            #expect([200, 429].contains(try await line.answer()?.status))
            lines.append(line)
        }
        let first = try #require(lines.first)
        #expect(await first.endsSilently())
        for line in [try #require(lines.last), other] {
            try await line.send(Self.question)
            #expect(try await line.answer() != nil)
        }
        try await answering.end()
    }

    @Test("the folder of a process that is gone is removed, that of one that lives is not")
    func abandoned() async throws {
        let answering = try await Answering()
        let parent = URL(fileURLWithPath: answering.socket.path)
            .deletingLastPathComponent().deletingLastPathComponent()
        let gone = parent.appendingPathComponent("s.999999999.web").path
        let living = parent.appendingPathComponent("s.1.web").path
        for path in [gone, living] {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
        }
        let admin = try AdminSocket(path: parent.appendingPathComponent("s").path)
        let second = try EngineSocket(.webAPI, beside: admin)
        #expect(!FileManager.default.fileExists(atPath: gone))
        #expect(FileManager.default.fileExists(atPath: living))
        second.remove()
        try await answering.end()
    }
}
