// Ports of tenants' own: psql, mariadb and ssh, as they are, without a name that a router could
// read; and again after an upgrade.

import Foundation
import Testing

extension EndToEnd {
    @Suite("Ports of tenants' own", .serialized) struct PortTests {
        @Test(
            "lead MySQL, SSH and Postgres to their tenant, also after an upgrade",
            .timeLimit(.minutes(3)), arguments: ["\"off\"", "auto"])
        func ports(steering: String) async throws {
            let rig = try EndToEnd.rig()
            let first = steering == "auto" ? 21_120 : 21_100
            let router = try await Router.start(
                "ports-\(first)",
                """
                workers: 2
                listeners: [{ name: shared, address: "[::]:\(try Loopback.freePort())" }]
                registry: { path: registry.db }
                ports: { ranges: [\(first)-\(first + 19)], steering: \(steering) }

                """, in: rig.shell)
            try await self.put("early", [:], router)
            try await self.put(
                "acme",
                [
                    "mysql": rig.mysql.ports.database, "ssh": rig.openSSH.port,
                    "postgres": rig.postgres17.port,
                ], router)
            let ports = try await self.list(router)
            #expect(ports.map(\.kind) == ["ssh", "ssh_tunnel", "kube", "mysql", "postgres"])
            #expect(ports.map(\.port) == Array(first + 5..<first + 10))
            try await self.reach(first + 5, rig, "\(first)")
            let output = try await rig.strait(
                ["upgrade", "--format", "json", "--admin", router.adminSocket])
            try #require(output.succeeded, "\(output)")
            let pid = try #require(try Upgradable.object(output.text)["pid"] as? NSNumber)
            Reaper.remember(pid.int32Value, in: rig.shell.directory)
            #expect(try await self.list(router) == ports)
            try await self.reach(first + 5, rig, "\(first)-later")
            // The newer process opens and closes by what it was passed.
            try await self.put("late", ["mysql": rig.mysql.ports.database], router)
            #expect(try await self.ask(first + 13, rig).text == "1\n")
            try await self.request("DELETE", "acme", nil, router)
            #expect(try await !self.ask(first + 8, rig).succeeded)
            #expect(try await self.ask(first + 13, rig).text == "1\n")
            kill(pid.int32Value, SIGTERM)
            try await eventually("the newer process ends", within: 30) {
                Upgradable.hasEnded(pid.int32Value)
            }
            #expect(try await !self.ask(first + 13, rig).succeeded)
        }

        private struct Port: Decodable, Equatable {
            var port: Int
            var kind: String
        }

        private func list(_ router: Router) async throws -> [Port] {
            let rig = try EndToEnd.rig()
            let output = try await rig.strait(
                [
                    "port", "ls", "--tenant", "acme", "--format", "json", "--admin",
                    router.adminSocket,
                ])
            return try JSONDecoder().decode([Port].self, from: Data(output.text.utf8))
        }

        private func put(
            _ tenant: String, _ services: [String: Int], _ router: Router
        ) async throws {
            let list = services.map { what, port in
                #"{"name":"\#(what)","protocol":"\#(what)","#
                    + #""upstreams":[{"address":"tcp://127.0.0.1:\#(port)"}]}"#
            }
            let document =
                #"{"name":"\#(tenant)","domains":["\#(tenant).test"],"#
                + #""services":[\#(list.joined(separator: ","))]}"#
            try await self.request("PUT", tenant, document, router)
        }

        private func request(
            _ method: String, _ tenant: String, _ body: String?, _ router: Router
        ) async throws {
            try await router.shell.must(
                [
                    "curl", "-sS", "--fail-with-body", "--max-time", "20", "--unix-socket",
                    router.adminSocket, "-X", method, "http://admin/v1/tenants/\(tenant)",
                ] + (body.map { ["--data-binary", $0] } ?? []))
        }

        private func ask(_ port: Int, _ rig: Rig) async throws -> Output {
            try await rig.shell.run(
                rig.mariadb(port, .ipv4, tls: ["--ssl"]) + ["orders", "-e", "select 1"])
        }

        /// Each program by its tenant's port, of which `first` is the one for SSH.
        private func reach(_ first: Int, _ rig: Rig, _ name: String) async throws {
            #expect(try await self.ask(first + 3, rig).text == "1\n")
            for family in Family.allCases {
                let configuration = try rig.openSSH.configuration(
                    "port-\(name)-\(family)", reach: .address(family, first))
                let answer = try await rig.shell.run(
                    ["ssh", "-F", configuration, "target", "echo", "there"])
                #expect(answer.text == "there\n", "\(answer)")
            }
            for negotiation in ["", " sslnegotiation=direct"] {
                // An address is no name, and is not sent as one.
                let connection =
                    "host=127.0.0.1 port=\(first + 4) user=\(PostgreSQL.user) "
                    + "dbname=\(PostgreSQL.database) sslmode=require connect_timeout=20"
                    + negotiation
                let answer = try await rig.shell.run(
                    [PostgresProgram.psql17.psql, "-qAtX", connection, "-c", "select 7"])
                #expect(answer.text == "7\n", "\(answer)")
            }
        }
    }
}
