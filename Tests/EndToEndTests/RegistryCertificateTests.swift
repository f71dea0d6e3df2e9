// Certificates of a registry, as operators and browsers have them: the command line, curl and
// openssl.

import Foundation
import Testing

extension EndToEnd {
    @Suite("Certificates of a registry") struct RegistryCertificateTests {
        /// A router with an empty registry, and what its command line is given.
        private struct Edge {
            let router: Router
            let port: Int
            let shell: Shell
            let web: Int

            init(_ name: String, _ rig: Rig) async throws {
                self.port = try Loopback.freePort()
                self.web = rig.web.plainPort
                let body = """
                    listeners: [{ name: public, address: "127.0.0.1:\(self.port)" }]
                    registry: { path: registry.db }
                    """
                self.router = try await Router.start(name, body, in: rig.shell)
                self.shell = Shell(
                    directory: (self.router.configurationPath as NSString)
                        .deletingLastPathComponent)
            }

            @discardableResult
            func strait(_ arguments: String...) async throws -> Output {
                try await self.shell.must(
                    [Programs.strait] + arguments + ["--admin", self.router.adminSocket])
            }

            func path(_ name: String) -> String { "\(self.shell.directory)/\(name)" }

            /// Asks for a page as a browser that trusts one authority; the status.
            func status(_ host: String, trusting authority: String) async throws -> String {
                try await self.shell.run([
                    "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10",
                    "--cacert", authority, "--resolve", "\(host):\(self.port):127.0.0.1",
                    "https://\(host):\(self.port)/",
                ]).trimmed
            }

            /// The subject that is shown for a name.
            func shown(_ host: String) async throws -> String {
                try await self.shell.bash(
                    "openssl s_client -connect 127.0.0.1:\(self.port) -servername \(host) "
                        + "</dev/null 2>/dev/null | openssl x509 -noout -subject"
                ).trimmed
            }

            /// Makes a certificate that signed itself.
            func make(_ name: String, for host: String) async throws {
                try await self.shell.must([
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=\(name)",
                    "-addext", "subjectAltName=DNS:\(host)", "-addext",
                    "basicConstraints=critical,CA:FALSE", "-keyout", self.path("\(name).key"),
                    "-out", self.path("\(name).pem"),
                ])
            }
        }

        @Test(
            "a tenant's names have TLS at once; an upload takes over; nobody is cut",
            .timeLimit(.minutes(2)))
        func fromTheFirstMinute() async throws {
            let edge = try await Edge("certificates", try EndToEnd.rig())
            try await edge.strait("tenant", "add", "acme", "--domain", "acme.example.com")
            try await edge.strait(
                "service", "add", "acme/www", "--protocol", "web", "--mode", "terminate",
                "--upstream", "tcp://127.0.0.1:\(edge.web)")
            let authority = try await edge.strait("authority", "show", "--installation").text
            try authority.write(toFile: edge.path("ca.pem"), atomically: true, encoding: .utf8)
            let host = "www.acme.example.com"
            #expect(try await edge.status(host, trusting: edge.path("ca.pem")) == "200")

            // One connection, with a request before and one after each rotation.
            let talk = """
                import http.client, socket, ssl, subprocess, sys
                port, authority, host, strait, admin = sys.argv[1:6]
                context = ssl.create_default_context(cafile=authority)
                kept = http.client.HTTPConnection("127.0.0.1", int(port))
                plain = socket.create_connection(("127.0.0.1", int(port)))
                kept.sock = context.wrap_socket(plain, server_hostname=host)
                for name in [None, "first", "second"]:
                    if name:
                        subprocess.run(
                            [strait, "certificate", "add", "acme", "main", "--chain",
                             name + ".pem", "--key", name + ".key", "--admin", admin],
                            check=True, stdout=subprocess.DEVNULL)
                    kept.request("GET", "/", headers={"Host": host})
                    answer = kept.getresponse()
                    answer.read()
                    print(answer.status, flush=True)
                """
            try talk.write(toFile: edge.path("talk.py"), atomically: true, encoding: .utf8)
            for name in ["first", "second"] { try await edge.make(name, for: host) }
            let kept = try await edge.shell.bash(
                "cd \(edge.shell.directory) && \(Programs.python) talk.py \(edge.port) ca.pem "
                    + "\(host) \(Programs.strait) \(edge.router.adminSocket)")
            #expect(kept.trimmed == "200\n200\n200", "\(kept)")
            #expect(try await edge.shown(host) == "subject=CN = second")

            let list = try await edge.strait("certificate", "ls", "acme").text
            #expect(list.contains("main") && list.contains("installation"))
            let refused = try await edge.shell.run([
                Programs.strait, "certificate", "add", "acme", "main", "--chain",
                edge.path("first.pem"), "--key", edge.path("second.key"), "--admin",
                edge.router.adminSocket,
            ])
            #expect(refused.status == 1 && refused.standardError.contains("key_mismatch"))
            #expect(try await edge.shown(host) == "subject=CN = second")
            try await edge.strait("certificate", "rm", "acme", "main", "--yes")
            #expect(try await edge.status(host, trusting: edge.path("ca.pem")) == "200")
            let ends = try await edge.router.metric(
                "strait_certificate_not_after_timestamp_seconds", ["tenant=\"acme\""])
            #expect(ends > Date().timeIntervalSince1970)
            #expect(try await edge.router.daemon.stop() == 0)
        }
    }
}
