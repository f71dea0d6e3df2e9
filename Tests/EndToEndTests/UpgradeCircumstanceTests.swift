// Upgrades while something else goes on, and with configurations that change beside the program.

import Foundation
import Glibc
import Testing

extension EndToEnd {
    @Suite("Upgrades, while something else goes on", .serialized)
    struct UpgradeCircumstanceTests {
        /// Asks for an upgrade by a program that is never ready, and waits until that runs.
        private static func hanging(
            _ name: String, _ target: Upgradable
        ) async throws -> (asking: Daemon, program: Int32) {
            let number = "\(target.rig.shell.directory)/\(name).started"
            let program = try target.script(
                name, "echo $$ >'\(number).new'; mv '\(number).new' '\(number)'; exec sleep 60")
            let asking = try Daemon.start(
                "\(name)-asking",
                [
                    Programs.strait, "upgrade", "--admin", target.router.adminSocket, "--binary",
                    program,
                ], in: target.rig.shell)
            let text = try await eventually("the new program starts") {
                // Not there yet.
                try? String(contentsOfFile: number, encoding: .utf8)
            }
            return (asking, try #require(Int32(text.trimmingCharacters(in: .newlines))))
        }

        @Test(
            "a drain during an upgrade ends the program that is being started",
            .timeLimit(.minutes(3)))
        func drained() async throws {
            let target = try await Upgradable.start("upgrade-drained")
            let (asking, program) = try await Self.hanging("upgrade-drained", target)
            #expect(
                try await target.rig.strait(["drain", "--admin", target.router.adminSocket])
                    .succeeded)
            try await eventually("the new program is ended") { Upgradable.hasEnded(program) }
            try await eventually("the router ends") { !target.router.daemon.isRunning }
            #expect(try await eventually("the question is answered") { asking.exitStatus } == 1)
            #expect(target.router.daemon.log.contains("not upgraded: the router drains"))
        }

        @Test(
            "SIGHUP during an upgrade waits for it, and SIGTERM ends both",
            .timeLimit(.minutes(3)))
        func signalled() async throws {
            let target = try await Upgradable.start("upgrade-signals")
            let (asking, program) = try await Self.hanging("upgrade-signals", target)
            try target.router.rewrite(target.body.replacing("drain: 5s", with: "drain: 6s"))
            target.router.daemon.signal(SIGHUP)
            #expect(try await target.status() == "200")
            target.router.daemon.signal(SIGTERM)
            // Long before the upgrade's own time-out.
            try await eventually("the new program is ended", within: 8) {
                Upgradable.hasEnded(program)
            }
            try await eventually("the router ends", within: 8) { !target.router.daemon.isRunning }
            #expect(try await eventually("the question ends") { asking.exitStatus } != 0)
            #expect(target.router.daemon.exitStatus == 0)
        }

        @Test(
            "a second SIGTERM ends a process that waits for the one after it",
            .timeLimit(.minutes(3)))
        func impatient() async throws {
            let target = try await Upgradable.start(
                "upgrade-impatient", timeouts: "{ upgrade: 1h, drain: 1h }")
            #expect(try await target.upgrade().succeeded)
            let newer = try #require(try await target.pids().first)
            kill(newer, SIGSTOP)
            target.router.daemon.signal(SIGTERM)
            try await eventually("it waits") {
                target.router.daemon.log.contains("waits for process \(newer)")
            }
            target.router.daemon.signal(SIGTERM)
            try await eventually("it ends") { !target.router.daemon.isRunning }
            kill(newer, SIGCONT)
            #expect(try await target.status() == "200")
            try await target.becomes([newer])
            try await target.stop()
        }

        @Test(
            "a new process with another operators' socket is refused", .timeLimit(.minutes(3)))
        func otherSocket() async throws {
            let target = try await Upgradable.start("upgrade-socket")
            let file = target.router.configurationPath
            let other = try target.script(
                "other-socket",
                "sed 's/admin.sock/other.sock/' '\(file)' >'\(file).other'; "
                    + "exec \(Programs.strait) serve --config '\(file).other'")
            let refused = try await target.upgrade(["--binary", other])
            #expect(refused.status == 1)
            #expect(refused.standardError.contains("it changes by a restart only"), "\(refused)")
            #expect(try await target.pids() == [target.router.daemon.pid])
            #expect(try await target.status() == "200")
            try await target.stop()
        }

        @Test(
            "a reload does not take a program again that was gone back from",
            .timeLimit(.minutes(3)))
        func goneBackFrom() async throws {
            let target = try await Upgradable.start("upgrade-unwanted")
            let pid = target.router.daemon.pid
            let copy = "\(target.rig.shell.directory)/strait-unwanted"
            try await target.rig.shell.must(["cp", Programs.strait, copy])
            let byReload = ["--or-reload", "--binary", copy]
            #expect(try await target.upgrade(byReload).succeeded)
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            let kept = try await target.upgrade(byReload)
            #expect(kept.succeeded && kept.standardError.contains("was gone back from"), "\(kept)")
            #expect(try await target.pids().first == pid)
            #expect(try await target.upgrade(["--binary", copy]).succeeded)
            #expect(try await target.pids().first != pid)
            let original = try await target.upgrade(["--or-reload"])
            #expect(original.text.contains("\"done\""), "a program that is named is for once")
            try await target.stop()
        }

        @Test("hundreds of listeners are handed over, and dropped", .timeLimit(.minutes(3)))
        func manyListeners() async throws {
            let target = try await Upgradable.start("upgrade-listeners")
            let admin = ["--admin", target.router.adminSocket]
            let ports = Set(try (0..<600).map { _ in try Loopback.freePort() })
            let lines = ports.map {
                "  - { name: p\($0), address: \"127.0.0.1:\($0)\", protocols: [tls] }\n"
            }
            try target.router.rewrite(
                target.body.replacing("timeouts:", with: lines.joined() + "timeouts:"))
            let reload = try await target.rig.strait(["reload"] + admin)
            try #require(reload.succeeded, "\(reload)")
            #expect(try await target.upgrade().succeeded)
            #expect(ports.allSatisfy { Loopback.answers(.ipv4, $0) })
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            #expect(ports.allSatisfy { Loopback.answers(.ipv4, $0) })
            try target.router.rewrite(target.body)
            #expect(try await target.upgrade().succeeded)
            try await eventually("nobody waits where nobody accepts") {
                !ports.contains { Loopback.answers(.ipv4, $0) }
            }
            #expect(try await target.status() == "200")
            try await target.stop()
        }

        @Test(
            "an address that somebody else has got keeps a rollback from being one",
            .timeLimit(.minutes(3)))
        func addressGone() async throws {
            let target = try await Upgradable.start("upgrade-gone")
            try target.router.rewrite(
                target.body.replacing(
                    "[::]:\(target.mysql)", with: "[::]:\(try Loopback.freePort())"))
            #expect(try await target.upgrade().succeeded)
            let newer = try #require(try await target.pids().first)
            let squatter = try Daemon.start(
                "upgrade-squatter",
                [
                    Programs.python, "-m", "http.server", "--bind", "127.0.0.1",
                    "\(target.mysql)",
                ], in: target.rig.shell)
            try await squatter.ready("it has the address") {
                Loopback.answers(.ipv4, target.mysql)
            }
            let refused = try await target.upgrade(["--rollback"])
            #expect(refused.status == 1, "\(refused)")
            #expect(refused.standardError.contains("Address already in use"), "\(refused)")
            #expect(try await target.pids().first == newer)
            #expect(try await target.status() == "200")
            kill(newer, SIGKILL)
            try await eventually("the first one accepts again, where it can") {
                // Nobody answers operators for the moment until it has seen the end.
                (try? await target.pids()) == [target.router.daemon.pid]
            }
            #expect(try await target.status() == "200")
            #expect(
                target.router.daemon.log.contains("nobody listens on [::]:\(target.mysql)"))
            try await squatter.stop()
            try await target.stop()
        }

        @Test("revisions go on counting after a way back", .timeLimit(.minutes(3)))
        func revisions() async throws {
            let target = try await Upgradable.start("upgrade-revisions")
            let admin = ["--admin", target.router.adminSocket]
            func revision() async throws -> Int {
                let status = try Upgradable.object(try await target.router.ask("/v1/status").text)
                return (status["revision"] as? NSNumber)?.intValue ?? 0
            }
            let first = try await revision()
            #expect(try await target.upgrade().succeeded)
            #expect(try await revision() == first + 1)
            for seconds in 6...8 {
                try target.router.rewrite(
                    target.body.replacing("drain: 5s", with: "drain: \(seconds)s"))
                #expect(try await target.rig.strait(["reload"] + admin).succeeded)
            }
            let newest = try await revision()
            #expect(newest == first + 4)
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            try await eventually("the first process reads what has changed") {
                try await revision() == newest + 1
            }
            #expect(try await target.upgrade().succeeded)
            #expect(try await revision() == newest + 2)
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            #expect(try await target.upgrade().succeeded)
            #expect(try await revision() == newest + 3, "no number stands for two configurations")
            try await target.stop()
        }

        @Test(
            "a ticket of keys that the new process made is good after a way back",
            .enabled(if: runsLong, "keys change after 30 s at the earliest"),
            .timeLimit(.minutes(2)))
        func changedKeys() async throws {
            let target = try await Upgradable.start("upgrade-rotated")
            try target.router.rewrite(
                target.body.replacing("timeouts:", with: "tls: { ticket_lifetime: 1m }\ntimeouts:"))
            let admin = ["--admin", target.router.adminSocket]
            #expect(try await target.rig.strait(["reload"] + admin).succeeded)
            #expect(try await target.upgrade().succeeded)
            try await eventually("the keys change", within: 60) {
                target.router.daemon.log.contains("ticket keys")
            }
            let ticket = "\(target.rig.shell.directory)/upgrade-rotated-ticket"
            #expect(
                try await target.rig.ticketed(
                    "-tls1_3", port: target.shared, ["-sess_out", ticket]) == "New 200")
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            try await eventually("the keys are those of the newer process") {
                target.router.daemon.log.contains("trigger=rollback")
            }
            #expect(
                try await target.rig.ticketed(
                    "-tls1_3", port: target.shared, ["-sess_in", ticket]) == "Reused 200")
            try await target.stop()
        }
    }
}

extension Upgradable {
    /// A program that a test makes.
    func script(_ name: String, _ text: String) throws -> String {
        let path = "\(self.rig.shell.directory)/upgrade-\(name)"
        try "#!/bin/bash\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }
}
