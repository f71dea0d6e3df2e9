// A start without the registry: from the copy of the last good state, with the same names, ports
// and certificates, as psql, curl and openssl find them.

import Foundation
import Testing

extension EndToEnd {
    @Suite("The last good state", .serialized) struct LastGoodStateTests {
        @Test(
            "serves the same names, ports and certificates while the registry is gone",
            .timeLimit(.minutes(3)), arguments: ["\"off\"", "auto"])
        func registryGone(steering: String) async throws {
            let rig = try EndToEnd.rig()
            let first = steering == "auto" ? 21_160 : 21_140
            let edge = Edge(
                name: "last-good-\(first)", port: try Loopback.freePort(), first: first,
                steering: steering, rig: rig)
            var router = try await edge.start()
            try await edge.put("acme", postgres: rig.postgres15.port, router)
            try await edge.put("beta", postgres: rig.postgres17.port, router)
            try await edge.uploadCertificate(of: "beta", router)
            let before = try await edge.seen(router)
            #expect(Set(before.fingerprints).count == 2 && !before.fingerprints.contains(""))
            #expect(Set(before.versions).count == 2 && !before.versions.contains(""), "\(before)")
            #expect(before.pages == ["200", "200"])
            // Changes are copied behind their answers.
            let changed = Date().timeIntervalSince1970
            try await eventually("the copy is of all that") {
                try await router.metric("strait_registry_snapshot_timestamp_seconds") > changed
            }
            #expect(try await router.daemon.stop() == 0)
            try edge.moveRegistry(away: true)
            router = try await edge.start()
            #expect(try await router.metric("strait_registry_up") == 0)
            let copied = try await router.metric("strait_registry_snapshot_timestamp_seconds")
            #expect(copied > changed - 60 && copied < Date().timeIntervalSince1970)
            #expect(try await edge.seen(router) == before)
            #expect(try await !edge.tryPut("gamma", postgres: rig.postgres15.port, router))
            try edge.moveRegistry(away: false)
            try await eventually("the registry is followed again") {
                try await router.metric("strait_registry_up") == 1
            }
            try await edge.put("gamma", postgres: rig.postgres15.port, router)
            #expect(try await edge.version("gamma", router) == before.versions[0])
            #expect(try await edge.seen(router) == before)
            #expect(try await router.daemon.stop() == 0)
        }

        /// A router whose folder outlives it, and who dials it.
        private struct Edge {
            let name: String
            let port: Int
            let first: Int
            let steering: String
            let rig: Rig

            /// What the outside sees of two tenants.
            struct Seen: Equatable {
                var ports: [String]
                var versions: [String]
                var fingerprints: [String]
                var pages: [String]
            }

            var folder: String { "\(self.rig.shell.directory)/\(self.name)" }

            func start() async throws -> Router {
                try await Router.start(
                    self.name,
                    """
                    workers: 2
                    listeners: [{ name: public, address: "127.0.0.1:\(self.port)" }]
                    registry: { path: registry.db }
                    ports:
                      ranges: [\(self.first)-\(self.first + 19)]
                      steering: \(self.steering)

                    """, in: self.rig.shell)
            }

            func moveRegistry(away: Bool) throws {
                let files = FileManager.default
                for ending in ["", "-wal", "-shm"] {
                    let paths = ["registry.db", "away.db"].map { "\(self.folder)/\($0)\(ending)" }
                    let (source, target) = away ? (paths[0], paths[1]) : (paths[1], paths[0])
                    guard files.fileExists(atPath: source) else { continue }
                    try files.moveItem(atPath: source, toPath: target)
                }
            }

            func tryPut(_ tenant: String, postgres: Int, _ router: Router) async throws -> Bool {
                let document = """
                    {"name":"\(tenant)","domains":["\(tenant).test"],"services":[
                    {"name":"db","protocol":"postgres",
                     "upstreams":[{"address":"tcp://127.0.0.1:\(postgres)"}]},
                    {"name":"www","protocol":"web","mode":"terminate",
                     "upstreams":[{"address":"tcp://127.0.0.1:\(self.rig.web.plainPort)"}]}]}
                    """
                return try await self.rig.shell.run([
                    "curl", "-sS", "--fail-with-body", "--max-time", "20", "--unix-socket",
                    router.adminSocket, "-X", "PUT", "http://admin/v1/tenants/\(tenant)",
                    "--data-binary", document,
                ]).succeeded
            }

            func put(_ tenant: String, postgres: Int, _ router: Router) async throws {
                #expect(try await self.tryPut(tenant, postgres: postgres, router), "\(tenant)")
            }

            func uploadCertificate(of tenant: String, _ router: Router) async throws {
                let paths = ["pem", "key"].map { "\(self.folder)/\(tenant).\($0)" }
                try await self.rig.shell.must([
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=\(tenant)",
                    "-addext", "subjectAltName=DNS:www.\(tenant).test", "-addext",
                    "basicConstraints=critical,CA:FALSE", "-out", paths[0], "-keyout", paths[1],
                ])
                try await self.rig.shell.must([
                    Programs.strait, "certificate", "add", tenant, "main", "--chain", paths[0],
                    "--key", paths[1], "--admin", router.adminSocket,
                ])
            }

            func seen(_ router: Router) async throws -> Seen {
                var seen = Seen(ports: [], versions: [], fingerprints: [], pages: [])
                for tenant in ["acme", "beta"] {
                    seen.ports += try await self.ports(tenant, router).map {
                        "\(tenant) \($0.kind) \($0.port)"
                    }
                    seen.versions.append(try await self.version(tenant, router))
                    seen.fingerprints.append(try await self.fingerprint(tenant))
                    seen.pages.append(try await self.page(tenant))
                }
                return seen
            }

            private struct Port: Decodable {
                var port: Int
                var kind: String
                var state: String
            }

            private func ports(_ tenant: String, _ router: Router) async throws -> [Port] {
                let output = try await self.rig.strait([
                    "port", "ls", "--tenant", tenant, "--format", "json", "--admin",
                    router.adminSocket,
                ])
                let ports = try JSONDecoder().decode([Port].self, from: Data(output.text.utf8))
                #expect(ports.count == 5 && ports.allSatisfy { $0.state == "leased" }, "\(output)")
                return ports
            }

            /// What answers on the tenant's port for Postgres.
            func version(_ tenant: String, _ router: Router) async throws -> String {
                let ports = try await self.ports(tenant, router)
                let port = ports.first { $0.kind == "postgres" }?.port ?? 0
                // An address is no name, and is not sent as one.
                let connection =
                    "host=127.0.0.1 port=\(port) user=\(PostgreSQL.user) "
                    + "dbname=\(PostgreSQL.database) sslmode=require connect_timeout=20"
                return try await self.rig.shell.run([
                    PostgresProgram.psql17.psql, "-qAtX", connection, "-c",
                    "show server_version_num",
                ]).trimmed
            }

            private func fingerprint(_ tenant: String) async throws -> String {
                try await self.rig.shell.bash(
                    "openssl s_client -connect 127.0.0.1:\(self.port) -servername "
                        + "www.\(tenant).test </dev/null 2>/dev/null "
                        + "| openssl x509 -noout -fingerprint -sha256"
                ).trimmed
            }

            private func page(_ tenant: String) async throws -> String {
                try await self.rig.shell.run([
                    "curl", "-sSk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10",
                    "--resolve", "www.\(tenant).test:\(self.port):127.0.0.1",
                    "https://www.\(tenant).test:\(self.port)/",
                ]).trimmed
            }
        }
    }
}
