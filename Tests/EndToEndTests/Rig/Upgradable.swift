// A router whose process changes while its downstreams stay: what a test of upgrades needs.

import Foundation
import Glibc

/// A router that is upgraded, with a service of every protocol.
struct Upgradable: Sendable {
    let rig: Rig
    let router: Router
    let shared: Int
    let mysql: Int
    let body: String

    /// Starts one.
    ///
    /// - Parameters:
    ///   - name: Names its folder.
    ///   - timeouts: Lines of `timeouts`.
    /// - Returns: The router, ready.
    /// - Throws: What goes wrong on the way.
    static func start(
        _ name: String, timeouts: String = "{ upgrade: 1h, drain: 5s }"
    ) async throws -> Upgradable {
        let rig = try EndToEnd.rig()
        let shared = try Loopback.freePort()
        let mysql = try Loopback.freePort()
        let mine = rig.certificates.acme
        func service(_ name: String, _ what: String, _ port: Int) -> String {
            "      - { name: \(name), protocol: \(what), mode: terminate, "
                + "upstreams: [{ address: \"tcp://127.0.0.1:\(port)\" }] }"
        }
        let body = """
            workers: 2
            listeners:
              - { name: shared, address: "[::]:\(shared)", protocols: [tls, ssh, http, postgres] }
              - { name: sql, address: "[::]:\(mysql)", protocols: raw, tenant: acme, service: shop }
            timeouts: \(timeouts)
            tenants:
              - name: acme
                domains: [acme.test]
                certificates: [{ chain: \(mine.certificate), key: \(mine.key) }]
                services:
            \(service("www", "web, alpn: [http/1.1]", rig.web.plainPort))
            \(service("ws", "web, alpn: [http/1.1]", rig.web.webSocketPort))
            \(service("orders", "postgres", rig.postgres15.port))
            \(service("shop", "mysql", rig.mysql.ports.database))
            \(service("shell", "ssh", rig.openSSH.port))
            defaults: { ssh: acme/shell }

            """
        return Upgradable(
            rig: rig, router: try await Router.start(name, body, in: rig.shell), shared: shared,
            mysql: mysql, body: body)
    }

    /// `strait upgrade`; the process that it started is ended with the tests.
    func upgrade(_ arguments: [String] = []) async throws -> Output {
        let output = try await self.rig.strait(
            ["upgrade", "--format", "json", "--admin", self.router.adminSocket] + arguments)
        if output.succeeded, let pid = try Self.object(output.text)["pid"] as? NSNumber {
            Reaper.remember(pid.int32Value, in: self.rig.shell.directory)
        }
        return output
    }

    /// The process that accepts, and those that drain.
    func pids() async throws -> [Int32] {
        let status = try Self.object(try await self.router.ask("/v1/status").text)
        let draining = status["draining"] as? [[String: Any]] ?? []
        return ([status] + draining).compactMap { ($0["pid"] as? NSNumber)?.int32Value }
    }

    /// Waits until these are the processes; one that has ended is told of for a moment.
    func becomes(_ pids: [Int32]) async throws {
        try await eventually("the processes are \(pids)") { try await self.pids() == pids }
    }

    static func object(_ text: String) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return object as? [String: Any] ?? [:]
    }

    /// The status of one request.
    func status() async throws -> String {
        try await self.rig.shell.run(
            self.rig.curl("www.acme.test", .terminate, .ipv4, port: self.shared) + [
                "-o", "/dev/null", "-w", "%{http_code}", "https://www.acme.test:\(self.shared)/",
            ]
        ).trimmed
    }

    /// A connection string through this router.
    var postgres: String {
        self.rig.postgres("orders.acme.test", .terminate, .ipv4)
            .replacing("port=\(self.rig.ports.shared)", with: "port=\(self.shared)")
    }

    /// Ends every process, and waits until they have ended.
    func stop() async throws {
        let pids = try await self.pids() + [self.router.daemon.pid]
        for pid in pids { kill(pid, SIGTERM) }
        try await eventually("every process ends", within: 30) {
            pids.allSatisfy { Self.hasEnded($0) }
        }
    }

    /// Whether a process is gone; one that waits to be reaped is.
    static func hasEnded(_ pid: Int32) -> Bool {
        // No such file: no such process.
        let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return stat.isEmpty || stat.contains(") Z ")
    }
}

/// Four connections that are used all the time, each by a program of its kind, until they are told
/// to end.
struct LongLived: Sendable {
    let programs: [Daemon]
    private let file: String

    static func start(_ name: String, through target: Upgradable) async throws -> LongLived {
        let rig = target.rig
        let file = "\(rig.shell.directory)/\(name)-stop"
        let ssh = try rig.openSSH.configuration(
            "\(name)-ssh", reach: .address(.ipv4, target.shared))
        let mariadb = rig.mariadb(target.mysql, .ipv4, tls: ["--ssl"]).joined(separator: "' '")
        func fed(_ line: String, _ last: String, _ program: String) -> [String] {
            [
                "bash", "-c",
                "(while [ ! -e '\(file)' ]; do echo \"\(line)\"; sleep 0.1; done; "
                    + "echo \"\(last)\") | \(program)",
            ]
        }
        let commands = [
            "psql": fed(
                "select 'on';", "select 'whole';",
                "'\(PostgresProgram.psql15.psql)' -v ON_ERROR_STOP=1 -qAtX '\(target.postgres)'"),
            "mariadb": fed(
                "select 'on';", "select 'whole';",
                "'\(mariadb)' --unbuffered --skip-reconnect orders"),
            "ssh": fed("on", "whole", "ssh -F '\(ssh)' target cat"),
            "websocket": [
                Programs.python, Programs.script("websocket_hold.py"), "ws.acme.test",
                "\(target.shared)", rig.certificates.hostAuthority, file,
            ],
        ]
        let programs = try commands.sorted { $0.key < $1.key }.map { kind, command in
            try Daemon.start("\(name)-\(kind)", command, in: rig.shell)
        }
        for program in programs {
            try await program.ready("its connection is used") {
                program.log.split(separator: "\n").count > 2
            }
        }
        return LongLived(programs: programs, file: file)
    }

    /// Tells them to end, and returns what those wrote that were cut off.
    func end() async throws -> [String] {
        _ = FileManager.default.createFile(atPath: self.file, contents: nil)
        var cut: [String] = []
        for program in self.programs {
            let status = try await eventually("\(program.name) ends") { program.exitStatus }
            if status != 0 || !program.log.hasSuffix("whole\n") {
                cut.append("\(program.name): status \(status), \(program.log.suffix(300))")
            }
        }
        return cut
    }
}
