// A real MariaDB server, one that authenticates as MySQL 8 does, and a router in front of both.

import Foundation

/// The MySQL part of the rig.
struct MariaDB: Sendable {
    let daemon: Daemon
    let sha2: Daemon
    let router: Router
    let ports: Ports

    static let user = "demo"
    static let password = "tide"

    /// Where the router listens, and the servers behind it.
    struct Ports: Sendable {
        /// TLS by name, for `strait connect`.
        let shared: Int
        /// In passthrough, by `server_first`.
        let passthrough: Int
        /// TLS ends here, and is spoken again to the server.
        let terminate: Int
        /// TLS ends here, plain behind a PROXY header to the server.
        let plain: Int
        /// The same with a client certificate, by a UNIX socket to the server.
        let certificate: Int
        /// caching_sha2_password, over TLS to the server.
        let sha2: Int
        /// Nobody listens behind it.
        let down: Int
        let database: Int
        let sha2Database: Int

        func listener(_ mode: Mode) -> Int {
            switch mode {
            case .passthrough: self.passthrough
            case .terminate: self.terminate
            case .terminateWithCertificate: self.certificate
            }
        }
    }

    static func start(_ certificates: Certificates, in shell: Shell) async throws -> MariaDB {
        let free = try (0..<9).map { _ in try Loopback.freePort() }
        let ports = Ports(
            shared: free[0], passthrough: free[1], terminate: free[2], plain: free[3],
            certificate: free[4], sha2: free[5], down: free[6], database: free[7],
            sha2Database: free[8])
        let directory = "\(shell.directory)/mariadb"
        let daemon = try await self.database("mariadb", ports.database, certificates, in: shell)
        let tls = certificates.upstream
        let sha2 = try Daemon.start(
            "mysql-sha2",
            [
                Programs.python, Programs.script("mysql_sha2.py"), "\(ports.sha2Database)",
                tls.certificate, tls.key,
            ], in: shell)
        try await sha2.ready("listens") { Loopback.answers(.ipv4, ports.sha2Database) }
        let router = try await Router.start(
            "mysql-router", self.configuration(ports, certificates, directory), in: shell)
        return MariaDB(daemon: daemon, sha2: sha2, router: router, ports: ports)
    }

    func stop() async throws {
        for daemon in [self.router.daemon, self.sha2, self.daemon] where daemon.isRunning {
            try await daemon.stop()
        }
    }

    /// Starts a server alone; `select name from orders.whoami` answers its name.
    static func database(
        _ name: String, _ port: Int, _ certificates: Certificates, in shell: Shell
    ) async throws -> Daemon {
        let directory = "\(shell.directory)/\(name)"
        try await shell.must(["mkdir", "-m", "755", directory])
        let tls = certificates.upstream
        for (source, target) in [(tls.certificate, "server.crt"), (tls.key, "server.key")] {
            try await shell.must(["install", "-m", "600", source, "\(directory)/\(target)"])
        }
        if getuid() == 0 { try await shell.must(["chown", "-R", "mysql:", directory]) }
        let account = Daemon.asAccount("mysql")
        try await shell.must(
            account + [
                "env", "TMPDIR=\(directory)", "mariadb-install-db", "--no-defaults",
                "--datadir=\(directory)/data",
                "--skip-test-db", "--auth-root-authentication-method=normal",
            ], seconds: 60)
        let daemon = try Daemon.start(
            "\(name)d",
            [
                "mariadbd", "--no-defaults", "--datadir=\(directory)/data", "--port=\(port)",
                "--bind-address=127.0.0.1,::1", "--socket=\(directory)/s", "--skip-name-resolve",
                "--ssl-cert=\(directory)/server.crt", "--ssl-key=\(directory)/server.key",
                "--tmpdir=\(directory)", "--plugin-load-add=auth_ed25519", "--local-infile=1",
                "--proxy-protocol-networks=127.0.0.1,::1,localhost",
                "--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=64M",
            ], in: shell, account: "mysql")
        let root = ["mariadb", "--no-defaults", "-S", "\(directory)/s", "-uroot"]
        try await daemon.ready("answers") {
            try await shell.run(root + ["-e", "select 1"]).succeeded
        }
        try await shell.must(
            root + [
                "-e",
                """
                create database orders;
                create table orders.whoami (name varchar(20));
                insert into orders.whoami values ('\(name)');
                create user demo identified by 'tide';
                create user signed identified via ed25519 using password('tide');
                create user sealed identified by 'tide' require ssl;
                grant all on orders.* to demo, signed, sealed;
                """,
            ])
        return daemon
    }

    private static func configuration(
        _ ports: Ports, _ certificates: Certificates, _ directory: String
    ) -> String {
        func own(_ service: String, _ port: Int, _ how: String = "protocols: raw") -> String {
            "  - { name: \(service), address: \"[::]:\(port)\", \(how), tenant: acme, "
                + "service: \(service) }"
        }
        let verified = "ca: \(certificates.hostAuthority), server_name: localhost"
        let (database, sha2) = (ports.database, ports.sha2Database)
        let services = [
            ("pass", "passthrough", "address: \"tcp://127.0.0.1:\(database)\""),
            ("shop", "terminate", "address: \"tls://[::1]:\(database)\", \(verified)"),
            (
                "plain", "terminate",
                "address: \"tcp://127.0.0.1:\(database)\", proxy_protocol: v2"
            ),
            (
                "vault", "terminate, client_certificate: required",
                "address: \"unix:\(directory)/s\""
            ),
            ("sha2", "terminate", "address: \"tls://127.0.0.1:\(sha2)\", \(verified)"),
            ("down", "terminate", "address: \"tcp://127.0.0.1:1\""),
        ].map { name, mode, upstream in
            "      - { name: \(name), protocol: mysql, mode: \(mode), "
                + "upstreams: [{ \(upstream) }] }"
        }
        return """
            workers: 2
            listeners:
              - { name: shared, address: "[::]:\(ports.shared)", protocols: [tls] }
            \(own("pass", ports.passthrough, "protocols: [tls], server_first: mysql"))
            \(own("shop", ports.terminate))
            \(own("plain", ports.plain, "protocols: [tls], server_first: mysql"))
            \(own("vault", ports.certificate))
            \(own("sha2", ports.sha2))
            \(own("down", ports.down))
            tenants:
              - name: acme
                domains: [acme.test]
                certificates:
                  - { chain: \(certificates.acme.certificate), key: \(certificates.acme.key) }
                client_ca: [\(certificates.acmeUsers)]
                services:
            \(services.joined(separator: "\n"))

            """
    }
}
