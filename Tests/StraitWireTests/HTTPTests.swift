// Plain requests, and the answers that we give them.

import Foundation
import StraitCore
import StraitWire
import Testing

@Suite("HTTPHeadReader") struct HTTPHeadReaderTests {
    private func read(_ text: String) -> HTTPHeadReader.Outcome {
        var reader = HTTPHeadReader()
        return reader.read(Array(text.utf8).span)
    }

    @Test("method, target and host are found, and the body is not part of the head")
    func good() throws {
        let text = "GET /a?b=c HTTP/1.1\r\nAccept: */*\r\nhOsT: \t Example.COM:8080 \r\nX:\r\n\r\n"
        let input = Array((text + "body").utf8)
        var reader = HTTPHeadReader()
        guard case .done(let head) = reader.read(input.span) else {
            Issue.record("not read")
            return
        }
        #expect(String(decoding: input[head.method], as: UTF8.self) == "GET")
        #expect(String(decoding: input[head.target], as: UTF8.self) == "/a?b=c")
        #expect(head.host.map { String(decoding: input[$0], as: UTF8.self) } == "Example.COM:8080")
        #expect(head.hostName(in: input.span)?.description == "example.com")
        #expect(!head.isHEAD)
        #expect(head.length == text.utf8.count)
        #expect(reader.read(input.span) == .done(head))
    }

    @Test("cut anywhere, the head is the same, and comes with its last byte")
    func byteByByte() {
        let input = Array("HEAD / HTTP/1.0\nHost: a\n\n".utf8)
        var reader = HTTPHeadReader()
        for count in 0..<input.count {
            #expect(reader.read(input.span.extracting(0..<count)) == .needMore)
        }
        var once = HTTPHeadReader()
        let outcome = reader.read(input.span)
        #expect(outcome == once.read(input.span))
        guard case .done(let head) = outcome else {
            Issue.record("not read")
            return
        }
        #expect(head.isHEAD)
    }

    @Test(
        "a Host that names none, or two, gives no host name",
        arguments: [
            "", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: 10.0.0.1\r\n", "Host: [::1]:80\r\n",
            "Host: a b\r\n",
            "Host: a/b\r\n", "Host: a@b\r\n", "Host: :80\r\n", "Host: a:b\r\n", "Hosts: a\r\n",
            "Host: é\r\n",
        ])
    func noHost(fields: String) {
        let input = Array("GET / HTTP/1.1\r\n\(fields)\r\n".utf8)
        var reader = HTTPHeadReader()
        guard case .done(let head) = reader.read(input.span) else {
            Issue.record("not read")
            return
        }
        #expect(head.hostName(in: input.span) == nil)
    }

    @Test(
        "a target in absolute-form says the host, whatever Host says",
        arguments: [
            ("http://b.example/x", "b.example"), ("HTTPS://B.example:80?x", "b.example"),
            ("http://b.example", "b.example"), ("/http://b.example/", "a.example"),
            ("*", "a.example"), ("b.example:443", "a.example"), ("://b.example", "a.example"),
            ("http:/b.example", "a.example"), ("http:///x", nil), ("http://10.0.0.1/", nil),
            ("http://u@b.example/", nil), ("http://b.example#x", "b.example"),
        ])
    func absoluteForm(target: String, host: String?) {
        let input = Array("GET \(target) HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8)
        var reader = HTTPHeadReader()
        guard case .done(let head) = reader.read(input.span) else {
            Issue.record("not read")
            return
        }
        #expect(head.hostName(in: input.span)?.description == host)
    }

    @Test(
        "what is no head is refused",
        arguments: [
            ("GET /\r\n", HTTPProblem.requestLine), ("GET  / HTTP/1.1\r\n", .requestLine),
            ("GET / HTTP/1.1 \r\n", .requestLine), ("GET / HTTP/2.0\r\n", .requestLine),
            ("\r\n", .requestLine),
            (" / HTTP/1.1\r\n", .requestLine), ("GET /\t HTTP/1.1\r\n", .requestLine),
            ("GET / HTTP/1.\r\n", .requestLine), ("GET /\0 HTTP/1.1\r\n", .requestLine),
            ("GET / HTTP/1.1\r\n folded\r\n", .field), ("GET / HTTP/1.1\r\nno colon\r\n", .field),
            ("GET / HTTP/1.1\r\n: x\r\n", .field), ("GET / HTTP/1.1\r\na b: x\r\n", .field),
            ("GET / HTTP/1.1\r\nHost : x\r\n", .field), ("GET / HTTP/1.1\r\nA: \0\r\n", .field),
            ("GET / HTTP/1.1\r\nA: x\ry\r\n", .field),
        ])
    func refused(text: String, problem: HTTPProblem) {
        #expect(self.read(text) == .malformed(problem))
    }

    @Test("8 KiB are a head, more is not")
    func longest() {
        let start = "GET / HTTP/1.1\r\nX: "
        let room = Limits.httpHeadBytesMax - start.utf8.count - 4
        guard case .done = self.read(start + String(repeating: "x", count: room) + "\r\n\r\n")
        else {
            Issue.record("not read")
            return
        }
        let more = start + String(repeating: "x", count: room + 1)
        #expect(self.read(more) == .needMore)
        #expect(self.read(more + "\r\n\r\n") == .malformed(.tooLarge))
    }
}

@Suite("HTTPAnswer") struct HTTPAnswerTests {
    static let connection = ConnectionID(worker: 3, number: 77)

    /// Status line, fields and body of an answer; an Issue when it is not well-formed.
    private func parts(_ bytes: [UInt8], isHEAD: Bool = false) -> ([String], body: String) {
        let text = String(decoding: bytes, as: UTF8.self)
        let head = text.components(separatedBy: "\r\n\r\n")
        let lines = head[0].components(separatedBy: "\r\n")
        let body = head.dropFirst().joined(separator: "\r\n\r\n")
        let length = lines.first { $0.hasPrefix("Content-Length: ") }?.dropFirst(16)
        #expect(isHEAD ? body.isEmpty : length.flatMap { Int($0) } == body.utf8.count)
        #expect(lines.contains("Connection: close"))
        return (lines, body)
    }

    private func redirect(_ target: String, port: UInt16 = 443) -> String? {
        guard let host = HostName("shop.example.org") else { return nil }
        let answer = HTTPAnswer.redirect(
            host: host, port: port, target: Array(target.utf8).span, connection: Self.connection,
            isHEAD: false)
        let (lines, _) = self.parts(answer)
        #expect(lines[0] == "HTTP/1.1 308 Permanent Redirect")
        let locations = lines.filter { $0.lowercased().hasPrefix("location:") }
        #expect(locations.count == 1)
        return locations.first.map { String($0.dropFirst(10)) }
    }

    @Test("a plain request gets a 400 page that names the connection")
    func tlsRequired() {
        let (lines, body) = self.parts(
            HTTPAnswer.tlsRequired(connection: Self.connection, isHEAD: false))
        #expect(lines[0] == "HTTP/1.1 400 Bad Request")
        #expect(body.contains("\(Self.connection)"))
        #expect(body.contains("TLS"))
    }

    @Test("an unreachable cluster is a Status that names the connection, without Retry-After")
    func kubernetes() throws {
        let (lines, body) = self.parts(
            HTTPAnswer.kubernetesUnavailable(connection: Self.connection))
        #expect(lines[0] == "HTTP/1.1 503 Service Unavailable")
        #expect(lines.contains("Content-Type: application/json"))
        #expect(!lines.contains { $0.hasPrefix("Retry-After") })
        let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
        let status = try #require(object)
        #expect(status["kind"] as? String == "Status")
        #expect(status["apiVersion"] as? String == "v1")
        #expect(status["status"] as? String == "Failure")
        #expect(status["reason"] as? String == "ServiceUnavailable")
        #expect(status["code"] as? Int == 503)
        #expect((status["message"] as? String)?.contains("\(Self.connection)") == true)
    }

    @Test("HEAD gets the same fields and no body")
    func head() {
        let whole = self.parts(HTTPAnswer.badRequest(connection: Self.connection, isHEAD: false))
        let head = self.parts(
            HTTPAnswer.badRequest(connection: Self.connection, isHEAD: true), isHEAD: true)
        #expect(head.0 == whole.0)
    }

    @Test(
        "a redirect keeps path and query, and nothing of the request can leave its place",
        arguments: [
            ("/", "/"), ("/a/b?c=d&e=%20", "/a/b?c=d&e=%20"), ("", "/"), ("*", "/"),
            ("example.com:443", "/"),
            ("http://evil.example/a?b", "/a?b"), ("http://evil.example", "/"),
            ("http://evil.example?q", "/?q"),
            ("//evil.example/a", "//evil.example/a"), ("/\\evil", "/%5Cevil"),
            ("/a\r\nSet-Cookie: x", "/a%0D%0ASet-Cookie:%20x"),
            ("/<script>\"'", "/%3Cscript%3E%22'"), ("/é", "/%C3%A9"), ("/a#b", "/a%23b"),
            ("@evil.example/", "/"),
        ])
    func location(target: String, expected: String) {
        #expect(self.redirect(target) == "https://shop.example.org" + expected)
    }

    @Test("a port other than 443 is written")
    func port() {
        #expect(self.redirect("/x", port: 8443) == "https://shop.example.org:8443/x")
    }
}
