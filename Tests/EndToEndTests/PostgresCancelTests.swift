// Ctrl-C: a cancel request ends the query that it names, and no other.

import Foundation
import Glibc
import Testing

extension EndToEnd {
    @Suite("Postgres, Ctrl-C") struct PostgresCancelTests {
        @Test(
            "psql's plain-text cancel reaches its own query and no other, where TLS ends here",
            .timeLimit(.minutes(3)), arguments: Family.allCases)
        func plainCancel(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let mine = try await Sleeper.start(
                "mine-\(family)", rig.postgres("orders.acme.test", .terminate, family),
                on: rig.postgres15, psql: .psql15, rig)
            let other = try await Sleeper.start(
                "other-\(family)", rig.postgres("orders.globex.test", .terminate, family),
                on: rig.postgres17, psql: .psql15, rig)
            let bystander = try await Sleeper.start(
                "bystander-\(family)", rig.postgres("orders.acme.test", .terminate, family),
                on: rig.postgres15, psql: .psql17Direct, rig)
            try await mine.interrupt()
            #expect(try await other.isActive())
            #expect(try await bystander.isActive())
            try await bystander.interrupt()
            #expect(try await other.isActive())
            try await other.interrupt()
        }

        @Test(
            "libpq 18 cancels encrypted, in every mode", .timeLimit(.minutes(3)),
            arguments: Mode.allCases, Family.allCases)
        func encryptedCancel(_ mode: Mode, _ family: Family) async throws {
            let rig = try EndToEnd.rig()
            for negotiation in ["postgres", "direct"] {
                let connection =
                    rig.postgres(Names.postgres(mode), mode, family)
                    + " sslnegotiation=\(negotiation)"
                let output = try await rig.shell.must(
                    [Programs.python, Programs.script("postgres_cancel.py"), connection],
                    seconds: 40)
                #expect(output.trimmed == "cancelled", "\(output)")
            }
        }

        @Test("a plain-text cancel in passthrough is counted, recorded and harms nobody")
        func unroutableCancel() async throws {
            let rig = try EndToEnd.rig()
            let sleeper = try await Sleeper.start(
                "opaque", rig.postgres("ledger.acme.test", .passthrough, .ipv4),
                on: rig.postgres17, psql: .psql15, rig)
            sleeper.psql.signal(SIGINT)
            _ = try await rig.router.record("of the cancel") {
                $0["strait.reason"] == "cancel_unknown"
            }
            #expect(try await sleeper.isActive())
            try await sleeper.end()
        }
    }
}

/// A psql that sleeps on a server, told from others by its application name.
struct Sleeper: Sendable {
    let name: String
    let psql: Daemon
    let upstream: PostgreSQL

    static func start(
        _ name: String, _ connection: String, on upstream: PostgreSQL, psql: PostgresProgram,
        _ rig: Rig
    ) async throws -> Sleeper {
        let daemon = try Daemon.start(
            "psql-\(name)",
            [
                psql.psql, "-X",
                "\(connection) application_name=\(name)"
                    + (psql.isDirect ? " sslnegotiation=direct" : ""),
                "-c", "select pg_sleep(120)",
            ], in: rig.shell)
        let sleeper = Sleeper(name: name, psql: daemon, upstream: upstream)
        try await daemon.ready("its query runs") { try await sleeper.isActive() }
        return sleeper
    }

    /// Whether the server runs the query, asked around the router.
    func isActive() async throws -> Bool {
        let question = """
            select count(*) from pg_stat_activity
            where application_name = '\(self.name)' and state = 'active'
            """
        return try await self.upstream.shell.must([
            PostgresProgram.psql15.psql, "-qAtX", self.upstream.direct(), "-c", question,
        ]).trimmed == "1"
    }

    /// Ctrl-C, and the query has to end by it.
    func interrupt() async throws {
        self.psql.signal(SIGINT)
        let status = try await eventually("\(self.name) was cancelled", within: 15) {
            self.psql.exitStatus
        }
        #expect(status != 0)
        #expect(
            self.psql.log.contains("canceling statement due to user request"), "\(self.psql.log)")
        #expect(try await !self.isActive())
    }

    /// Ends the query on the server, and psql with it.
    func end() async throws {
        try await self.upstream.shell.must([
            PostgresProgram.psql15.psql, "-qAtX", self.upstream.direct(), "-c",
            "select pg_cancel_backend(pid) from pg_stat_activity "
                + "where application_name = '\(self.name)'",
        ])
        try await eventually("\(self.name) ended") { self.psql.exitStatus != nil }
    }
}
