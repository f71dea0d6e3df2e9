// Every route of the operator API: status, content type, and what the answer says.

import Foundation
import StraitAPI
import StraitControl
import Testing

@Suite("AdminAPI", .timeLimit(.minutes(2))) struct AdminAPITests {
    /// A request and what must come back.
    struct Route: Sendable, CustomTestStringConvertible {
        var method: String
        var target: String
        var headers: [String] = []
        var body = ""
        var status: Int
        var contentType: String
        /// What the body must contain.
        var says: String

        var testDescription: String { "\(self.method) \(self.target) \(self.body)" }
    }

    private static let text = "text/plain; charset=utf-8"
    private static let json = "application/json"
    private static let unknownID = "c-0000000000001"

    private static let routes: [Route] = [
        Route(method: "GET", target: "/livez", status: 200, contentType: text, says: "ok\n"),
        Route(method: "GET", target: "/healthz", status: 200, contentType: text, says: "ok\n"),
        Route(method: "GET", target: "/readyz", status: 200, contentType: text, says: "ready\n"),
        Route(
            method: "GET", target: "/readyz?verbose", status: 200, contentType: text,
            says: "[+]listeners ok\n[+]snapshot ok\n[+]drain ok\nready\n"),
        Route(
            method: "GET", target: "/readyz", headers: ["Accept: application/json"], status: 200,
            contentType: json, says: #""status":"ready""#),
        Route(
            method: "GET", target: "/metrics", status: 200,
            contentType: "text/plain; version=0.0.4; charset=utf-8", says: "strait_ready{"),
        Route(
            method: "GET", target: "/version", status: 200, contentType: json,
            says: #""version":"#),
        Route(
            method: "GET", target: "/v1/status", status: 200, contentType: json,
            says: #""service":"www""#),
        Route(
            method: "GET", target: "/v1/connections", status: 200, contentType: json, says: "[]\n"),
        Route(
            method: "GET", target: "/v1/connections?limit=1", status: 200, contentType: json,
            says: "[]\n"),
        Route(
            method: "GET", target: "/v1/connections?limit=many", status: 400, contentType: json,
            says: "limit"),
        Route(
            method: "GET", target: "/v1/connections?limit=-1", status: 400, contentType: json,
            says: "limit"),
        Route(
            method: "GET", target: "/v1/connections/\(unknownID)", status: 404, contentType: json,
            says: unknownID),
        Route(
            method: "DELETE", target: "/v1/connections/\(unknownID)", status: 404,
            contentType: json, says: unknownID),
        Route(
            method: "GET", target: "/v1/connections/nonsense", status: 400, contentType: json,
            says: "c- and 13 characters"),
        Route(
            method: "DELETE", target: "/v1/connections/nonsense", status: 400, contentType: json,
            says: "c- and 13 characters"),
        Route(
            method: "POST", target: "/v1/explain",
            body: #"{"server_name":"www.acme.example.com","application_protocols":[],"#
                + #""opening":"tls"}"#,
            status: 200, contentType: json, says: #""service":"www""#),
        Route(
            method: "POST", target: "/v1/explain",
            body: #"{"listener":"none","application_protocols":[],"opening":"tls"}"#,
            status: 422, contentType: json, says: "there is no listener"),
        Route(
            method: "POST", target: "/v1/explain", body: "{", status: 400, contentType: json,
            says: "the body is no question"),
        Route(
            method: "POST", target: "/v1/explain", status: 400, contentType: json,
            says: "the body is no question"),
        Route(
            method: "POST", target: "/v1/reload", status: 200, contentType: json,
            says: #""result":"unchanged""#),
        Route(
            method: "POST", target: "/v1/drain?seconds=soon", status: 400, contentType: json,
            says: "seconds"),
        Route(
            method: "DELETE", target: "/v1/drain", status: 200, contentType: json,
            says: "not draining"),
        Route(method: "GET", target: "/", status: 404, contentType: json, says: "no such"),
        Route(method: "GET", target: "/nothing", status: 404, contentType: json, says: "no such"),
        Route(
            method: "GET", target: "/v1/drain", status: 405, contentType: json,
            says: "not taken; DELETE, POST"),
        Route(
            method: "POST", target: "/livez", status: 405, contentType: json,
            says: "not taken; GET"),
        Route(
            method: "DELETE", target: "/v1/status", status: 405, contentType: json,
            says: "not taken; GET"),
    ]

    @Test("answers every route with its status, its content type and its words")
    func routes() async throws {
        let rig = try await Rig()
        for route in Self.routes {
            let answer = try await rig.ask(
                route.method, route.target, headers: route.headers, body: route.body)
            #expect(answer.status == route.status, "\(route.testDescription): \(answer)")
            #expect(answer.contentType == route.contentType, "\(route.testDescription)")
            #expect(answer.body.contains(route.says), "\(route.testDescription): \(answer)")
            #expect(answer.headers["server"] == "strait")
        }
        try await rig.end()
    }

    @Test("answers in JSON that the command line reads back")
    func decoding() async throws {
        let rig = try await Rig()
        let status = try AnswerJSON.decode(
            StatusAnswer.self, from: try await rig.ask("GET", "/v1/status").bytes)
        #expect(status.router == "r-1" && status.revision == 1 && status.services.count == 1)
        let readiness = try AnswerJSON.decode(
            ReadinessAnswer.self,
            from: try await rig.ask("GET", "/readyz", headers: ["Accept: application/json"]).bytes)
        #expect(readiness.isReady && readiness.checks.count == 3)
        let version = try AnswerJSON.decode(
            VersionAnswer.self, from: try await rig.ask("GET", "/version").bytes)
        #expect(version == VersionAnswer.current)
        try await rig.end()
    }

    @Test("a drain makes readiness 503, and taking it back 200 again")
    func drain() async throws {
        let rig = try await Rig()
        let held = try await rig.hold()
        let running = Task { try await rig.control.run() }
        #expect(try await rig.ask("POST", "/v1/drain?seconds=3600").status == 202)
        let readiness = try await rig.ask("GET", "/readyz")
        #expect(readiness.status == 503 && readiness.body.hasPrefix("draining"))
        #expect(try await rig.ask("POST", "/v1/reload").status == 409)
        #expect(try await rig.ask("DELETE", "/v1/drain").status == 200)
        #expect(try await rig.ask("GET", "/readyz").status == 200)
        #expect(try await rig.ask("POST", "/v1/reload").status == 200)
        try await rig.end(running)
        #expect(await held.endsSilently())
    }

    @Test("a reload tells its verdict with 200, and the problems with 409")
    func reload() async throws {
        let rig = try await Rig()
        try rig.write(Rig.configuration + "metrics: { tenants: 5 }\n")
        let applied = try await rig.ask("POST", "/v1/reload")
        let verdict = try AnswerJSON.decode(ReloadAnswer.self, from: applied.bytes)
        #expect(applied.status == 200 && verdict.result == "applied" && verdict.revision == 2)
        try rig.write(Rig.configuration.replacingOccurrences(of: "passthrough", with: "pass"))
        let refused = try await rig.ask("POST", "/v1/reload")
        let answer = try AnswerJSON.decode(ReloadAnswer.self, from: refused.bytes)
        #expect(refused.status == 409 && answer.result == "refused" && answer.revision == 2)
        #expect(answer.problems.map(\.code) == ["E2104"])
        #expect(try await rig.ask("GET", "/readyz").status == 200)
        try await rig.end()
    }
}
