// A tenant is renamed while its services are used: by curl, psql, and requests without a pause.

import Foundation
import Testing

extension EndToEnd {
    @Suite("Renaming a tenant") struct RenameTests {
        /// A router whose registry has tenant acme with a web service and one of Postgres.
        private struct Edge {
            let router: Router
            let port: Int
            let shell: Shell
            /// What its certificates are verified by.
            let authority: String

            init(_ rig: Rig) async throws {
                self.port = try Loopback.freePort()
                self.router = try await Router.start(
                    "rename",
                    """
                    listeners: [{ name: public, address: "127.0.0.1:\(self.port)" }]
                    registry: { path: registry.db }
                    """, in: rig.shell)
                let folder = (self.router.configurationPath as NSString).deletingLastPathComponent
                self.shell = Shell(directory: folder)
                self.authority = "\(folder)/ca.pem"
                try await self.strait("tenant", "add", "acme", "--domain", "acme.example.com")
                for (name, kind, target) in [
                    ("www", "web", rig.web.plainPort), ("orders", "postgres", rig.postgres17.port),
                ] {
                    try await self.strait(
                        "service", "add", "acme/\(name)", "--protocol", kind, "--mode",
                        "terminate", "--upstream", "tcp://127.0.0.1:\(target)")
                }
                try await self.strait("authority", "show", "--installation").text
                    .write(toFile: self.authority, atomically: true, encoding: .utf8)
            }

            @discardableResult
            func strait(_ arguments: String...) async throws -> Output {
                try await self.shell.must(
                    [Programs.strait] + arguments + ["--admin", self.router.adminSocket])
            }

            func psql(_ domain: String) async throws -> Output {
                try await self.shell.run([
                    PostgresProgram.psql17.psql, "-qAtX",
                    "host=orders.\(domain) hostaddr=127.0.0.1 port=\(self.port) "
                        + "connect_timeout=20 user=\(PostgreSQL.user) "
                        + "dbname=\(PostgreSQL.database) sslmode=verify-full "
                        + "sslrootcert=\(self.authority)", "-c", "select 7",
                ])
            }

            func ping(_ domain: String) async throws -> Output {
                try await self.shell.run([
                    "curl", "-sS", "--max-time", "10", "--cacert", self.authority, "--resolve",
                    "\(domain):\(self.port):127.0.0.1",
                    "https://\(domain):\(self.port)/webapi/ping",
                ])
            }
        }

        @Test("fails nobody, by the old name or the new one", .timeLimit(.minutes(3)))
        func underLoad() async throws {
            let edge = try await Edge(try EndToEnd.rig())
            let load = try await edge.shell.must(
                [
                    Programs.python, Programs.script("rename_load.py"), Programs.strait,
                    edge.router.adminSocket, "\(edge.port)", edge.authority, "acme.example.com",
                    "anvil.example.com",
                ], seconds: 120)
            #expect(load.trimmed == "asked 800 400 failed 0")
            for domain in ["acme.example.com", "anvil.example.com"] {
                #expect(try await edge.psql(domain).text == "7\n")
                let text = try await edge.ping(domain).text
                #expect(
                    text.contains("\"anvil.example.com:") && !text.contains("\"acme.example.com:"),
                    "\(text)")
            }
            let used = try await edge.router.metric(
                "strait_name_alias_connections_total",
                ["tenant=\"anvil\"", "name=\"acme.example.com\""])
            #expect(used >= 402, "the later half of the load, psql and the ping")
            let gone = try await edge.shell.run([
                Programs.strait, "tenant", "show", "acme", "--admin", edge.router.adminSocket,
            ])
            #expect(gone.status == 1 && gone.standardError.contains("is called \"anvil\""))
            let names = try await edge.strait("name", "ls", "anvil", "--format", "json").text
            #expect(names.contains(#""kind":"alias""#) && names.contains(#""last_use":"20"#))
            let shown = try await edge.strait("name", "show", "anvil.example.com").text
            #expect(shown.contains("primary"))
            let routers = try await edge.strait("router", "ls").text
            #expect(routers.contains("present"), "\(routers)")
            try await self.addAndRemove(edge)
            try await self.end(edge)
            #expect(try await edge.router.daemon.stop() == 0)
        }

        /// Names of each kind come and go by the command line.
        private func addAndRemove(_ edge: Edge) async throws {
            for (name, more, kind) in [
                ("anvil.test", [], "domain"), ("*.shop.test", ["--service", "www"], "wildcard"),
                ("former.test", ["--until", "2100-01-01T00:00:00Z"], "alias"),
            ] {
                try await edge.shell.must(
                    [Programs.strait, "name", "add", "anvil", name] + more
                        + ["--admin", edge.router.adminSocket])
                #expect(try await edge.strait("name", "show", name).text.contains(kind))
                try await edge.strait("name", "rm", "anvil", name)
                let gone = try await edge.shell.run([
                    Programs.strait, "name", "show", name, "--admin", edge.router.adminSocket,
                ])
                #expect(gone.status == 1, "\(gone)")
            }
        }

        /// The time of the alias is over.
        private func end(_ edge: Edge) async throws {
            let program = "\(Programs.strait)"
            let admin = "--admin \(edge.router.adminSocket)"
            let ended = try await edge.shell.bash(
                "\(program) tenant show anvil --format json \(admin) | "
                    + #"sed -e 's/"until":"[^"]*"/"until":"2001-01-01T00:00:00Z"/' "#
                    + "-e 's/^/tenants: [/' -e 's/$/]/' | \(program) import \(admin) -")
            #expect(ended.succeeded, "\(ended)")
            #expect(try await !edge.ping("acme.example.com").succeeded)
            #expect(try await !edge.psql("acme.example.com").succeeded)
            #expect(try await edge.psql("anvil.example.com").text == "7\n")
            try await eventually("the alias is taken out", within: 60) {
                try await !edge.strait("tenant", "show", "anvil").text.contains("aliases")
            }
        }
    }
}
