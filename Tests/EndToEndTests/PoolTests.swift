// Three upstreams under 500 new connections a second: one is killed, one hangs, one is slow.

import Foundation
import Glibc
import Testing

/// What the load saw of one connection.
private struct Attempted {
    /// Seconds since 1970.
    var began: Double
    /// The upstream that answered, or `failed`.
    var name: String

    static func all(_ log: String) -> [Attempted] {
        log.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 2, let began = Double(words[0]) else { return nil }
            return Attempted(began: began, name: String(words[1]))
        }
    }
}

/// Upstreams, the router in front of them, and the load.
private struct Pool {
    let rig: Rig
    let ports: [Int]
    let router: Router
    let load: Daemon

    static let names = ["killed", "hung", "slow"]

    static func answerer(_ rig: Rig, _ name: String, _ port: Int) async throws -> Daemon {
        let daemon = try Daemon.start(
            "pool-\(name)",
            [
                Programs.python, Programs.script("pool_answer.py"), "\(port)", name,
                name == "slow" ? "40" : "2",
            ], in: rig.shell)
        try await daemon.ready("listens") { daemon.log.contains("listening") }
        return daemon
    }

    static func start(_ rig: Rig, _ ports: [Int]) async throws -> Pool {
        let port = try Loopback.freePort()
        let addresses = ports.map { "{ address: \"tcp://127.0.0.1:\($0)\" }" }
        let router = try await Router.start(
            "pool",
            """
            workers: 2
            listeners:
              - { name: pool, address: "127.0.0.1:\(port)", tenant: acme, service: pool }
            tenants:
              - name: acme
                domains: [acme.test]
                services:
                  - name: pool
                    protocol: tcp
                    connect_timeout: 1s
                    health: { check: http, interval: 500ms, timeout: 300ms, fall: 1, rise: 2,
                              slow_start: 4s }
                    upstreams: [\(addresses.joined(separator: ", "))]

            """, in: rig.shell)
        try await eventually("every address is checked") {
            try await router.metric("strait_upstream_checks_total", ["passed"]) >= 3
        }
        let load = try Daemon.start(
            "pool-load", [Programs.python, Programs.script("pool_load.py"), "\(port)", "500"],
            in: rig.shell)
        return Pool(rig: rig, ports: ports, router: router, load: load)
    }

    var attempts: [Attempted] { Attempted.all(self.load.log) }

    /// Waits for so many further connections.
    func goOn(_ count: Int) async throws {
        let before = self.attempts.count
        try await eventually("\(count) more connections") { self.attempts.count >= before + count }
    }

    func share(_ index: Int) async throws -> Double {
        try await self.router.metric("strait_upstream_share", [":\(self.ports[index])\""])
    }

    /// Waits until the share of an address is that.
    func becomes(_ index: Int, _ share: Double) async throws {
        try await eventually("\(Self.names[index]) gets \(share)") {
            try await self.share(index) == share
        }
    }
}

extension EndToEnd {
    @Suite("Upstreams that fail") struct PoolTests {
        @Test(
            "cost nobody a connection once a check has told, and come back without a herd",
            .timeLimit(.minutes(3)))
        func threeUpstreams() async throws {
            let rig = try EndToEnd.rig()
            let ports = try (0..<3).map { _ in try Loopback.freePort() }
            let killed = try await Pool.answerer(rig, "killed", ports[0])
            let hung = try await Pool.answerer(rig, "hung", ports[1])
            let slow = try await Pool.answerer(rig, "slow", ports[2])
            let pool = try await Pool.start(rig, ports)
            try await pool.goOn(1000)

            let broken = Date().timeIntervalSince1970
            try await killed.stop(signal: SIGKILL)
            hung.signal(SIGSTOP)
            try await pool.becomes(0, 0)
            try await pool.becomes(1, 0)
            let told = Date().timeIntervalSince1970
            try await pool.goOn(1500)

            let mended = Date().timeIntervalSince1970
            hung.signal(SIGCONT)
            let again = try await Pool.answerer(rig, "killed", ports[0])
            try await pool.becomes(1, 1)
            try await pool.becomes(0, 1)
            let returned = Date().timeIntervalSince1970
            try await pool.goOn(1000)
            try await pool.load.stop()

            let all = pool.attempts
            Self.judge(all, broken: broken, told: told)
            Self.judgeReturn(all.filter { $0.began > mended && $0.began < returned })
            let attempts = try pool.router.records().map { $0["strait.upstream.attempts"] ?? "" }
            #expect(Set(attempts).isSubset(of: ["1", "2"]), "\(Set(attempts))")
            let retried = attempts.count { $0 == "2" }
            print("pool: \(retried) of \(attempts.count) connections were retried, each once")
            for daemon in [again, hung, slow] { try await daemon.stop(signal: SIGKILL) }
            #expect(try await pool.router.daemon.stop() == 0)
        }

        @Test(
            "pass checks by TLS and HTTPS where they are who they should be",
            .timeLimit(.minutes(3)))
        func checksByTLS() async throws {
            let rig = try EndToEnd.rig()
            func service(_ name: String, _ check: String, as server: String) -> String {
                """
                      - name: \(name)
                        protocol: web
                        mode: terminate
                        alpn: [http/1.1]
                        health: { check: \(check), interval: 200ms, timeout: 200ms }
                        upstreams:
                          - address: "tls://127.0.0.1:\(rig.web.tlsPort)"
                            ca: \(rig.certificates.hostAuthority)
                            server_name: \(server)

                """
            }
            let acme = rig.certificates.acme
            let router = try await Router.start(
                "pool-checks",
                """
                listeners:
                  - { name: shared, address: "127.0.0.1:\(try Loopback.freePort())" }
                tenants:
                  - name: acme
                    domains: [acme.test]
                    certificates: [{ chain: \(acme.certificate), key: \(acme.key) }]
                    services:

                """ + service("by-tls", "tls", as: "localhost")
                    + service("by-https", "https", as: "localhost")
                    + service("other", "https", as: "elsewhere.test"), in: rig.shell)
            func count(_ name: String, _ result: String) async throws -> Double {
                try await router.metric(
                    "strait_upstream_checks_total",
                    ["service=\"\(name)\"", "result=\"\(result)\""])
            }
            try await eventually("each address is checked twice") {
                let passed = try await [count("by-tls", "passed"), count("by-https", "passed")]
                let failed = try await count("other", "failed")
                return (passed + [failed]).allSatisfy { $0 >= 2 }
            }
            #expect(try await count("by-tls", "failed") == 0)
            #expect(try await count("by-https", "failed") == 0)
            #expect(try await count("other", "passed") == 0)
            let status = try await rig.strait(["status", "--admin", router.adminSocket]).text
            let line = status.split(separator: "\n").first { $0.contains("other") }
            #expect(line != nil && status.contains("hostname mismatch"), "\(status)")
            #expect(try await router.daemon.stop() == 0)
        }

        /// Who failed, and when.
        private static func judge(_ all: [Attempted], broken: Double, told: Double) {
            let failed = all.filter { $0.name == "failed" }
            let rate = Double(all.count) / ((all.last?.began ?? 0) - (all.first?.began ?? 0))
            print(
                "pool: \(all.count) connections, \(Int(rate)) a second; \(failed.count) failed, "
                    + "in the \(Int((told - broken) * 1000)) ms until a check had told")
            #expect(rate > 400)
            #expect(failed.allSatisfy { $0.began > broken - 0.1 && $0.began < told + 0.02 })
            #expect(all.filter { $0.began > told + 0.02 }.count > 2000)
        }

        /// The share of the address that was killed rises while it returns.
        private static func judgeReturn(_ all: [Attempted]) {
            let first = all.first { $0.name == "killed" }?.began ?? 0
            let shares = (0..<4).map { quarter in
                let begin = first + Double(quarter)
                let part = all.filter { $0.began >= begin && $0.began < begin + 1 }
                let own = part.count { $0.name == "killed" }
                return Double(own) / Double(max(part.count, 1))
            }
            print("pool: its share in each second of the slow start: \(shares)")
            #expect(shares[0] < 0.2, "\(shares)")
            #expect(shares[0] < shares[1] && shares[1] < shares[3], "\(shares)")
            #expect(shares[3] < 0.6, "\(shares)")
        }
    }
}
