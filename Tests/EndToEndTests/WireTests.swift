// Downstreams that behave oddly: half-closed, reset, slow, silent, junk. The router serves on and
// leaks nothing.

import Testing

extension Rig {
    /// Behaves oddly towards the shared port, and tells how it went.
    func wire(
        _ what: String, host: String, family: Family = .ipv4, number: Int = 0, seconds: Int = 90
    ) async throws -> String {
        try await self.shell.must(
            [
                Programs.python, Programs.script("wire.py"), what, family.address,
                "\(self.ports.shared)", self.certificates.hostAuthority, host, "\(number)",
            ], seconds: seconds
        ).trimmed
    }

    /// The router still answers, and holds no more descriptors than before once all has ended.
    func serves(_ what: String, descriptors: Int) async throws {
        let output = try await self.shell.must(
            self.curl("www.acme.test", .terminate, .ipv4)
                + ["-o", "/dev/null", "-w", "%{http_code}", self.url("www.acme.test", "/")])
        #expect(output.trimmed == "200")
        try await eventually("descriptors are given back after: \(what)", within: 20) {
            self.router.daemon.descriptorCount <= descriptors
        }
    }

    /// Descriptors of the router when nothing is open.
    func idleDescriptors() async throws -> Int {
        try await eventually("no connection is open", within: 20) {
            try await self.router.metric("strait_connections_open") == 0
        }
        return self.router.daemon.descriptorCount
    }
}

extension EndToEnd {
    @Suite("Odd downstreams") struct WireTests {
        @Test(
            "the end of one direction travels on while the other still answers",
            .timeLimit(.minutes(3)), arguments: ["digest-pass.acme.test", "digest.acme.test"],
            Family.allCases)
        func halfClose(_ host: String, _ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.bash(
                """
                \(rig.connectCommand(to: host, .terminate, family)) --service-protocol tcp \
                    <'\(rig.blob)' >answer
                head -n 1 answer
                tail -n +2 answer | wc -c
                """, seconds: 120)
            #expect(
                output.text == "\(transferBytes) \(rig.blobHash)\n\(transferBytes)\n", "\(output)")
        }

        @Test("a direction that ends without TLS's own goodbye is not taken for a clean end")
        func truncation() async throws {
            let rig = try EndToEnd.rig()
            #expect(try await rig.wire("truncate", host: "digest.acme.test") == "no answer")
            _ = try await rig.router.record("of the truncation") {
                $0["strait.service"] == "digest" && $0["strait.reason"] == "truncated"
            }
        }

        @Test(
            "a reset in the middle of an answer frees both sides", .timeLimit(.minutes(2)),
            arguments: ["www-pass.acme.test", "www.acme.test"])
        func reset(_ host: String) async throws {
            let rig = try EndToEnd.rig()
            let before = try await rig.idleDescriptors()
            for _ in 0..<20 { #expect(try await rig.wire("reset", host: host) == "reset") }
            try await rig.serves("resets", descriptors: before)
        }

        @Test("garbage is refused, soon and without growth", .timeLimit(.minutes(3)))
        func garbage() async throws {
            let rig = try EndToEnd.rig()
            let before = try await rig.idleDescriptors()
            let memory = rig.router.daemon.residentKiB
            for _ in 0..<10 {
                _ = try await rig.wire("garbage", host: "-", number: runsLong ? 25_600 : 256)
            }
            try await rig.serves("garbage", descriptors: before)
            #expect(rig.router.daemon.residentKiB < memory + 32 * 1024)
        }

        @Test("a downstream that sends byte by byte is served", .timeLimit(.minutes(3)))
        func slow() async throws {
            let rig = try EndToEnd.rig()
            for host in ["www-pass.acme.test", "www.acme.test"] {
                #expect(try await rig.wire("slow", host: host) == "HTTP/1.1 200 OK")
            }
        }

        @Test(
            "a silent downstream is let go after the first-byte deadline", .timeLimit(.minutes(3)))
        func silent() async throws {
            let rig = try EndToEnd.rig()
            let before = try await rig.idleDescriptors()
            #expect(["closed", "cut"].contains(try await rig.wire("silent", host: "-")))
            _ = try await rig.router.record("of the silence") {
                $0["strait.reason"] == "first_byte_timeout"
            }
            try await rig.serves("silence", descriptors: before)
        }
    }
}
