// Tenants over the operator API: what is answered to whom, and what is live then.

import Foundation
import StraitAPI
import StraitControl
import Testing

@Suite("The operator API, tenants", .timeLimit(.minutes(1))) struct TenantRoutesTests {
    /// A router with a registry whose control plane runs.
    private struct RegistryRig {
        let rig: Rig
        let running: Task<Void, any Error>

        init() async throws {
            let rig = try await Rig(Rig.registry)
            self.rig = rig
            self.running = Task { try await rig.control.run() }
        }

        func end() async throws { try await self.rig.end(self.running) }

        func put(
            _ name: String, headers: [String] = [], query: String = "", _ more: String = ""
        ) async throws -> Answer {
            try await self.rig.ask(
                "PUT", "/v1/tenants/\(name)\(query)", headers: headers,
                body: Self.document(name, more))
        }

        static func document(_ name: String, _ more: String = "") -> String {
            #"{"name":"\#(name)","domains":["\#(name).example.com"]\#(more)}"#
        }
    }

    private func object(_ answer: Answer) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(answer.bytes)) as? [String: Any])
    }

    @Test("a tenant is made, read as it was written, changed, and removed")
    func life() async throws {
        let rig = try await RegistryRig()
        let made = try await rig.put("acme")
        #expect(made.status == 201 && made.headers["etag"] == "\"2\"")
        #expect(try self.object(made)["is_live"] as? Bool == true)
        let read = try await rig.rig.ask("GET", "/v1/tenants/acme")
        #expect(read.status == 200 && read.headers["etag"] == "\"2\"")
        #expect(read.body == RegistryRig.document("acme") + "\n")
        #expect(read.contentType == "application/json")
        let changed = try await rig.put("acme", #","limits":{"connections":5}"#)
        #expect(changed.status == 200 && changed.headers["etag"] == "\"3\"")
        let gone = try await rig.rig.ask("DELETE", "/v1/tenants/acme")
        #expect(gone.status == 200)
        for method in ["GET", "DELETE"] {
            let absent = try await rig.rig.ask(method, "/v1/tenants/acme")
            #expect(absent.status == 404)
            #expect(absent.contentType == "application/problem+json")
        }
        try await rig.end()
    }

    @Test("conditions hold, or the request changes nothing")
    func conditions() async throws {
        let rig = try await RegistryRig()
        #expect(try await rig.put("acme", headers: ["If-Match: *"]).status == 412)
        #expect(try await rig.put("acme", headers: ["If-None-Match: *"]).status == 201)
        #expect(try await rig.put("acme", headers: ["If-None-Match: *"]).status == 412)
        #expect(try await rig.put("acme", headers: ["If-Match: \"7\""]).status == 412)
        #expect(try await rig.put("acme", headers: ["If-Match: *"]).status == 200)
        for wrong in [
            "If-Match: 1", "If-Match: \"x\"", "If-Match: W/\"1\"", "If-None-Match: \"1\"",
        ] {
            #expect(try await rig.put("acme", headers: [wrong]).status == 400, "\(wrong)")
        }
        #expect(
            try await rig.rig.ask("DELETE", "/v1/tenants/acme", headers: ["If-Match: \"9\""])
                .status == 412)
        #expect(
            try await rig.rig.ask("DELETE", "/v1/tenants/acme", headers: ["If-Match: \"2\""])
                .status == 200)
        try await rig.end()
    }

    @Test("what is wrong is told with path, found, expected and remedy")
    func problems() async throws {
        let rig = try await RegistryRig()
        let wrong = try await rig.put("acme", #","domain":1,"services":[{"name":"x"}]"#)
        #expect(wrong.status == 422 && wrong.contentType == "application/problem+json")
        let object = try self.object(wrong)
        #expect(object["status"] as? Int == 422)
        let problems = try #require(object["problems"] as? [[String: String]])
        #expect(problems.contains { $0["path"] == "domain" && $0["remedy"]?.isEmpty == false })
        #expect(problems.contains { $0["path"] == "services[0].protocol" })
        #expect(try await rig.rig.ask("PUT", "/v1/tenants/acme", body: "{").status == 422)
        #expect(try await rig.put("UPPER").status == 422)
        let other = try await rig.rig.ask(
            "PUT", "/v1/tenants/acme", body: RegistryRig.document("beta"))
        #expect(other.status == 422)
        #expect(try await rig.put("acme").status == 201)
        let taken = try await rig.put("beta", #","domains":["acme.example.com"]"#)
        #expect(taken.status == 422, "a key twice is no JSON of ours")
        let thief = #"{"name":"beta","domains":["acme.example.com"]}"#
        #expect(try await rig.rig.ask("PUT", "/v1/tenants/beta", body: thief).status == 422)
        #expect(try await rig.rig.ask("GET", "/v1/tenants/beta").status == 404)
        try await rig.end()
    }

    @Test("a list comes in pages, each behind the one before")
    func pages() async throws {
        let rig = try await RegistryRig()
        for number in 0..<7 { _ = try await rig.put("t\(number)", query: "?wait=false") }
        // One whose name is another's with something behind it, which sorts between its rows.
        #expect(try await rig.put("t1-x").status == 201)
        var names: [String] = []
        var after = ""
        repeat {
            let page = try self.object(
                try await rig.rig.ask("GET", "/v1/tenants?limit=3\(after)"))
            let tenants = try #require(page["tenants"] as? [[String: Any]])
            #expect(tenants.count <= 3)
            names += tenants.compactMap { $0["name"] as? String }
            after = (page["next"] as? String).map { "&after=\($0)" } ?? ""
        } while !after.isEmpty
        #expect(names.sorted() == ["t0", "t1", "t1-x", "t2", "t3", "t4", "t5", "t6"])
        #expect(names.count == 8)
        for wrong in ["limit=0", "limit=x", "limit=100000", "limit=-1"] {
            #expect(try await rig.rig.ask("GET", "/v1/tenants?\(wrong)").status == 400)
        }
        let audit = try self.object(try await rig.rig.ask("GET", "/v1/audit?limit=5"))
        #expect((audit["entries"] as? [Any])?.count == 5 && audit["next"] is String)
        try await rig.end()
    }

    @Test("a change that is only tried changes nothing, and says what is wrong all the same")
    func dryRun() async throws {
        let rig = try await RegistryRig()
        #expect(try await rig.put("acme", query: "?dry_run=true").status == 201)
        #expect(try await rig.rig.ask("GET", "/v1/tenants/acme").status == 404)
        #expect(try await rig.put("acme", query: "?dry_run=true", #","x":1"#).status == 422)
        #expect(try await rig.put("acme").status == 201)
        #expect(try await rig.rig.ask("DELETE", "/v1/tenants/acme?dry_run=true").status == 200)
        #expect(try await rig.rig.ask("GET", "/v1/tenants/acme").status == 200)
        try await rig.end()
    }

    @Test("status, readiness and metrics tell of the registry")
    func status() async throws {
        let rig = try await RegistryRig()
        _ = try await rig.put("acme")
        let status = try self.object(try await rig.rig.ask("GET", "/v1/status"))
        let registry = try #require(status["registry"] as? [String: Any])
        #expect(registry["revision"] as? Int == 2 && registry["tenants"] as? Int == 1)
        let metrics = try await rig.rig.ask("GET", "/metrics").body
        #expect(metrics.contains("strait_registry_revision 2\n"))
        #expect(metrics.contains("strait_registry_up 1\n"))
        try await rig.end()
    }

    @Test("without a registry there is nothing to ask, and that is said")
    func absent() async throws {
        let rig = try await Rig()
        for (method, path) in [
            ("GET", "/v1/tenants"), ("GET", "/v1/audit"), ("PUT", "/v1/tenants/a"),
        ] {
            let answer = try await rig.ask(method, path, body: method == "PUT" ? "{}" : "")
            #expect(answer.status == 503 && answer.body.contains("registry"))
        }
        try await rig.end()
    }
}
