// strait connect, as ssh and psql use it: what is said when it fails, and how it ends.

import Foundation
import Testing

/// A ProxyCommand that has to fail, and what ssh's user must read.
struct ConnectRefusal: Sendable, CustomTestStringConvertible {
    let what: String
    let host: String
    var isClosedPort = false
    var trusts = true
    var alpn: String?
    let says: String
    let status: Int32

    var testDescription: String { self.what }

    static let all: [ConnectRefusal] = [
        ConnectRefusal(
            what: "an unknown authority", host: "shell.acme.test", trusts: false,
            says: "--ca names the file", status: 1),
        ConnectRefusal(
            what: "a closed port", host: "shell.acme.test", isClosedPort: true,
            says: "cannot reach the router: 127.0.0.1:1:", status: 4),
        ConnectRefusal(
            what: "an unknown name", host: "nobody.test",
            says: "the router knows no host nobody.test (alert 112)", status: 1),
        ConnectRefusal(
            what: "a protocol that is not there", host: "www.acme.test", alpn: "nonsense",
            says: "the router speaks no nonsense there (alert 120)", status: 1),
        ConnectRefusal(
            what: "no certificate where one is wanted",
            host: Names.ssh(.terminateWithCertificate),
            says: "give --certificate and --key", status: 1),
        ConnectRefusal(
            what: "an upstream that is down", host: "down-ssh.acme.test",
            says: "before the service had sent a byte", status: 1),
    ]

    func command(_ rig: Rig) -> String {
        var words = ["'\(Programs.strait)'", "connect", self.host, "--router"]
        words.append(self.isClosedPort ? "127.0.0.1:1" : "127.0.0.1:\(rig.ports.shared)")
        if self.trusts { words += ["--ca", "'\(rig.certificates.hostAuthority)'"] }
        if let alpn = self.alpn { words += ["--alpn", alpn] }
        return words.joined(separator: " ")
    }
}

extension EndToEnd {
    @Suite("strait connect") struct ConnectTests {
        @Test(
            "says why it failed, by itself and under ssh", .timeLimit(.minutes(3)),
            arguments: ConnectRefusal.all)
        func refusals(_ refusal: ConnectRefusal) async throws {
            let rig = try EndToEnd.rig()
            let command = refusal.command(rig)
            // A pipe that never ends: a failure must not wait for the input.
            let alone = try await rig.shell.bash(
                "rm -f endless; mkfifo endless; \(command) 0<> endless")
            #expect(alone.standardError.contains(refusal.says), "\(alone)")
            #expect(alone.status == refusal.status, "\(alone)")
            let config = try rig.openSSH.configuration(
                "refusal", reach: .proxyCommand(command))
            let ssh = try await rig.shell.run(["ssh", "-F", config, "target", "true"])
            #expect(ssh.standardError.contains(refusal.says), "\(ssh)")
            #expect(ssh.status == 255)
        }

        @Test("names the file that cannot be used", .timeLimit(.minutes(3)))
        func files() async throws {
            let rig = try EndToEnd.rig()
            let people = rig.certificates
            let connect = [Programs.strait, "connect", "a.test", "--router", "127.0.0.1:1"]
            let pair = try await rig.shell.run(
                connect + ["--certificate", people.alice.certificate, "--key", people.bygone.key])
            #expect(pair.status == 1)
            #expect(pair.standardError.contains(people.bygone.key), "\(pair)")
            let authority = try await rig.shell.run(connect + ["--ca", rig.blob])
            #expect(authority.status == 1)
            #expect(authority.standardError.contains("\(rig.blob): "), "\(authority)")
        }

        @Test("a session of ssh is recorded as finished", .timeLimit(.minutes(3)))
        func closeNotify() async throws {
            let rig = try EndToEnd.rig()
            let before = try rig.router.records().count
            let config = try SSHWay.tls(.terminate, .ipv4).configuration(rig)
            try await rig.shell.must(["ssh", "-F", config, "target", "true"])
            let record = try await eventually("a record") {
                try rig.router.records().dropFirst(before).first {
                    $0["server.address"] == Names.ssh(.terminate)
                }
            }
            #expect(record["strait.reason"] == "finished", "\(record)")
        }

        @Test(
            "psql asks for encryption inside TLS, is declined, and goes on or says so",
            .timeLimit(.minutes(3)), arguments: [PostgresProgram.psql15, .psql17])
        func postgres(_ program: PostgresProgram) async throws {
            let rig = try EndToEnd.rig()
            let port = try Loopback.freePort()
            let connect = try Daemon.start(
                "connect-\(port)",
                [
                    Programs.strait, "connect", Names.postgres(.terminate), "--router",
                    "127.0.0.1:\(rig.ports.shared)", "--ca", rig.certificates.hostAuthority,
                    "--service-protocol", "postgres", "--listen", "127.0.0.1:\(port)",
                ], in: rig.shell)
            try await connect.ready("listens") { Loopback.answers(.ipv4, port) }
            func psql(_ options: String) async throws -> Output {
                try await rig.shell.run([
                    program.psql, "-qAtX",
                    "host=127.0.0.1 port=\(port) user=\(PostgreSQL.user) "
                        + "dbname=\(PostgreSQL.database) \(options)",
                    "-c", "select name from whoami",
                ])
            }
            for options in ["", "sslmode=disable"] {
                let output = try await psql(options)
                #expect(output.trimmed == "pg15", "\(output)")
            }
            let strict = try await psql("sslmode=require")
            #expect(strict.standardError.contains("does not support SSL"), "\(strict)")
            try await connect.stop()
        }
    }
}
