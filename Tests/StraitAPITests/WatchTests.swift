// A watch of the registry, byte by byte; and who uses the most.

import Foundation
import StraitAPI
import StraitControl
import StraitCore
import StraitStore
import Testing

@Suite("The operator API, watching", .timeLimit(.minutes(2))) struct WatchTests {
    /// A router with a registry whose control plane runs.
    private struct RegistryRig {
        let rig: Rig
        let running: Task<Void, any Error>

        init(_ change: (inout AdminAPI.Bounds) -> Void = { _ in }) async throws {
            var bounds = AdminAPI.Bounds()
            change(&bounds)
            let rig = try await Rig(bounds: bounds, Rig.registry)
            self.rig = rig
            self.running = Task { try await rig.control.run() }
        }

        func end() async throws { try await self.rig.end(self.running) }

        @discardableResult
        func put(_ name: String) async throws -> Int {
            let body = #"{"name":"\#(name)","domains":["\#(name).example.com"]}"#
            return try await self.rig.ask("PUT", "/v1/tenants/\(name)", body: body).status
        }

        /// A watch, once its head has come.
        func watch(_ query: String = "", headers: [String] = []) async throws -> Line {
            let line = try Line(self.rig.path)
            try await line.send(
                (["GET /v1/watch\(query) HTTP/1.1", "Host: strait"] + headers)
                    .joined(separator: "\r\n") + "\r\n\r\n")
            let head = try await line.text(until: "\r\n\r\n")
            #expect(head.hasPrefix("HTTP/1.1 200"), "\(head)")
            #expect(head.lowercased().contains("content-type: text/event-stream"))
            return line
        }

        /// A watch, asked for until there is a place, or until a machine that is busy has begun
        /// its answer before a short deadline.
        func watchAtLast() async throws -> Line {
            while true {
                let line = try Line(self.rig.path)
                try await line.send("GET /v1/watch HTTP/1.1\r\nHost: strait\r\n\r\n")
                if try await line.text(until: "\r\n").hasPrefix("HTTP/1.1 200"),
                    try await line.text(until: "id: 1\n\n").hasSuffix("id: 1\n\n")
                {
                    return line
                }
            }
        }
    }

    @Test("tells a change, then that it is live; without a key")
    func change() async throws {
        let rig = try await RegistryRig()
        let watch = try await rig.watch()
        #expect(try await watch.text(until: "\n\n").hasSuffix("retry: 1000\n\n"))
        #expect(try await rig.put("acme") == 201)
        let text = try await watch.text(until: "event: live\ndata: {\"revision\":2")
        #expect(text.contains("event: tenant\ndata: {\"resource\":\"tenant/acme\""))
        #expect(text.contains("\"resource\":\"name/acme.example.com\",\"tenant\":\"acme\""))
        #expect(text.contains("event: certificate\n") && text.contains("id: 2\n"))
        #expect(!text.contains("sealed") && !text.contains("audit"))
        try await rig.end()
    }

    @Test("goes on from a revision, by query or by Last-Event-ID, which goes first")
    func resumes() async throws {
        let rig = try await RegistryRig()
        try await rig.put("acme")
        try await rig.put("globex")
        for (query, headers) in [("?after=2", []), ("?after=0", ["Last-Event-ID: 2"])] {
            let watch = try await rig.watch(query, headers: headers)
            let text = try await watch.text(until: "event: live\ndata: {\"revision\":3")
            #expect(text.contains("tenant/globex") && !text.contains("acme"))
        }
        try await rig.end()
    }

    @Test("for one tenant tells nothing of others")
    func filter() async throws {
        let rig = try await RegistryRig()
        let watch = try await rig.watch("?tenant=globex")
        try await rig.put("acme")
        try await rig.put("globex")
        let text = try await watch.text(until: "event: live\ndata: {\"revision\":3")
        #expect(text.contains("tenant/globex") && !text.contains("acme"))
        #expect(!text.contains("\"revision\":2"))
        try await rig.end()
    }

    @Test("says that changes are missing, and goes on", arguments: ["?after=0", "?after=4711"])
    func compacted(query: String) async throws {
        let rig = try await RegistryRig()
        for name in ["a", "b", "c"] { try await rig.put(name) }
        let registry = try #require(rig.rig.control.registry)
        try await registry.store.compact(through: 3)
        let watch = try await rig.watch(query)
        let text = try await watch.text(until: "event: compacted\ndata: {\"revision\":4}\n\n")
        #expect(text.contains("id: 4\n") && !text.contains("tenant/"))
        try await rig.put("d")
        let more = try await watch.text(until: "event: live\ndata: {\"revision\":5")
        #expect(more.contains("tenant/d") && !more.contains("tenant/c"))
        try await rig.end()
    }

    @Test("outlasts the deadline of answers, which ends others")
    func deadline() async throws {
        let rig = try await RegistryRig {
            $0.answer = .milliseconds(100)
            $0.watchKeepAlive = .milliseconds(50)
        }
        let watch = try await rig.watchAtLast()
        for _ in 0..<10 {
            #expect(try await watch.text(until: ":\nid: 1\n\n").hasSuffix(":\nid: 1\n\n"))
        }
        let slow = try Line(rig.rig.path)
        try await slow.send("GET /v1/top?seconds=30 HTTP/1.1\r\nHost: strait\r\n\r\n")
        #expect(await slow.endsSilently())
        #expect(try await watch.text(until: ":\nid: 1\n\n").hasSuffix(":\nid: 1\n\n"))
        try await rig.end()
    }

    @Test("ends for one who reads nothing, and its place is another's")
    func slow() async throws {
        let rig = try await RegistryRig {
            $0.answer = .milliseconds(200)
            $0.watchKeepAlive = .zero  // it never stops talking
            $0.watchers = 1
        }
        let watch = try await rig.watchAtLast()
        _ = try await rig.watchAtLast()
        _ = try? await watch.text(until: "never")  // what is left, or a reset
        try await rig.end()
    }

    @Test("gives its place back at once when who watches goes away")
    func gone() async throws {
        let rig = try await RegistryRig {
            $0.watchers = 1
            $0.watchKeepAlive = .seconds(3600)
        }
        var watch: Line? = try await rig.watch()
        let refused = try await rig.rig.ask("GET", "/v1/watch")
        #expect(refused.status == 503 && refused.contentType == "application/problem+json")
        watch?.finish()
        watch = nil
        _ = try await rig.watchAtLast()
        try await rig.end()
    }

    @Test("ends with a word when the router drains, and none begins then")
    func drain() async throws {
        let rig = try await RegistryRig()
        let watch = try await rig.watch()
        let line = try await rig.rig.hold()
        await rig.rig.control.requestDrain(within: .seconds(3600))
        let text = try await watch.text(until: "0\r\n\r\n")
        #expect(text.contains("event: ended\ndata: {\"reason\":\"the router is on its way out\"}"))
        #expect(try await rig.rig.ask("GET", "/v1/watch").status == 503)
        withExtendedLifetime(line) {}
        try await rig.end()
    }

    @Test("needs a registry and a question that is one")
    func wrong() async throws {
        let without = try await Rig()
        #expect(try await without.ask("GET", "/v1/watch").status == 503)
        try await without.end()
        let rig = try await RegistryRig()
        for query in ["after=x", "after=-1", "after=18446744073709551615", "tenant=", "tenant=A/b"]
        {
            let answer = try await rig.rig.ask("GET", "/v1/watch?\(query)")
            #expect(answer.status == 400, "\(query)")
            #expect(answer.contentType == "application/problem+json")
        }
        try await rig.end()
    }

    @Test("who uses the most is told in order, as many as are asked for")
    func top() async throws {
        let rig = try await RegistryRig()
        for name in ["a", "b", "c"] { try await rig.put(name) }
        let answer = try await rig.rig.ask("GET", "/v1/top?limit=2")
        #expect(answer.status == 200)
        let top = try AnswerJSON.decode(TopAnswer.self, from: answer.bytes)
        #expect(top.tenantsTotal == 3 && top.tenants.map(\.tenant) == ["a", "b"])
        #expect(top.seconds == 0 && top.tenants.allSatisfy { $0.newPerSecond == nil })
        let one = try await rig.rig.ask("GET", "/v1/top?tenant=c&seconds=1&sort=new")
        let only = try AnswerJSON.decode(TopAnswer.self, from: one.bytes)
        #expect(only.tenants.map(\.tenant) == ["c"] && only.tenantsTotal == 1)
        #expect(only.seconds >= 1 && only.tenants[0].newPerSecond == 0)
        let none = try await rig.rig.ask("GET", "/v1/top?tenant=d")
        #expect(none.status == 404)
        let refusal = try AnswerJSON.decode(RefusalAnswer.self, from: none.bytes)
        #expect(refusal.text.contains("tenant \"d\"") || refusal.text.contains("tenant d"))
        for query in ["limit=0", "limit=1001", "seconds=31", "seconds=x", "sort=name", "tenant=."] {
            #expect(try await rig.rig.ask("GET", "/v1/top?\(query)").status == 400, "\(query)")
        }
        try await rig.end()
    }
}
