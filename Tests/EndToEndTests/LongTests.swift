// The bars that take long: `tools/test --long`. Each is the same code in a small size in every run.

import Foundation
import Glibc
import Testing

extension Rig {
    /// A file under the web root that no set of socket buffers holds; made once.
    func largeFile() async throws -> String {
        let path = "\(self.web.root)/large"
        _ = try await self.shell.bash(
            "[ -f '\(path)' ] || head -c \(runsLong ? 1024 : 48)M /dev/urandom > '\(path)'",
            seconds: 120)
        return path
    }
}

extension EndToEnd {
    @Suite("Long bars") struct LongTests {
        @Test(
            "a large file travels intact both ways in every mode, and memory stays bounded",
            .timeLimit(.minutes(15)), arguments: Mode.allCases)
        func large(_ mode: Mode) async throws {
            let rig = try EndToEnd.rig()
            let large = try await rig.largeFile()
            let hash = try await Rig.sha256(of: large, in: rig.shell)
            let curl = rig.curl(Names.web(mode), mode, .ipv4).map { $0 == "120" ? "600" : $0 }
            let before = rig.router.daemon.residentKiB
            let copy = "\(rig.shell.directory)/large"
            try await rig.shell.must(
                curl + ["--fail", "-o", copy, rig.url(Names.web(mode), "/large")], seconds: 620)
            #expect(try await Rig.sha256(of: copy, in: rig.shell) == hash)
            try await rig.shell.must(
                curl + ["--fail", "-T", copy, rig.url(Names.web(mode), "/upload/large")],
                seconds: 620)
            let uploaded = "\(rig.web.root)/upload/large"
            #expect(try await Rig.sha256(of: uploaded, in: rig.shell) == hash)
            #expect(rig.router.daemon.residentKiB < before + 64 * 1024)
            try await rig.shell.must(["rm", "-f", copy, uploaded])
        }

        @Test(
            "a downstream that stops reading costs bounded memory", .timeLimit(.minutes(5)),
            arguments: ["www-pass.acme.test", "www.acme.test"])
        func stoppedReader(_ host: String) async throws {
            let rig = try EndToEnd.rig()
            _ = try await rig.largeFile()
            let before = rig.router.daemon.residentKiB
            let stopped = try Daemon.start(
                "stopped",
                [
                    Programs.python, Programs.script("wire.py"), "stopped", "127.0.0.1",
                    "\(rig.ports.shared)", rig.certificates.hostAuthority, host,
                ], in: rig.shell)
            try await stopped.ready("it has begun") { stopped.log.contains("stopped") }
            // Another downstream gets all of it, while the first one stands still.
            let other = try await rig.shell.must(
                rig.curl(host, .terminate, .ipv4)
                    + ["-o", "/dev/null", "-w", "%{size_download}", rig.url(host, "/blob")])
            #expect(other.trimmed == "\(transferBytes)")
            #expect(rig.router.daemon.residentKiB < before + 16 * 1024)
            stopped.signal(SIGKILL)
            try await eventually("it has ended") { !stopped.isRunning }
        }

        @Test("thousands of idle connections are held, and all answer", .timeLimit(.minutes(10)))
        func idle() async throws {
            let rig = try EndToEnd.rig()
            let count = runsLong ? 9000 : 200
            for host in ["www-pass.acme.test", "www.acme.test"] {
                let before = try await rig.idleDescriptors()
                let memory = rig.router.daemon.residentKiB
                let told = try await rig.wire("idle", host: host, number: count, seconds: 280)
                #expect(told == "open \(count)\nanswered \(count)")
                let grown = rig.router.daemon.residentKiB - memory
                #expect(grown < count * 32 + 32 * 1024, "\(grown) KiB for \(count) on \(host)")
                try await rig.serves("idle connections", descriptors: before)
            }
        }

        @Test("Mozilla's intermediate profile is met", .timeLimit(.minutes(10)))
        func mozilla() async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.run(
                [
                    Programs.sslyze, "--mozilla_config=intermediate",
                    "--sni=www.acme.test", "--certinfo_ca_file=\(rig.certificates.hostAuthority)",
                    "127.0.0.1:\(rig.ports.shared)",
                ], seconds: 280)
            // The certificate is the rig's own: only what the router decides is judged here.
            let wrong = output.text.split(separator: "\n").filter {
                $0.contains(" * ") && $0.contains(/: .*(?:should|must|not)/)
                    && !$0.contains("certificate")
            }
            #expect(output.text.contains("COMPLIANCE AGAINST"), "\(output)")
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
        }

        @Test(
            "testssl.sh finds nothing of medium severity or worse", .timeLimit(.minutes(15)),
            .enabled(if: runsLong, "takes minutes: tools/test --long"))
        func testssl() async throws {
            let rig = try EndToEnd.rig()
            let report = "\(rig.shell.directory)/testssl.csv"
            _ = try await rig.shell.run(
                [
                    "testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "min",
                    "--ip", "127.0.0.1", "--add-ca", rig.certificates.hostAuthority,
                    "--severity", "MEDIUM", "--csvfile", report,
                    "https://www.acme.test:\(rig.ports.shared)/",
                ], seconds: 850)
            let lines = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
            #expect(!lines.isEmpty)
            // What concerns nginx's answer or the rig's short-lived authority is not the router's.
            let ignored = ["HSTS", "cert_", "OCSP", "CRL", "CAA", "security_headers", "banner"]
            let found = lines.dropFirst().filter { line in
                line.contains(/"(?:MEDIUM|HIGH|CRITICAL)"/)
                    && !ignored.contains { line.hasPrefix("\"\($0)") }
            }
            #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
        }
    }
}
