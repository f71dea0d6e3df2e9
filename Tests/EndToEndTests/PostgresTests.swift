// psql, psycopg, asyncpg and pgbench, as they are, through every mode on both families.

import Foundation
import Testing

/// A Postgres program and how it asks for TLS.
enum PostgresProgram: String, Sendable, CaseIterable {
    case psql15 = "psql 15, SSLRequest"
    case psql17 = "psql 17, SSLRequest"
    case psql17Direct = "psql 17, direct TLS"

    var release: PostgreSQL.Release { self == .psql15 ? .v15 : .v17 }
    var isDirect: Bool { self == .psql17Direct }
    var psql: String { "\(PostgreSQL.programs(self.release))/psql" }
}

/// One field of the matrix.
struct PostgresWay: Sendable, CustomTestStringConvertible {
    let program: PostgresProgram
    let mode: Mode
    let family: Family

    static let all: [PostgresWay] = PostgresProgram.allCases.flatMap { program in
        Mode.allCases.flatMap { mode in
            Family.allCases.map { PostgresWay(program: program, mode: mode, family: $0) }
        }
    }

    var testDescription: String {
        "\(self.program.rawValue), \(self.mode.rawValue), \(self.family)"
    }

    func connection(_ rig: Rig) -> String {
        rig.postgres(Names.postgres(self.mode), self.mode, self.family)
            + (self.program.isDirect ? " sslnegotiation=direct" : "")
    }

    /// The upstream that has to answer.
    func upstream(_ rig: Rig) -> PostgreSQL {
        self.mode == .terminate ? rig.postgres15 : rig.postgres17
    }
}

extension Rig {
    /// A libpq connection string through the router, with the certificate verified.
    func postgres(_ host: String, _ mode: Mode, _ family: Family) -> String {
        var text =
            "host=\(host) hostaddr=\(family.address) port=\(self.ports.shared) "
            + "user=\(PostgreSQL.user) dbname=\(PostgreSQL.database) sslmode=verify-full "
            + "sslrootcert=\(self.certificates.hostAuthority) connect_timeout=20"
        if mode == .terminateWithCertificate {
            let alice = self.certificates.alice
            text += " sslcert=\(alice.certificate) sslkey=\(alice.key)"
        }
        return text
    }
}

extension EndToEnd {
    @Suite("Postgres") struct PostgresTests {
        @Test("the rig itself: both servers answer, each by its own name")
        func baseline() async throws {
            let rig = try EndToEnd.rig()
            for server in [rig.postgres15, rig.postgres17] {
                let output = try await rig.shell.must([
                    PostgresProgram.psql15.psql, "-qAtX", server.direct(.ipv6), "-c",
                    "select name from whoami",
                ])
                #expect(output.trimmed == server.name)
            }
        }

        @Test(
            "the name leads to the right server, with a verified certificate",
            .timeLimit(.minutes(3)), arguments: PostgresWay.all)
        func query(_ way: PostgresWay) async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must([
                way.program.psql, "-qAtX", way.connection(rig), "-c", "select name from whoami",
            ])
            #expect(output.trimmed == way.upstream(rig).name)
        }

        @Test(
            "COPY moves the same bytes as a direct connection, both ways", .timeLimit(.minutes(5)),
            arguments: PostgresWay.all)
        func copy(_ way: PostgresWay) async throws {
            let rig = try EndToEnd.rig()
            let text = "\(rig.shell.directory)/text"
            if !FileManager.default.fileExists(atPath: text) {
                _ = try await rig.shell.bash("base64 '\(rig.blob)' > '\(text)'")
            }
            let expected = try await Rig.sha256(of: text, in: rig.shell)
            for connection in [way.upstream(rig).direct(), way.connection(rig)] {
                let output = try await rig.shell.must(
                    [
                        way.program.psql, "-qAtX", "-v", "ON_ERROR_STOP=1", connection,
                        "-c", "create temp table copied (line text)",
                        "-c", "\\copy copied from '\(text)'",
                        "-c", "\\copy copied to program 'sha256sum'",
                    ], seconds: 200)
                #expect(output.text.hasPrefix(expected), "\(output)")
            }
        }

        @Test(
            "libpq 18 and asyncpg: direct TLS, LISTEN and NOTIFY", .timeLimit(.minutes(3)),
            arguments: Mode.allCases, Family.allCases)
        func drivers(_ mode: Mode, _ family: Family) async throws {
            let rig = try EndToEnd.rig()
            for negotiation in ["postgres", "direct"] {
                let connection =
                    rig.postgres(Names.postgres(mode), mode, family)
                    + " sslnegotiation=\(negotiation)"
                let output = try await rig.shell.must([
                    Programs.python, Programs.script("postgres_notify.py"), connection,
                ])
                #expect(output.trimmed == "notified: tide", "\(output)")
            }
            let alice = rig.certificates.alice
            let output = try await rig.shell.must([
                Programs.python, Programs.script("postgres_asyncpg.py"), family.address,
                "\(rig.ports.shared)", Names.postgres(mode), rig.certificates.hostAuthority,
                mode == .terminateWithCertificate ? alice.certificate : "",
                mode == .terminateWithCertificate ? alice.key : "",
            ])
            #expect(output.trimmed == (mode == .terminate ? "pg15" : "pg17"), "\(output)")
        }

        @Test("pgbench finishes without a failed transaction", .timeLimit(.minutes(3)))
        func pgbench() async throws {
            let rig = try EndToEnd.rig()
            let programs = PostgreSQL.programs(.v15)
            let route = rig.postgres(Names.postgres(.terminate), .terminate, .ipv4)
            _ = try await rig.shell.must(
                ["\(programs)/pgbench", "-i", "-q", "-s", "1", route], seconds: 60)
            let output = try await rig.shell.must(
                ["\(programs)/pgbench", "-c", "8", "-j", "2", "-t", "100", "-C", route],
                seconds: 120)
            #expect(output.text.contains("number of failed transactions: 0"), "\(output)")
            #expect(output.text.contains("800/800"), "\(output)")
        }
    }
}
