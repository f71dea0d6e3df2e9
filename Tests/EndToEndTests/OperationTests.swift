// What an operator does: check, explain, reload, renew, drain, and read records and metrics.

import Foundation
import Glibc
import Testing

/// A small configuration for routers that a test starts and stops itself.
struct SmallPlan: Sendable {
    let port: Int
    let upstream: String
    let certificate: Identity
    var extra = ""

    var body: String {
        """
        listeners:
          - { name: shared, address: "[::]:\(self.port)", protocols: [tls, http] }
        timeouts: { drain: 20s }
        tenants:
          - name: acme
            domains: [acme.test]
            certificates: [{ chain: \(self.certificate.certificate), key: \(self.certificate.key) }]
            services:
              - name: www
                protocol: web
                mode: terminate
                alpn: [http/1.1]
                upstreams: [{ address: "\(self.upstream)" }]
        \(self.extra)

        """
    }
}

extension Rig {
    /// A router of the test's own, with one web service.
    func ownRouter(_ name: String) async throws -> (router: Router, plan: SmallPlan) {
        let plan = SmallPlan(
            port: try Loopback.freePort(), upstream: "tcp://127.0.0.1:\(self.web.plainPort)",
            certificate: self.certificates.acme)
        return (try await Router.start(name, plan.body, in: self.shell), plan)
    }

    /// The status of one request to a router of the test's own.
    func status(_ plan: SmallPlan, host: String = "www.acme.test") async throws -> String {
        try await self.shell.run(
            self.curl(host, .terminate, .ipv4, port: plan.port) + [
                "-o", "/dev/null", "-w", "%{http_code}", "https://\(host):\(plan.port)/",
            ]
        ).trimmed
    }

    func strait(_ arguments: [String]) async throws -> Output {
        try await self.shell.run([Programs.strait] + arguments)
    }
}

extension Router {
    /// The revision that every worker obeys.
    func liveRevision() async throws -> Int {
        Int(try await self.metric("strait_snapshot_desired_revision"))
    }
}

extension EndToEnd {
    @Suite("Operating a router") struct OperationTests {
        @Test("a reload by signal takes a new service in, and keeps what is open")
        func reload() async throws {
            let rig = try EndToEnd.rig()
            let (router, plan) = try await rig.ownRouter("reload")
            #expect(try await rig.status(plan) == "200")
            #expect(try await rig.status(plan, host: "new.acme.test") == "000")
            var next = plan
            next.extra = """
                      - name: new
                        protocol: web
                        mode: terminate
                        alpn: [http/1.1]
                        upstreams: [{ address: "\(plan.upstream)" }]
                """
            try router.rewrite(next.body)
            router.daemon.signal(SIGHUP)
            try await eventually("the new service answers", within: 15) {
                try await rig.status(plan, host: "new.acme.test") == "200"
            }
            #expect(try await rig.status(plan) == "200")
            #expect(try await router.daemon.stop() == 0)
        }

        @Test("a wrong configuration is refused with a message, and traffic goes on")
        func wrongReload() async throws {
            let rig = try EndToEnd.rig()
            let (router, plan) = try await rig.ownRouter("wrong")
            try router.rewrite(plan.body.replacing("mode: terminate", with: "mode: terminat"))
            router.daemon.signal(SIGHUP)
            try await eventually("the refusal is counted", within: 15) {
                try await router.metric("strait_config_last_reload_successful") == 0
            }
            #expect(router.daemon.log.contains("terminat"))
            #expect(try await rig.status(plan) == "200")
            try router.rewrite(plan.body)
            router.daemon.signal(SIGHUP)
            try await eventually("the next good one is taken", within: 15) {
                try await router.metric("strait_config_last_reload_successful") == 1
            }
            #expect(try await router.daemon.stop() == 0)
        }

        @Test("a renewed certificate is shown without a reload of anything else")
        func renewal() async throws {
            let rig = try EndToEnd.rig()
            let names = ["acme.test", "*.acme.test"]
            let mine = try await Certificates.renew("renewal", names: names, in: rig.shell)
            let plan = SmallPlan(
                port: try Loopback.freePort(), upstream: "tcp://127.0.0.1:\(rig.web.plainPort)",
                certificate: mine)
            let router = try await Router.start("renewal", plan.body, in: rig.shell)
            func serial() async throws -> String? {
                try await rig.probe(["name=www.acme.test"], port: plan.port).serial
            }
            let before = try await serial()
            #expect(before != nil)
            let next = try await Certificates.renew("renewal-next", names: names, in: rig.shell)
            try await rig.shell.must(["mv", next.key, mine.key])
            try await rig.shell.must(["mv", next.certificate, mine.certificate])
            try await eventually("the new certificate is shown", within: 20) {
                let now = try await serial()
                return now != nil && now != before
            }
            #expect(try await router.daemon.stop() == 0)
        }

        @Test("a stop lets what is open finish, and accepts nothing new", .timeLimit(.minutes(2)))
        func drain() async throws {
            let rig = try EndToEnd.rig()
            let (router, plan) = try await rig.ownRouter("drain")
            let copy = "\(rig.shell.directory)/drained"
            let slow = try Daemon.start(
                "slow-download",
                rig.curl("www.acme.test", .terminate, .ipv4, port: plan.port) + [
                    "--fail", "--limit-rate", "\(transferBytes / 4)", "-o", copy,
                    "https://www.acme.test:\(plan.port)/blob",
                ], in: rig.shell)
            try await slow.ready("it has begun") {
                try await router.metric("strait_connections_open") >= 1
            }
            router.daemon.signal(SIGTERM)
            try await eventually("the listener is closed", within: 10) {
                !Loopback.answers(.ipv4, plan.port)
            }
            #expect(slow.isRunning && router.daemon.isRunning)
            let status = try await eventually("the download ends", within: 60) { slow.exitStatus }
            #expect(status == 0, "\(slow.log)")
            #expect(try await Rig.sha256(of: copy, in: rig.shell) == rig.blobHash)
            let end = try await eventually("the router ends", within: 20) {
                router.daemon.exitStatus
            }
            #expect(end == 0, "\(router.daemon.log)")
        }

        @Test("a drain that was taken back leaves its deadline to no later stop")
        func drainTakenBack() async throws {
            let rig = try EndToEnd.rig()
            let plan = SmallPlan(
                port: try Loopback.freePort(), upstream: "tcp://127.0.0.1:\(rig.web.plainPort)",
                certificate: rig.certificates.acme)
            let router = try await Router.start(
                "taken-back", plan.body.replacing("drain: 20s", with: "drain: 1s"), in: rig.shell)
            let holder = try Daemon.start(
                "taken-back-holder",
                [
                    "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(plan.port)",
                    "-servername", "www.acme.test", "-ign_eof",
                ], in: rig.shell)
            try await holder.ready("it is open") {
                try await router.metric("strait_connections_open") >= 1
            }
            let admin = ["--admin", router.adminSocket]
            let begun = try await rig.strait(["drain", "--seconds", "3600"] + admin)
            #expect(begun.succeeded, "\(begun)")
            try await eventually("the listener is closed", within: 10) {
                !Loopback.answers(.ipv4, plan.port)
            }
            let back = try await rig.strait(["drain", "--cancel"] + admin)
            #expect(back.succeeded, "\(back)")
            #expect(try await rig.status(plan) == "200")
            #expect(holder.isRunning && router.daemon.isRunning)
            #expect(try await router.daemon.stop(within: 20) == 0, "\(router.daemon.log)")
            #expect(router.daemon.log.contains("at most 1s"), "\(router.daemon.log)")
            try await eventually("the holder is told") { !holder.isRunning }
        }

        @Test(
            "reloads under load fail no request and cut no transfer", .timeLimit(.minutes(10)))
        func reloadsUnderLoad() async throws {
            let rig = try EndToEnd.rig()
            let (router, plan) = try await rig.ownRouter("busy")
            let load = try Daemon.start(
                "load",
                [
                    Programs.python, Programs.script("load.py"), "127.0.0.1", "\(plan.port)",
                    rig.certificates.hostAuthority, "www.acme.test", "\(transferBytes)",
                ], in: rig.shell)
            try await load.ready("it runs") { load.log.contains("running") }
            var last = try await router.liveRevision()
            for round in 0..<(runsLong ? 100 : 10) {
                var next = plan
                next.extra = "metrics: { tenants: \(100 + round) }"
                try router.rewrite(next.body)
                router.daemon.signal(SIGHUP)
                let before = last
                last = try await eventually("revision after \(before)", within: 20) {
                    let now = try await router.liveRevision()
                    return now > before ? now : nil
                }
            }
            load.signal(SIGTERM)
            let status = try await eventually("the load ends", within: 120) { load.exitStatus }
            #expect(status == 0, "\(load.log)")
            #expect(load.log.contains("failed 0"), "\(load.log)")
            #expect(try await router.daemon.stop() == 0)
        }

        @Test("an upstream that is killed is told to its downstreams at once")
        func upstreamKilled() async throws {
            let rig = try EndToEnd.rig()
            let port = try Loopback.freePort()
            let upstream = try Daemon.start(
                "doomed", [Programs.python, Programs.script("websocket_echo.py"), "\(port)"],
                in: rig.shell)
            try await upstream.ready("listens") { Loopback.answers(.ipv4, port) }
            let plan = SmallPlan(
                port: try Loopback.freePort(), upstream: "tcp://127.0.0.1:\(port)",
                certificate: rig.certificates.acme)
            let router = try await Router.start("killed", plan.body, in: rig.shell)
            let holders = try (0..<20).map { index in
                try Daemon.start(
                    "holder-\(index)",
                    [
                        "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(plan.port)",
                        "-servername", "www.acme.test", "-ign_eof",
                    ], in: rig.shell)
            }
            try await eventually("all are open") {
                try await router.metric("strait_connections_open") == 20
            }
            upstream.signal(SIGKILL)
            try await eventually("all are told", within: 3) {
                holders.allSatisfy { !$0.isRunning }
            }
            #expect(try await router.daemon.stop() == 0)
        }

        /// Many listeners and one service in passthrough.
        private static func many(_ listeners: Int, port: Int, upstream: Int) -> String {
            let others = (1..<listeners).map {
                "  - { name: l\($0), address: \"127.0.0.1:0\", protocols: [tls] }"
            }
            return """
                workers: 2
                listeners:
                  - { name: shared, address: "[::]:\(port)", protocols: [tls] }
                \(others.joined(separator: "\n"))
                tenants:
                  - name: acme
                    domains: [acme.test]
                    services:
                      - { name: www, protocol: web,
                          upstreams: [{ address: "tcp://127.0.0.1:\(upstream)" }] }

                """
        }

        @Test("few descriptors are shared out among listeners, connections and operators")
        func fewDescriptors() async throws {
            let rig = try EndToEnd.rig()
            let port = try Loopback.freePort()
            let router = try await Router.start(
                "few", Self.many(80, port: port, upstream: rig.web.tlsPort), in: rig.shell,
                descriptors: 508)
            let allowed = try await router.metric(
                "strait_limit_capacity", [#"limit="connections""#])
            #expect(allowed == 40, "508 without 336, 4 of workers, 80 listeners and 8 of pipes")
            let hold = try Daemon.start(
                "hold",
                [
                    Programs.python, Programs.script("hold.py"), "127.0.0.1", "\(port)",
                    "www.acme.test", "100", router.adminSocket, "60",
                ], in: rig.shell)
            try await hold.ready("it holds") { hold.log.contains("held") }
            #expect(hold.log.contains("held 40"), "\(hold.log)")
            let open = try await router.metric("process_open_fds")
            #expect((40 * 2 + 60 + 80..<508).contains(Int(open)), "\(open)")
            #expect(try await router.metric("strait_config_last_reload_successful") == 1)
            router.daemon.signal(SIGHUP)
            try await eventually("a reload can still read its file") {
                router.daemon.log.contains("nothing changed")
            }
            hold.signal(SIGTERM)
            #expect(try await router.daemon.stop() == 0)
            await #expect(throws: EndedEarly.self, "80 listeners do not fit 200 descriptors") {
                _ = try await Router.start(
                    "too-few", Self.many(80, port: port, upstream: rig.web.tlsPort), in: rig.shell,
                    descriptors: 200)
            }
        }
    }
}
