// The operator API by TLS, as operators and tenants' administrators have it: the command line and
// curl, each with a certificate.

import Foundation
import Testing

extension EndToEnd {
    @Suite("Operators with certificates") struct OperatorTests {
        private struct Edge {
            let router: Router
            let shell: Shell
            let port: Int

            init(_ rig: Rig, _ name: String = "operators") async throws {
                let listener = try Loopback.freePort()
                self.port = try Loopback.freePort()
                self.router = try await Router.start(
                    name,
                    """
                    listeners: [{ name: public, address: "127.0.0.1:\(listener)" }]
                    registry: { path: registry.db }
                    """, in: rig.shell)
                self.shell = Shell(
                    directory: (self.router.configurationPath as NSString)
                        .deletingLastPathComponent)
                // It comes with a reload, as any listener does.
                let path = self.router.configurationPath
                let text = try String(contentsOfFile: path, encoding: .utf8)
                    .replacing(
                        "admin.sock }", with: "admin.sock, https: \"127.0.0.1:\(self.port)\" }")
                try text.write(toFile: path, atomically: true, encoding: .utf8)
                try await self.strait("reload")
            }

            /// By the socket.
            @discardableResult
            func strait(_ arguments: String...) async throws -> Output {
                try await self.shell.must(
                    [Programs.strait] + arguments + ["--admin", self.router.adminSocket])
            }

            func path(_ name: String) -> String { "\(self.shell.directory)/\(name).pem" }

            /// By TLS, as somebody.
            func strait(
                as name: String, host: String = "127.0.0.1", _ arguments: String...
            ) async throws -> Output {
                try await self.shell.run(
                    [Programs.strait] + arguments
                        + [
                            "--admin", "https://\(host):\(self.port)", "--identity",
                            self.path(name),
                        ])
            }

            /// By curl: status and body.
            func curl(as name: String?, _ target: String) async throws -> Output {
                let identity = name.map { ["--cert", self.path($0), "--key", self.path($0)] } ?? []
                return try await self.shell.run(
                    ["curl", "-sS", "--max-time", "10", "-w", "%{http_code}"] + identity
                        + [
                            "--cacert", self.path("authority"),
                            "https://localhost:\(self.port)\(target)",
                        ])
            }
        }

        @Test(
            "an operator may do all, an administrator what is its tenant's",
            .timeLimit(.minutes(2)))
        func roles() async throws {
            let edge = try await Edge(try EndToEnd.rig())
            for name in ["acme", "beta"] {
                try await edge.strait("tenant", "add", name, "--domain", "\(name).example.com")
            }
            let authority = try await edge.strait("authority", "show", "--installation").text
            try authority.write(
                toFile: edge.path("authority"), atomically: true, encoding: .utf8)
            try await edge.strait("operator", "issue", "anna", "--out", edge.path("anna"))
            try await edge.strait(
                "operator", "issue", "bob", "--tenant", "acme", "--out", edge.path("bob"))

            let who = try await edge.strait(as: "bob", "whoami")
            #expect(who.text.contains("administrator of tenant acme"), "\(who)")
            let added = try await edge.strait(
                as: "bob", host: "localhost", "service", "add", "acme/www", "--protocol", "web",
                "--mode", "passthrough", "--upstream", "tcp://192.0.2.1:443")
            #expect(added.succeeded, "\(added)")
            #expect(added.standardError.contains("as bob (strait://"), "\(added)")
            let other = try await edge.strait(as: "bob", "tenant", "show", "beta")
            #expect(
                other.status == 1 && other.standardError.contains("role operator would do"),
                "\(other)")
            let all = try await edge.strait(as: "anna", "tenant", "ls")
            #expect(all.text.contains("acme") && all.text.contains("beta"), "\(all)")
            let audit = try await edge.strait(as: "anna", "audit", "--tenant", "acme")
            #expect(audit.text.contains("bob (strait://"), "\(audit)")
            let last = try await edge.strait(
                as: "anna", "audit", "--tenant", "acme", "--limit", "1")
            #expect(last.text.split(separator: "\n").count == 2, "\(last)")
            #expect(last.text.split(separator: "\n").last == audit.text.split(separator: "\n").last)
            let nobody = try await edge.strait(as: "anna", "audit", "--tenant", "nobody")
            #expect(nobody.standardError.contains("there is no tenant"), "\(nobody)")
            #expect(nobody.succeeded == false)

            #expect(try await edge.curl(as: "anna", "/v1/status").text.hasSuffix("200"))
            #expect(try await edge.curl(as: "bob", "/v1/status").text.hasSuffix("403"))
            #expect(try await edge.curl(as: nil, "/livez").succeeded == false)

            let list = try await edge.strait(
                "operator", "ls", "--tenant", "acme", "--format", "json"
            ).text
            let fingerprint = try #require(
                list.firstMatch(of: #/"fingerprint":"([0-9a-f]{64})"/#)?.1)
            try await edge.strait(
                "operator", "rm", String(fingerprint), "--tenant", "acme", "--yes")
            let gone = try await edge.strait(as: "bob", "tenant", "show", "acme")
            #expect(gone.status == 1 && gone.standardError.contains("withdrawn"), "\(gone)")
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o644], ofItemAtPath: edge.path("anna"))
            let open = try await edge.strait(as: "anna", "whoami")
            #expect(open.status == 1 && open.standardError.contains("chmod 600"), "\(open)")
            #expect(try await edge.router.daemon.stop() == 0)
        }

        @Test(
            "a reload that is refused leaves the listener's certificate as it was",
            .timeLimit(.minutes(2)))
        func refusedReload() async throws {
            let edge = try await Edge(try EndToEnd.rig(), "refused")
            let authority = try await edge.strait("authority", "show", "--installation").text
            try authority.write(
                toFile: edge.path("authority"), atomically: true, encoding: .utf8)
            try await edge.strait("operator", "issue", "anna", "--out", edge.path("anna"))
            let path = edge.router.configurationPath
            let good = try String(contentsOfFile: path, encoding: .utf8)
            let named = good.replacing(
                "127.0.0.1:\(edge.port)\" }",
                with: "127.0.0.1:\(edge.port)\", names: [edge.example.com] }")
            #expect(named != good)

            // TEST-NET-1 is on no machine, RFC 5737.
            let text = named.replacing(
                "listeners: [",
                with: """
                    listeners: [{ name: nowhere, address: "192.0.2.1:9" }, 
                    """)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let refused = try await edge.shell.run(
                [Programs.strait, "reload", "--admin", edge.router.adminSocket])
            #expect(!refused.succeeded, "\(refused)")
            try await edge.strait("tenant", "add", "acme", "--domain", "acme.example.com")
            let same = try await edge.curl(as: "anna", "/v1/status")
            #expect(same.text.hasSuffix("200"), "\(same)")

            try named.write(toFile: path, atomically: true, encoding: .utf8)
            try await edge.strait("reload")
            let other = try await edge.curl(as: "anna", "/v1/status")
            #expect(other.standardError.contains("localhost"), "\(other)")
            #expect(try await edge.router.daemon.stop() == 0)
        }
    }
}
