// The mariadb program, PyMySQL and MySQL's own drivers, as they are, through every mode on both
// families.

import Foundation
import Testing

/// A driver of mysql_ask.py.
enum MySQLDriver: String, Sendable, CaseIterable {
    case pymysql, connector
    case connectorC = "connector-c"
}

/// One field of the matrix: a mode, or `strait connect` to the terminating service.
struct MySQLWay: Sendable, CustomTestStringConvertible {
    let driver: MySQLDriver
    let mode: Mode
    let family: Family

    static let all: [MySQLWay] = MySQLDriver.allCases.flatMap { driver in
        Mode.allCases.flatMap { mode in
            Family.allCases.map { MySQLWay(driver: driver, mode: mode, family: $0) }
        }
    }

    var testDescription: String {
        "\(self.driver.rawValue), \(self.mode.rawValue), \(self.family)"
    }

    /// The name that the certificate has to carry.
    static func name(_ mode: Mode) -> String {
        switch mode {
        case .passthrough: "pass.acme.test"
        case .terminate: "shop.acme.test"
        case .terminateWithCertificate: "vault.acme.test"
        }
    }
}

extension Rig {
    /// The mariadb program at a port.
    func mariadb(
        _ port: Int, _ family: Family, user: String = MariaDB.user,
        password: String = MariaDB.password, tls: [String]? = nil
    ) -> [String] {
        [
            "mariadb", "--no-defaults", "--protocol=tcp", "-h", family.address, "-P", "\(port)",
            "-u\(user)", "-p\(password)", "-NB", "--connect-timeout=20", "--local-infile=1",
        ] + (tls ?? ["--ssl", "--ssl-ca=\(self.certificates.hostAuthority)"])
    }

    /// The program's own certificate, where the mode wants one.
    func mysqlCertificate(_ mode: Mode) -> Identity {
        mode == .terminateWithCertificate
            ? self.certificates.alice : Identity(certificate: "", key: "")
    }

    /// mysql_ask.py; without `tls` in plain text.
    func askMySQL(
        _ driver: MySQLDriver, _ address: String, _ port: Int, name: String, tls: Bool = true,
        identity: Identity = Identity(certificate: "", key: ""), user: String = MariaDB.user,
        password: String = MariaDB.password, _ queries: [String]
    ) async throws -> Output {
        try await self.shell.run(
            [
                Programs.python, Programs.script("mysql_ask.py"), driver.rawValue, address,
                "\(port)", name, tls ? self.certificates.hostAuthority : "",
                identity.certificate, identity.key, user, password,
            ] + queries)
    }

    /// `strait connect` on a local port or socket; stop it.
    func connectMySQL(_ service: String, listen: String) async throws -> Daemon {
        let connect = try Daemon.start(
            "connect-mysql-\(UUID().uuidString.prefix(8))",
            [
                Programs.strait, "connect", "\(service).acme.test", "--router",
                "127.0.0.1:\(self.mysql.ports.shared)", "--ca", self.certificates.hostAuthority,
                "--service-protocol", "mysql", "--listen", listen,
                "--certificate", self.certificates.alice.certificate, "--key",
                self.certificates.alice.key,
            ], in: self.shell)
        try await connect.ready("listens") { connect.log.contains("leads to") }
        return connect
    }

    /// The record of the last connection that ended for a service of the MySQL router.
    func mysqlRecord(_ service: String, after count: Int) async throws -> AccessRecord {
        try await eventually("a record of \(service)") {
            try self.mysql.router.records().dropFirst(count).last {
                $0["strait.service"] == service
            }
        }
    }
}

private let whoami = "select name from orders.whoami"

extension EndToEnd {
    @Suite("MySQL") struct MySQLTests {
        @Test(
            "drivers log in, with a verified certificate", .timeLimit(.minutes(3)),
            arguments: MySQLWay.all)
        func drivers(_ way: MySQLWay) async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.askMySQL(
                way.driver, way.family.address, rig.mysql.ports.listener(way.mode),
                name: MySQLWay.name(way.mode), identity: rig.mysqlCertificate(way.mode),
                [whoami, "select repeat('x', 100000) = repeat('x', 100000)"])
            #expect(output.trimmed == "mariadb\n1", "\(output)")
        }

        @Test(
            "the mariadb program logs in: hashed, signed, and where the server wants TLS",
            .timeLimit(.minutes(3)), arguments: Mode.allCases, Family.allCases)
        func program(_ mode: Mode, _ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let port = rig.mysql.ports.listener(mode)
            let identity = rig.mysqlCertificate(mode)
            let mine =
                identity.key.isEmpty
                ? [] : ["--ssl-cert=\(identity.certificate)", "--ssl-key=\(identity.key)"]
            let tls = ["--ssl", "--ssl-ca=\(rig.certificates.hostAuthority)"] + mine
            // Behind the certificate's service the way to the server is a UNIX socket, without TLS.
            let users = ["demo", "signed"] + (mode == .terminateWithCertificate ? [] : ["sealed"])
            for user in users {
                for more in [[], ["--compress"]] {
                    let output = try await rig.shell.must(
                        rig.mariadb(port, family, user: user, tls: tls) + more + ["-e", whoami])
                    #expect(output.trimmed == "mariadb", "\(user): \(output)")
                }
            }
        }

        @Test(
            "a plain way to the server is counted anew, behind a PROXY header",
            .timeLimit(.minutes(3)), arguments: Family.allCases)
        func plain(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let before = try rig.mysql.router.records().count
            for user in ["demo", "signed"] {
                let output = try await rig.shell.must(
                    rig.mariadb(rig.mysql.ports.plain, family, user: user) + [
                        "-e",
                        "\(whoami); select substring_index(user(), '@', -1)",
                    ])
                #expect(output.trimmed == "mariadb\n\(family.address)", "\(output)")
            }
            let record = try await rig.mysqlRecord("plain", after: before)
            #expect(record["network.protocol.name"] == "mysql")
            #expect(record["strait.reason"] == "finished", "\(record)")
            #expect(record["tls.protocol.version"] == "1.3")
            for driver in MySQLDriver.allCases {
                let output = try await rig.askMySQL(
                    driver, family.address, rig.mysql.ports.plain, name: "plain.acme.test",
                    user: "demo", [whoami])
                #expect(output.trimmed == "mariadb", "\(output)")
            }
            // None of them says goodbye in TLS; MySQL's own word for it was sent.
            let reasons = try await eventually("five records") {
                let all = try rig.mysql.router.records().dropFirst(before)
                    .filter { $0["strait.service"] == "plain" }
                return all.count == 5 ? all.map { $0["strait.reason"] } : nil
            }
            #expect(Set(reasons) == ["finished"])
        }

        @Test(
            "LOAD DATA LOCAL INFILE moves the same bytes, and brings them back",
            .timeLimit(.minutes(10)), arguments: Mode.allCases, Family.allCases)
        func load(_ mode: Mode, _ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let text = "\(rig.shell.directory)/mysql-text"
            if !FileManager.default.fileExists(atPath: text) {
                _ = try await rig.shell.bash("base64 '\(rig.blob)' > '\(text)'")
            }
            let expected = try await Rig.sha256(of: text, in: rig.shell)
            let identity = rig.mysqlCertificate(mode)
            let mine =
                identity.key.isEmpty
                ? [] : ["--ssl-cert=\(identity.certificate)", "--ssl-key=\(identity.key)"]
            let tls = ["--ssl", "--ssl-ca=\(rig.certificates.hostAuthority)"] + mine
            let program = rig.mariadb(rig.mysql.ports.listener(mode), family, tls: tls)
            let index = Mode.allCases.firstIndex(of: mode) ?? 0
            let table = "orders.copied_\(index)_\(family)"
            try await rig.shell.must(
                program + [
                    "-e",
                    """
                    create table \(table) (id int auto_increment primary key, line varchar(100));
                    load data local infile '\(text)' into table \(table) (line);
                    """,
                ], seconds: 300)
            let words = (program + ["-q", "-e", "select line from \(table) order by id"])
                .map { "'\($0)'" }.joined(separator: " ")
            let output = try await rig.shell.bash("\(words) | sha256sum", seconds: 300)
            #expect(output.text.hasPrefix(expected), "\(output)")
            try await rig.shell.must(program + ["-e", "drop table \(table)"])
        }

        @Test("a wrong password is told by the server itself", .timeLimit(.minutes(3)))
        func wrongPassword() async throws {
            let rig = try EndToEnd.rig()
            for port in [rig.mysql.ports.terminate, rig.mysql.ports.plain] {
                let output = try await rig.shell.run(
                    rig.mariadb(port, .ipv4, password: "ebb") + ["-e", "select 1"])
                #expect(output.status == 1)
                #expect(
                    output.standardError.contains("ERROR 1045 (28000): Access denied for user"),
                    "\(output)")
                for driver in MySQLDriver.allCases {
                    let output = try await rig.askMySQL(
                        driver, "127.0.0.1", port, name: "shop.acme.test", password: "ebb",
                        [whoami])
                    #expect(output.text.hasPrefix("error 1045"), "\(output)")
                }
            }
        }

        @Test("who asks for no TLS is told to", .timeLimit(.minutes(3)))
        func tlsRequired() async throws {
            let rig = try EndToEnd.rig()
            let before = try rig.mysql.router.records().count
            let output = try await rig.shell.run(
                rig.mariadb(rig.mysql.ports.terminate, .ipv4, tls: ["--skip-ssl"])
                    + ["-e", "select 1"])
            #expect(
                output.standardError.contains("ERROR 3159 (HY000): Connections using insecure"),
                "\(output)")
            for driver in MySQLDriver.allCases {
                let output = try await rig.askMySQL(
                    driver, "::1", rig.mysql.ports.terminate, name: "shop.acme.test", tls: false,
                    [whoami])
                #expect(output.text.hasPrefix("error 3159"), "\(output)")
            }
            let record = try await rig.mysqlRecord("shop", after: before)
            #expect(record["strait.reason"] == "plaintext_refused")
            let id = try #require(record["strait.connection.id"])
            #expect(id.hasPrefix("c-"))
        }

        @Test("a server that is down is told instead of the greeting", .timeLimit(.minutes(3)))
        func down() async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.run(
                rig.mariadb(rig.mysql.ports.down, .ipv4) + ["-e", "select 1"])
            #expect(
                // MariaDB's program says that nobody vouches for what comes before TLS.
                output.standardError.contains("1429 - Unable to connect to the database"),
                "\(output)")
            for driver in MySQLDriver.allCases {
                let output = try await rig.askMySQL(
                    driver, "127.0.0.1", rig.mysql.ports.down, name: "down.acme.test", [whoami])
                #expect(output.text.hasPrefix("error 1429"), "\(output)")
                #expect(output.text.contains("(connection c-"), "\(output)")
            }
        }

        @Test("no certificate where one is required ends TLS", .timeLimit(.minutes(3)))
        func certificate() async throws {
            let rig = try EndToEnd.rig()
            let before = try rig.mysql.router.records().count
            let output = try await rig.shell.run(
                rig.mariadb(rig.mysql.ports.certificate, .ipv4) + ["-e", "select 1"])
            #expect(output.status == 1, "\(output)")
            let record = try await rig.mysqlRecord("vault", after: before)
            #expect(record["strait.reason"] == "client_certificate_missing", "\(record)")
            let mallory = try await rig.askMySQL(
                .pymysql, "127.0.0.1", rig.mysql.ports.certificate, name: "vault.acme.test",
                identity: rig.certificates.mallory, [whoami])
            #expect(mallory.status != 0)
        }

        @Test(
            "strait connect on port 443: every service, on a port and on a UNIX socket",
            .timeLimit(.minutes(2)), arguments: ["shop", "plain", "vault"])
        func connect(_ service: String) async throws {
            let rig = try EndToEnd.rig()
            for family in Family.allCases {
                let port = try Loopback.freePort()
                let connect = try await rig.connectMySQL(
                    service, listen: "\(family.bracketed):\(port)")
                for user in ["demo", "signed"] {
                    let output = try await rig.shell.must(
                        rig.mariadb(port, family, user: user, tls: ["--skip-ssl"])
                            + ["-e", whoami])
                    #expect(output.trimmed == "mariadb", "\(output)")
                }
                for driver in MySQLDriver.allCases {
                    let output = try await rig.askMySQL(
                        driver, family.address, port, name: "localhost", tls: false, [whoami])
                    #expect(output.trimmed == "mariadb", "\(output)")
                }
                try await connect.stop()
            }
            let path = "\(rig.shell.directory)/\(service).sock"
            let connect = try await rig.connectMySQL(service, listen: "unix:\(path)")
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
            #expect(mode as? Int == 0o600)
            let output = try await rig.shell.must([
                "mariadb", "--no-defaults", "-S", path, "-udemo", "-ptide", "-NB", "-e", whoami,
            ])
            #expect(output.trimmed == "mariadb", "\(output)")
            try await connect.stop()
            #expect(!FileManager.default.fileExists(atPath: path))
        }

        @Test(
            "caching_sha2_password: the whole way, the fast way, and a wrong password",
            .timeLimit(.minutes(2)), arguments: MySQLDriver.allCases)
        func sha2(_ driver: MySQLDriver) async throws {
            let rig = try EndToEnd.rig()
            let port = rig.mysql.ports.sha2
            let path = "\(rig.shell.directory)/sha2-\(driver.rawValue).sock"
            let local = try Loopback.freePort()
            let socket = try await rig.connectMySQL("sha2", listen: "unix:\(path)")
            let tcp = try await rig.connectMySQL("sha2", listen: "127.0.0.1:\(local)")
            // Each account is new to the server on each way, and known there afterwards.
            for _ in 0..<2 {
                let ways = [("127.0.0.1", port, true), ("::1", port, true), (path, 0, false)]
                for (index, way) in ways.enumerated() {
                    let output = try await rig.askMySQL(
                        driver, way.0, way.1, name: "sha2.acme.test", tls: way.2,
                        user: "\(driver.rawValue)\(index)", ["select 1 + 1"])
                    #expect(output.trimmed == "2", "\(output)")
                }
            }
            // Without TLS of its own PyMySQL encrypts the password with the server's key.
            if driver == .pymysql {
                let output = try await rig.askMySQL(
                    driver, "127.0.0.1", local, name: "localhost", tls: false, user: "sealed",
                    ["select 1 + 1"])
                #expect(output.trimmed == "2", "\(output)")
            }
            let wrong = try await rig.askMySQL(
                driver, "127.0.0.1", port, name: "sha2.acme.test", user: "stranger",
                password: "ebb", ["select 1"])
            #expect(wrong.text.contains("Access denied for user 'stranger' (sha2)"), "\(wrong)")
            #expect(!rig.mysql.sha2.log.contains("LEAK"))
            try await socket.stop()
            try await tcp.stop()
        }

        @Test(
            "a server that is killed during a query ends its connections", .timeLimit(.minutes(3)))
        func killed() async throws {
            let rig = try EndToEnd.rig()
            let port = try Loopback.freePort()
            let listen = try Loopback.freePort()
            let tls = rig.certificates.upstream
            let doomed = try Daemon.start(
                "mysql-doomed",
                [
                    Programs.python, Programs.script("mysql_sha2.py"), "\(port)", tls.certificate,
                    tls.key,
                ], in: rig.shell)
            try await doomed.ready("listens") { Loopback.answers(.ipv4, port) }
            let router = try await Router.start(
                "mysql-doomed-router",
                """
                listeners:
                  - { name: db, address: "127.0.0.1:\(listen)", protocols: raw, tenant: acme,
                      service: doomed }
                tenants:
                  - name: acme
                    domains: [acme.test]
                    certificates:
                      - chain: \(rig.certificates.acme.certificate)
                        key: \(rig.certificates.acme.key)
                    services:
                      - name: doomed
                        protocol: mysql
                        mode: terminate
                        upstreams: [{ address: "tls://127.0.0.1:\(port)", server_name: localhost,
                            ca: \(rig.certificates.hostAuthority) }]

                """, in: rig.shell)
            let asking = try Daemon.start(
                "mysql-asking",
                [
                    Programs.python, Programs.script("mysql_ask.py"), "pymysql", "127.0.0.1",
                    "\(listen)", "doomed.acme.test", rig.certificates.hostAuthority, "", "",
                    "demo", "tide", "select 'here'", "select * from forever",
                ], in: rig.shell)
            try await eventually("the query") { asking.log.contains("here") }
            doomed.signal(SIGKILL)
            let status = try await eventually("the driver ends") { asking.exitStatus }
            #expect(status == 1)
            #expect(asking.log.contains("error 2013"), "\(asking.log)")
            let record = try await eventually("a record") { try router.records().last }
            #expect(record["strait.side"] == "upstream", "\(record)")
            try await router.daemon.stop()
        }
    }
}
