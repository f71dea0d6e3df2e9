// The router as a service: what its service manager hears, and sockets that it is given.

import Foundation
import Glibc
import Testing

extension EndToEnd {
    @Suite("The router as a service") struct ServiceTests {
        private static func environment(
            _ double: ServiceManagerDouble, watchdog microseconds: Int? = nil
        ) -> [String: String] {
            var variables = ["NOTIFY_SOCKET": double.path]
            variables["WATCHDOG_USEC"] = microseconds.map(String.init)
            return variables
        }

        private static func plan(_ rig: Rig) throws -> SmallPlan {
            SmallPlan(
                port: try Loopback.freePort(), upstream: "tcp://127.0.0.1:\(rig.web.plainPort)",
                certificate: rig.certificates.acme)
        }

        @Test("it says that it is ready, reloads and stops, in that order")
        func life() async throws {
            let rig = try EndToEnd.rig()
            let double = try ServiceManagerDouble("life", in: rig.shell)
            let plan = try Self.plan(rig)
            let router = try await Router.start(
                "service", plan.body, in: rig.shell, environment: Self.environment(double))
            let ready = try await double.waitFor("READY=1")
            #expect(ready == ["READY=1", "STATUS=revision 1, 1 listener, 1 service"])
            #expect(Loopback.answers(.ipv4, plan.port))

            try router.rewrite(plan.body.replacing("drain: 20s", with: "drain: 7s"))
            router.daemon.signal(SIGHUP)
            let reloading = try await double.waitFor("RELOADING=1")
            #expect(reloading.last?.hasPrefix("MONOTONIC_USEC=") == true)
            let again = try await double.waitFor("READY=1", times: 2)
            #expect(again.last == "STATUS=revision 2, 1 listener, 1 service")

            try router.rewrite("nonsense: true\n")
            router.daemon.signal(SIGHUP)
            let refused = try await double.waitFor("READY=1", times: 3)
            #expect(refused.last?.hasSuffix("; the last reload was refused") == true)

            #expect(try await router.daemon.stop() == 0)
            let said = double.datagrams.compactMap(\.first)
            #expect(
                said == [
                    "READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1",
                    "STATUS=draining, at most 7s",
                ])
            let stopping = try await double.waitFor("STOPPING=1")
            #expect(stopping.last == "EXTEND_TIMEOUT_USEC=17000000", "the drain's 7 s and 10 more")
        }

        @Test("a drain that is taken back is no end; one that is not ends the service")
        func drain() async throws {
            let rig = try EndToEnd.rig()
            let double = try ServiceManagerDouble("drained", in: rig.shell)
            let plan = try Self.plan(rig)
            let router = try await Router.start(
                "service-drain", plan.body, in: rig.shell, environment: Self.environment(double))
            let holder = try Daemon.start(
                "service-holder",
                [
                    "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(plan.port)",
                    "-servername", "www.acme.test", "-ign_eof",
                ], in: rig.shell)
            try await holder.ready("it is open") {
                try await router.metric("strait_connections_open") >= 1
            }
            let admin = ["--admin", router.adminSocket]
            #expect(try await rig.strait(["drain", "--seconds", "3600"] + admin).succeeded)
            try await double.waitFor("STATUS=draining, at most 1h")
            #expect(try await rig.strait(["drain", "--cancel"] + admin).succeeded)
            try await double.waitFor("STATUS=revision 1", times: 2)
            #expect(double.count("STOPPING=1") == 0)
            #expect(try await rig.strait(["drain", "--seconds", "0"] + admin).succeeded)
            try await double.waitFor("STOPPING=1")
            #expect(try await eventually("it ends") { router.daemon.exitStatus } == 0)
        }

        @Test("the watchdog hears of it for as long as every worker answers, and no longer")
        func watchdog() async throws {
            let rig = try EndToEnd.rig()
            let double = try ServiceManagerDouble("watched", in: rig.shell)
            let plan = try Self.plan(rig)
            let router = try await Router.start(
                "service-watched", "workers: 2\n" + plan.body, in: rig.shell,
                environment: Self.environment(double, watchdog: 400_000))
            try await double.waitFor("WATCHDOG=1", times: 3)
            let freezer = try Daemon.start(
                "freezer",
                [
                    Programs.python, Programs.script("freeze_thread.py"), "\(router.daemon.pid)",
                    "worker-1",
                ], in: rig.shell)
            try await freezer.ready("it has stopped a worker") { freezer.log.contains("frozen") }
            func complaints() -> Int {
                router.daemon.log.split(separator: "no answer from worker 1;").count - 1
            }
            try await eventually("the router notices") { complaints() >= 1 }
            let before = double.count("WATCHDOG=1")
            try await eventually("it goes on noticing") { complaints() >= 4 }
            #expect(double.count("WATCHDOG=1") == before)
            #expect(try await freezer.stop() == 0)
            try await double.waitFor("WATCHDOG=1", times: before + 2)
            #expect(try await rig.status(plan) == "200")
            #expect(try await router.daemon.stop() == 0)
        }

        @Test("a socket that was passed serves its listener, and another listener is bound")
        func activated() async throws {
            let rig = try EndToEnd.rig()
            let double = try ServiceManagerDouble("activated", in: rig.shell)
            let plan = try Self.plan(rig)
            let other = try Loopback.freePort()
            let body = plan.body.replacing(
                "timeouts:",
                with: """
                      - { name: other, address: "127.0.0.1:\(other)", protocols: [tls] }
                    timeouts:
                    """)
            let router = try await Router.start(
                "service-activated", body, in: rig.shell, environment: Self.environment(double),
                by: [
                    Programs.python, Programs.script("pass_sockets.py"), "any=tcp=\(plan.port)",
                ])
            try await double.waitFor("READY=1")
            #expect(try await rig.status(plan) == "200")
            #expect(Loopback.answers(.ipv4, other) && Loopback.answers(.ipv6, plan.port))
            router.daemon.signal(SIGHUP)
            try await double.waitFor("READY=1", times: 2)
            #expect(try await rig.status(plan) == "200")
            #expect(try await router.daemon.stop() == 0)
            #expect(!Loopback.answers(.ipv4, plan.port))
        }

        @Test(
            "a socket that is no listener's ends the start with a sentence",
            arguments: [
                ("admin=udp=PORT", "descriptor 3 (admin) was passed and is a datagram socket"),
                ("a=idle=PORT", "descriptor 3 (a) was passed and is a TCP socket that does not"),
                ("a=tcp=OTHER", "which is no listener's address; expected one of [::]:PORT"),
                ("a=tcp=PORT,b=tcp=OTHER", "descriptor 4 (b) was passed and listens on [::]:OTHER"),
            ])
        func refused(passed: String, sentence: String) async throws {
            let rig = try EndToEnd.rig()
            let plan = try Self.plan(rig)
            let other = try Loopback.freePort()
            func filled(_ text: String) -> String {
                text.replacing("PORT", with: "\(plan.port)").replacing("OTHER", with: "\(other)")
            }
            let path = "\(rig.shell.directory)/refused-\(plan.port).yaml"
            try ("admin: { unix: \(path).sock }\n" + plan.body).write(
                toFile: path, atomically: true, encoding: .utf8)
            let output = try await rig.shell.run([
                Programs.python, Programs.script("pass_sockets.py"), filled(passed),
                Programs.strait, "serve", "--config", path,
            ])
            #expect(output.status == 1, "\(output)")
            #expect(output.standardError.contains(filled(sentence)), "\(output)")
        }
    }
}
