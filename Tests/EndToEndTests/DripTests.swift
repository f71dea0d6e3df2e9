// Downstreams that send one byte now and then: kept while they are relayed, cut while they are not
// yet routed. Slowness is relative to the deadlines, which are small here.

import Foundation
import Testing

/// A router with deadlines of a second or two, in front of a service that echoes byte by byte.
struct DripRig: Sendable {
    let router: Router
    let rig: Rig
    let port: Int
    let rawPort: Int
    let services: [Daemon]

    static func start(_ name: String, timeouts: String, _ rig: Rig) async throws -> DripRig {
        let ports = try (0..<4).map { _ in try Loopback.freePort() }
        let tls = rig.certificates.upstream
        let echo = [Programs.python, Programs.script("byte_echo.py")]
        let services = [
            try Daemon.start("\(name)-echo", echo + ["\(ports[2])"], in: rig.shell),
            try Daemon.start(
                "\(name)-echo-tls", echo + ["\(ports[3])", tls.certificate, tls.key],
                in: rig.shell),
        ]
        for (service, port) in zip(services, ports[2...]) {
            try await service.ready("listens") { Loopback.answers(.ipv6, port) }
        }
        let mine = rig.certificates.acme
        func service(_ name: String, _ mode: String, _ port: Int, _ more: String = "") -> String {
            "      - { name: \(name), protocol: tcp, mode: \(mode), \(more)"
                + "upstreams: [{ address: \"tcp://[::1]:\(port)\" }] }\n"
        }
        let router = try await Router.start(
            name,
            """
            listeners:
              - { name: shared, address: "[::]:\(ports[0])", protocols: [tls, ssh, http, postgres] }
              - name: raw
                address: "[::]:\(ports[1])"
                protocols: raw
                tenant: acme
                service: bare
            timeouts: { \(timeouts) }
            tenants:
              - name: acme
                domains: [acme.test]
                certificates: [{ chain: \(mine.certificate), key: \(mine.key) }]
                client_ca: [\(rig.certificates.acmeUsers)]
                services:

            """ + service("pass", "passthrough", ports[3])
                + service("bare", "passthrough", ports[2])
                + service("open", "terminate", ports[2])
                + service("closed", "terminate", ports[2], "client_certificate: required, "),
            in: rig.shell)
        return DripRig(
            router: router, rig: rig, port: ports[0], rawPort: ports[1], services: services)
    }

    /// A way through the router: its host, its port and the certificate to show.
    struct Way: Sendable {
        let host: String
        let port: Int
        var person: Identity?
    }

    /// Every mode, and raw.
    var ways: [Way] {
        [
            Way(host: "-", port: self.rawPort), Way(host: "pass.acme.test", port: self.port),
            Way(host: "open.acme.test", port: self.port),
            Way(
                host: "closed.acme.test", port: self.port, person: self.rig.certificates.alice),
        ]
    }

    func drip(_ what: String, _ way: Way, seconds: Double, count: Int) throws -> Daemon {
        let pair = way.person.map { [$0.certificate, $0.key] } ?? []
        return try Daemon.start(
            "\(self.router.daemon.name)-\(what)-\(way.host)",
            [
                Programs.python, Programs.script("drip.py"), what, "127.0.0.1", "\(way.port)",
                self.rig.certificates.hostAuthority, way.host, "\(seconds)", "\(count)",
            ] + pair, in: self.rig.shell)
    }

    /// What each of them told, all at the same time.
    func told(_ drips: [Daemon]) async throws -> [String] {
        try await eventually("all drips end", within: 120) {
            drips.allSatisfy { !$0.isRunning }
        }
        return drips.map { $0.log.trimmingCharacters(in: .whitespacesAndNewlines) }
    }

    func stop() async throws {
        #expect(try await self.router.daemon.stop() == 0)
        for service in self.services { try await service.stop() }
    }
}

extension EndToEnd {
    @Suite("One byte now and then") struct DripTests {
        @Test(
            "keeps a relay alive far beyond every deadline but the idle one, and arrives intact",
            .timeLimit(.minutes(3)))
        func kept() async throws {
            let rig = try EndToEnd.rig()
            let timeouts = "first_byte: 1s, hello: 1s, handshake: 1s, connect: 1s, idle: 2s"
            let drip = try await DripRig.start("drip", timeouts: timeouts, rig)
            let drips = try drip.ways.map { try drip.drip("echo", $0, seconds: 0.5, count: 10) }
            #expect(try await drip.told(drips) == Array(repeating: "intact 10", count: 4))
            try await drip.stop()
        }

        @Test(
            "every 5 seconds, with the deadlines as they are by default", .timeLimit(.minutes(5)),
            .enabled(if: runsLong, "takes a minute: tools/test --long"))
        func literal() async throws {
            let rig = try EndToEnd.rig()
            let drip = try await DripRig.start("drip-long", timeouts: "drain: 5s", rig)
            let drips = try drip.ways.map { try drip.drip("echo", $0, seconds: 5, count: 13) }
            #expect(try await drip.told(drips) == Array(repeating: "intact 13", count: 4))
            try await drip.stop()
        }

        @Test("does not keep what nobody relays yet: a slow hello is cut, as is silence after it")
        func cut() async throws {
            let rig = try EndToEnd.rig()
            let timeouts = "first_byte: 500ms, hello: 1s, idle: 1s"
            let drip = try await DripRig.start("drip-cut", timeouts: timeouts, rig)
            let tls = drip.ways.filter { $0.host != "-" }
            let hellos = try tls.map { try drip.drip("hello", $0, seconds: 0.02, count: 0) }
            #expect(try await drip.told(hellos) == Array(repeating: "cut within", count: 3))
            let reasons = try await eventually("three records", within: 10) {
                let records = try drip.router.records()
                return records.count == 3 ? records.compactMap { $0["strait.reason"] } : nil
            }
            #expect(reasons == Array(repeating: "hello_timeout", count: 3))
            let silent = try drip.ways.map { try drip.drip("none", $0, seconds: 0, count: 0) }
            #expect(try await drip.told(silent) == Array(repeating: "cut", count: 4))
            let idle = try await eventually("seven records", within: 10) {
                let records = try drip.router.records()
                return records.count == 7 ? records.compactMap { $0["strait.reason"] } : nil
            }
            #expect(Set(idle.suffix(4)) == ["idle_timeout"])
            try await drip.stop()
        }
    }
}
