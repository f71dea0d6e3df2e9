// A newer process takes over while people work: nobody is cut, nobody is refused.

import Foundation
import Glibc
import Testing

extension EndToEnd {
    @Suite("Upgrades", .serialized) struct UpgradeTests {
        @Test(
            "fifty upgrades and ten rollbacks under load fail no connection and cut none",
            .timeLimit(.minutes(10)))
        func manyUnderLoad() async throws {
            let target = try await Upgradable.start("upgrades")
            let held = try await LongLived.start("upgrades-first", through: target)
            let load = try Daemon.start(
                "upgrades-load",
                [
                    Programs.python, Programs.script("load.py"), "127.0.0.1", "\(target.shared)",
                    target.rig.certificates.hostAuthority, "www.acme.test", "\(transferBytes)",
                ], in: target.rig.shell)
            try await load.ready("it runs") { load.log.contains("running") }
            var last = target.router.daemon.pid
            var later: [LongLived] = []
            for round in 1...50 {
                let output = try await target.upgrade()
                try #require(output.succeeded, "round \(round): \(output)")
                var now = try #require(try await target.pids().first)
                try #require(now != last)
                if round.isMultiple(of: 5) {
                    later.append(
                        try await LongLived.start("upgrades-\(round)", through: target))
                    let back = try await target.upgrade(["--rollback"])
                    try #require(back.succeeded, "round \(round): \(back)")
                    now = try #require(try await target.pids().first)
                    try #require(now == last, "the process before accepts again")
                }
                last = now
            }
            load.signal(SIGTERM)
            let status = try await eventually("the load ends", within: 120) { load.exitStatus }
            #expect(status == 0, "\(load.log)")
            #expect(load.log.contains("failed 0"), "\(load.log)")
            for connections in [held] + later { #expect(try await connections.end() == []) }
            try await target.stop()
        }

        @Test(
            "a new process that fails before it accepts changes nothing", .timeLimit(.minutes(2)))
        func failing() async throws {
            let target = try await Upgradable.start("upgrade-fails")
            let held = try await LongLived.start("upgrade-fails", through: target)
            let pid = target.router.daemon.pid
            let missing = try await target.upgrade(["--binary", "/no/such/program"])
            #expect(missing.status == 1 && missing.standardError.contains("No such file"))
            let ending = try await target.upgrade(["--binary", "/bin/false"])
            #expect(ending.status == 1 && ending.standardError.contains("ended before"))
            let silent = try target.script("silent", "exec sleep 60")
            let late = try await target.upgrade(["--binary", silent, "--timeout", "1"])
            #expect(late.status == 1 && late.standardError.contains("not ready in time"))
            try target.router.rewrite(target.body.replacing("upgrade: 1h", with: "upgrade: soon"))
            let wrong = try await target.upgrade()
            #expect(wrong.status == 1 && wrong.standardError.contains("timeouts.upgrade"))
            try target.router.rewrite(target.body)
            let taken = "127.0.0.1:\(target.rig.web.plainPort)"
            try target.router.rewrite(target.body.replacing("[::]:\(target.mysql)", with: taken))
            let occupied = try await target.upgrade()
            #expect(occupied.status == 1 && occupied.standardError.contains("E2506"), "\(occupied)")
            try target.router.rewrite(target.body)
            #expect(try await target.status() == "200")
            #expect(try await target.pids() == [pid])
            for (reason, count) in [("gone", 1.0), ("late", 1.0), ("refused", 3.0)] {
                let counted = try await target.router.metric(
                    "strait_upgrade_failures_total", ["reason=\"\(reason)\""])
                #expect(counted == count, "\(reason)")
            }
            #expect(try await held.end() == [])
            try await target.stop()
        }

        @Test(
            "a new process that is killed at any moment leaves the old one serving",
            .timeLimit(.minutes(3)))
        func killed() async throws {
            let target = try await Upgradable.start("upgrade-killed")
            let held = try await LongLived.start("upgrade-killed", through: target)
            let pid = target.router.daemon.pid
            var hasFailed = false
            var hasTakenOver = false
            for milliseconds in stride(from: 0, through: 5000, by: 10) {
                if milliseconds > 200, hasFailed, hasTakenOver { break }
                let seconds = String(format: "%.3f", Double(milliseconds) / 1000)
                let doomed = try target.script(
                    "doomed", "(sleep \(seconds); kill -9 $$) & exec \(Programs.strait) \"$@\"")
                let outcome = try await target.upgrade(["--binary", doomed])
                hasFailed = hasFailed || !outcome.succeeded
                hasTakenOver = hasTakenOver || outcome.succeeded
                try await eventually("after \(milliseconds) ms the old one serves", within: 20) {
                    // Nobody answers operators for the moment until the old one has seen the end.
                    (try? await target.pids()) == [pid]
                }
                #expect(try await target.status() == "200")
            }
            #expect(hasFailed && hasTakenOver, "it was killed before and after it took over")
            #expect(try await held.end() == [])
            try await target.stop()
        }

        @Test("what the old process gave out is good in the new one", .timeLimit(.minutes(2)))
        func givenOut() async throws {
            let target = try await Upgradable.start("upgrade-keys")
            let ticket = "\(target.rig.shell.directory)/upgrade-ticket"
            let save = ["-sess_out", ticket]
            #expect(
                try await target.rig.ticketed("-tls1_3", port: target.shared, save) == "New 200")
            let sleeper = try await Sleeper.start(
                "upgrade-sleeper", target.postgres, on: target.rig.postgres15, psql: .psql15,
                target.rig)
            let other = try await Sleeper.start(
                "upgrade-other", target.postgres, on: target.rig.postgres15, psql: .psql15,
                target.rig)
            for _ in 0..<2 { #expect(try await target.upgrade().succeeded) }
            let newer = try await Sleeper.start(
                "upgrade-newer", target.postgres, on: target.rig.postgres15, psql: .psql15,
                target.rig)
            try await sleeper.interrupt()
            #expect(try await other.isActive())
            #expect(try await newer.isActive())
            let load = ["-sess_in", ticket]
            #expect(
                try await target.rig.ticketed("-tls1_3", port: target.shared, load)
                    == "Reused 200")
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            try await newer.interrupt()
            #expect(try await other.isActive())
            try await other.interrupt()
            try await target.stop()
        }

        @Test("the old process ends what is open at its deadline", .timeLimit(.minutes(3)))
        func deadline() async throws {
            let target = try await Upgradable.start(
                "upgrade-deadline", timeouts: "{ upgrade: 1s, drain: 5s }")
            let held = try await LongLived.start("upgrade-deadline", through: target)
            #expect(try await target.upgrade().succeeded)
            try await eventually("the old process ends") { !target.router.daemon.isRunning }
            let cut = try await held.end()
            #expect(cut.count == 4, "\(cut)")
            _ = try await target.router.record("that tells why") {
                $0["strait.reason"] == "drained"
            }
            #expect(try await target.status() == "200")
            try await target.stop()
        }

        @Test(
            "--or-reload takes over only where the program is another one",
            .timeLimit(.minutes(3)))
        func orReload() async throws {
            let target = try await Upgradable.start("upgrade-or-reload")
            let pid = target.router.daemon.pid
            let same = try await target.upgrade(["--or-reload"])
            #expect(same.succeeded && same.text.contains("\"unchanged\""), "\(same)")
            #expect(try await target.pids() == [pid])
            let copy = "\(target.rig.shell.directory)/strait-copy"
            try await target.rig.shell.must(["cp", Programs.strait, copy])
            let other = try await target.upgrade(["--or-reload", "--binary", copy])
            #expect(other.succeeded, "\(other)")
            #expect(try await target.pids().first != pid)
            try await target.stop()
        }
    }
}

extension EndToEnd {
    @Suite("Upgrades, with processes that end or hang", .serialized) struct UpgradeEndingTests {
        @Test(
            "the end of a process that was gone back from changes nothing",
            .timeLimit(.minutes(3)))
        func lateEnd() async throws {
            let target = try await Upgradable.start("upgrade-late-end")
            let oldest = target.router.daemon.pid
            #expect(try await target.upgrade().succeeded)
            let middle = try #require(try await target.pids().first)
            let held = try await LongLived.start("upgrade-late-end", through: target)
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            #expect(try await target.upgrade().succeeded)
            let newest = try #require(try await target.pids().first)
            #expect(Set([oldest, middle, newest]).count == 3)
            #expect(try await held.end() == [])
            try await eventually("the one that was gone back from ends") {
                Upgradable.hasEnded(middle)
            }
            #expect(try await target.status() == "200")
            try await target.becomes([newest, oldest])
            #expect(!target.router.daemon.log.contains("has ended; this one accepts again"))
            try await target.stop()
        }

        @Test(
            "a process that dies while its successor starts is followed by the one before it",
            .timeLimit(.minutes(3)))
        func middleDies() async throws {
            let target = try await Upgradable.start("upgrade-middle")
            let held = try await LongLived.start("upgrade-middle", through: target)
            #expect(try await target.upgrade().succeeded)
            let middle = try #require(try await target.pids().first)
            let mark = "\(target.rig.shell.directory)/upgrade-middle-started"
            let slow = try target.script(
                "slow", "touch '\(mark)'; sleep 1; exec \(Programs.strait) \"$@\"")
            let asking = try Daemon.start(
                "upgrade-asking",
                [
                    Programs.strait, "upgrade", "--admin", target.router.adminSocket, "--binary",
                    slow,
                ], in: target.rig.shell)
            try await eventually("the new one starts") {
                FileManager.default.fileExists(atPath: mark)
            }
            kill(middle, SIGKILL)
            try await eventually("the first one accepts again") {
                // Nobody answers operators for the moment until it has seen the end.
                (try? await target.pids()) == [target.router.daemon.pid]
            }
            try await eventually("nobody is asked any more") { !asking.isRunning }
            try await eventually("the newest one has seen that it is not wanted") {
                target.router.daemon.log.contains("has ended; so does this one")
            }
            try await target.becomes([target.router.daemon.pid])
            #expect(try await target.status() == "200")
            #expect(try await held.end() == [])
            try await target.stop()
        }

        @Test(
            "an address that the new process does not have is nobody's; one that it drains refuses",
            .timeLimit(.minutes(3)))
        func droppedListeners() async throws {
            let target = try await Upgradable.start("upgrade-dropped")
            let held = try await LongLived.start("upgrade-dropped", through: target)
            let narrow = target.body.replacing(
                "[::]:\(target.shared)", with: "0.0.0.0:\(target.shared)")
            try target.router.rewrite(narrow)
            #expect(
                try await target.rig.strait(["reload", "--admin", target.router.adminSocket])
                    .succeeded)
            try target.router.rewrite(
                target.body.replacing(
                    "[::]:\(target.mysql)", with: "[::]:\(try Loopback.freePort())"))
            #expect(try await target.upgrade().succeeded)
            #expect(!Loopback.answers(.ipv4, target.mysql), "nobody waits where nobody accepts")
            #expect(Loopback.answers(.ipv6, target.shared))
            #expect(try await target.status() == "200", "the wider socket gets them")
            #expect(
                try await target.rig.strait(["drain", "--admin", target.router.adminSocket])
                    .succeeded)
            try await eventually("connections are refused") {
                !Loopback.answers(.ipv4, target.shared)
            }
            #expect(try await held.end() == [])
            try await eventually("both end") { !target.router.daemon.isRunning }
        }

        @Test(
            "a listener is as its configuration says after a reload, and after a way back",
            .timeLimit(.minutes(3)))
        func options() async throws {
            let target = try await Upgradable.start("upgrade-options")
            let admin = ["--admin", target.router.adminSocket]
            let deferring = target.body.replacing("protocols: raw,", with: "protocols: [tls],")
            try target.router.rewrite(deferring)
            #expect(try await target.rig.strait(["reload"] + admin).succeeded)
            try target.router.rewrite(target.body)
            #expect(try await target.rig.strait(["reload"] + admin).succeeded)
            let reloaded = try await LongLived.start("upgrade-options-reload", through: target)
            #expect(try await reloaded.end() == [], "the server speaks first")
            let file = target.router.configurationPath
            let other = try target.script(
                "other",
                "sed 's/protocols: raw,/protocols: [tls],/' '\(file)' >'\(file).tls'; "
                    + "exec \(Programs.strait) serve --config '\(file).tls'")
            #expect(try await target.upgrade(["--binary", other]).succeeded)
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            let back = try await LongLived.start("upgrade-options-back", through: target)
            #expect(try await back.end() == [], "the server speaks first")
            try await target.stop()
        }

        @Test(
            "a process that was gone back from ends by a signal as any other",
            .timeLimit(.minutes(3)))
        func signalled() async throws {
            let target = try await Upgradable.start(
                "upgrade-signalled", timeouts: "{ upgrade: 1h, drain: 1s }")
            #expect(try await target.upgrade().succeeded)
            let held = try await LongLived.start("upgrade-signalled", through: target)
            let newer = try #require(try await target.pids().first)
            #expect(try await target.upgrade(["--rollback"]).succeeded)
            kill(newer, SIGTERM)
            try await eventually("it ends") { Upgradable.hasEnded(newer) }
            #expect(try await held.end().count == 4)
            try await target.becomes([target.router.daemon.pid])
            try await target.stop()
        }

        @Test(
            "a process that hangs is not gone back to, and does not accept when it wakes up",
            .timeLimit(.minutes(2)))
        func hanging() async throws {
            let target = try await Upgradable.start("upgrade-hanging")
            let held = try await LongLived.start("upgrade-hanging", through: target)
            #expect(try await target.upgrade().succeeded)
            let newer = try #require(try await target.pids().first)
            target.router.daemon.signal(SIGSTOP)
            let refused = try await target.upgrade(["--rollback"])
            target.router.daemon.signal(SIGCONT)
            #expect(refused.status == 1 && refused.standardError.contains("does not answer"))
            #expect(try await held.end() == [])
            try await eventually("it ends when nothing is open") {
                !target.router.daemon.isRunning
            }
            #expect(!target.router.daemon.log.contains("accepts again"))
            try await target.becomes([newer])
            #expect(try await target.status() == "200")
            try await target.stop()
        }
    }
}
