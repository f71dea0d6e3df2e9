// Tenants over the operator API: what is answered to whom, and what is live then.

import Foundation
import StraitAPI
import StraitControl
import Testing

@Suite("The operator API, tenants", .timeLimit(.minutes(3))) struct TenantRoutesTests {
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

    @Test("a tenant is renamed, and its old name tells the new one, whatever is asked of it")
    func rename() async throws {
        let rig = try await RegistryRig()
        #expect(try await rig.put("acme").status == 201)
        let path = "/v1/tenants/acme/rename"
        let body = #"{"name":"anvil","domain":"anvil.example.com","grace":"720h"}"#
        for wrong in ["", "{}", #"{"name":7}"#, "[]"] {
            #expect(try await rig.rig.ask("POST", path, body: wrong).status == 400, "\(wrong)")
        }
        let late = try await rig.rig.ask("POST", path, headers: ["If-Match: \"9\""], body: body)
        #expect(late.status == 412)
        let tried = try await rig.rig.ask("POST", path + "?dry_run=true", body: body)
        #expect(tried.status == 200)
        #expect(try await rig.rig.ask("GET", "/v1/tenants/acme").status == 200)
        let done = try await rig.rig.ask("POST", path, headers: ["If-Match: \"2\""], body: body)
        #expect(done.status == 200 && done.headers["etag"] == "\"3\"")
        #expect(try self.object(done)["is_live"] as? Bool == true)
        let read = try await rig.rig.ask("GET", "/v1/tenants/anvil")
        #expect(read.status == 200 && read.headers["etag"] == "\"3\"")
        let alias = try #require((try self.object(read)["aliases"] as? [[String: String]])?.first)
        #expect(alias["name"] == "acme.example.com" && alias["until"]?.hasSuffix("Z") == true)
        for (method, rest, body) in [
            ("GET", "", ""), ("DELETE", "", ""), ("PUT", "", RegistryRig.document("acme")),
            ("POST", "/rename", #"{"name":"brick"}"#), ("GET", "/certificates", ""),
            ("DELETE", "/authorities/x", ""),
        ] {
            let answer = try await rig.rig.ask(method, "/v1/tenants/acme\(rest)", body: body)
            #expect(answer.status == 410, "\(method) \(rest) \(answer.body)")
            #expect(try self.object(answer)["renamed_to"] as? String == "anvil")
        }
        try await rig.end()
    }

    @Test("names are listed with what they are, page by page, and one tenant's alone")
    func names() async throws {
        let rig = try await RegistryRig()
        let more =
            #","aliases":[{"name":"old.example","until":"2100-01-01T00:00:00Z"}],"services":["#
            + #"{"name":"www","protocol":"web","hosts":["*.w.example","a.example"],"#
            + #""upstreams":[{"address":"tcp://127.0.0.1:9"}]}]"#
        #expect(try await rig.put("acme", more).status == 201)
        #expect(try await rig.put("beta").status == 201)
        var names: [[String: Any]] = []
        var after = ""
        repeat {
            let page = try self.object(
                try await rig.rig.ask("GET", "/v1/names?limit=2\(after)"))
            names += try #require(page["names"] as? [[String: Any]])
            after = (page["next"] as? String).map { "&after=\($0)" } ?? ""
        } while !after.isEmpty
        func texts(_ key: String) -> [String] { names.map { $0[key] as? String ?? "" } }
        #expect(
            texts("name") == [
                "*.w.example", "a.example", "acme.example.com", "beta.example.com", "old.example",
            ])
        #expect(texts("kind") == ["wildcard", "host", "primary", "primary", "alias"])
        #expect(texts("service") == ["www", "www", "", "", ""])
        #expect(texts("until").last == "2100-01-01T00:00:00.000Z")
        #expect(names.last?["connections"] as? Int == 0 && names.last?["last_use"] == nil)
        #expect(names.map { $0["since_revision"] as? Int } == [2, 2, 2, 3, 2])
        let own = try self.object(try await rig.rig.ask("GET", "/v1/names?tenant=beta"))
        #expect((own["names"] as? [[String: Any]])?.count == 1 && own["next"] == nil)
        #expect(try await rig.rig.ask("GET", "/v1/names?tenant=nobody").status == 404)
        #expect(try await rig.rig.ask("GET", "/v1/names?limit=0").status == 400)
        try await rig.end()
    }

    @Test("a region comes, is a tenant's home, and goes when nobody is at home there")
    func regions() async throws {
        let rig = try await RegistryRig()
        let path = "/v1/regions/eu-central"
        #expect(try await rig.rig.ask("GET", path).status == 404)
        let homeless = try await rig.put("acme", #","region":"eu-centrl""#)
        #expect(homeless.status == 422)
        let made = try await rig.rig.ask(
            "PUT", path, headers: ["If-None-Match: *"], body: #"{"description":"Frankfurt"}"#)
        #expect(made.status == 201)
        #expect(try await rig.rig.ask("PUT", path, headers: ["If-None-Match: *"]).status == 412)
        #expect(try await rig.rig.ask("PUT", path, body: #"{"name":"us"}"#).status == 422)
        #expect(try await rig.rig.ask("PUT", path, body: "7").status == 400)
        #expect(try await rig.rig.ask("PUT", "/v1/regions/A").status == 422)
        let read = try await rig.rig.ask("GET", path)
        #expect(try self.object(read)["description"] as? String == "Frankfurt")
        let misspelt = try self.object(try await rig.put("acme", #","region":"eu-centrl""#))
        let problem = try #require((misspelt["problems"] as? [[String: String]])?.first)
        #expect(problem["path"] == "region")
        #expect(problem["remedy"] == #"did you mean "eu-central"?"#)
        #expect(try await rig.put("acme", #","region":"eu-central""#).status == 201)
        let own = "local"
        #expect(try await rig.put("beta", #","region":"\#(own)""#).status == 201)
        let needed = try await rig.rig.ask("DELETE", path)
        #expect(needed.status == 409)
        #expect((try self.object(needed)["detail"] as? String)?.contains("acme") == true)
        #expect(try await rig.rig.ask("DELETE", "/v1/regions/\(own)").status == 409)
        let routers = try self.object(try await rig.rig.ask("GET", "/v1/routers"))
        #expect((routers["routers"] as? [Any])?.isEmpty == true)
        #expect(try await rig.rig.ask("GET", "/v1/routers/r-1").status == 404)
        let list = try self.object(try await rig.rig.ask("GET", "/v1/regions"))
        #expect((list["regions"] as? [[String: Any]])?.count == 1)
        #expect(try await rig.put("acme").status == 200)
        #expect(try await rig.rig.ask("DELETE", path + "?dry_run=true").status == 200)
        #expect(try await rig.rig.ask("DELETE", path).status == 200)
        #expect(try await rig.rig.ask("GET", path).status == 404)
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
