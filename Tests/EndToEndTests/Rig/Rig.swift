// Everything that the tests run against: real upstreams, and one router in front of all of them.

import Foundation
import Glibc
import Testing

/// The whole rig.
///
/// Started once before the first test, stopped after the last.
struct Rig: Sendable {
    @TaskLocal static var current: Rig?

    let shell: Shell
    let certificates: Certificates
    let openSSH: OpenSSH
    /// Two servers, so that a wrong target would be noticed.
    let postgres15: PostgreSQL
    let postgres17: PostgreSQL
    let web: WebServers
    let mysql: MariaDB
    /// Random bytes, ``transferBytes`` of them, and their SHA-256.
    let blob: String
    let blobHash: String
    /// The router of the matrix; tests that stop or reload one start their own.
    let router: Router
    let ports: RouterPorts

    static func start() async throws -> Rig {
        let directory = try temporaryDirectory()
        let shell = Shell(directory: directory)
        try Reaper.watch(directory)
        for program in [Programs.python, Programs.promtool]
        where !FileManager.default.isExecutableFile(atPath: program) {
            throw Missing(what: program)
        }
        let certificates = try await Certificates.make(in: shell)
        let blob = "\(directory)/blob"
        try await shell.must(
            ["head", "-c", "\(transferBytes)", "/dev/urandom"], input: .nothing
        ).standardOutput.write(to: URL(filePath: blob))
        try await shell.must(["chmod", "a+r", blob])
        let openSSH = try await OpenSSH.start(in: shell)
        let tls = certificates.upstream
        async let postgres15 = PostgreSQL.start(.v15, name: "pg15", tls: tls, in: shell)
        async let postgres17 = PostgreSQL.start(.v17, name: "pg17", tls: tls, in: shell)
        async let mysql = MariaDB.start(certificates, in: shell)
        let web = try await WebServers.start(
            sshPort: openSSH.port, tls: tls, blob: blob, in: shell)
        let upstreams = try await UpstreamPorts(
            ssh: openSSH.port, tlsToSSH: web.tlsToSSHPort, postgres15: postgres15.port,
            postgres17: postgres17.port, web: web.plainPort, webTLS: web.tlsPort,
            webSocket: web.webSocketPort, webSocketFile: web.unixSocket,
            digest: web.digestPort, tlsToDigest: web.tlsToDigestPort,
            proxy: web.proxyPort)
        let ports = try RouterPorts.free()
        let body = Plan.matrix(ports: ports, upstreams: upstreams, certificates: certificates)
        let router = try await Router.start("router", body, in: shell)
        return try await Rig(
            shell: shell, certificates: certificates, openSSH: openSSH, postgres15: postgres15,
            postgres17: postgres17, web: web, mysql: mysql, blob: blob,
            blobHash: sha256(of: blob, in: shell),
            router: router, ports: ports)
    }

    /// Stops what was started, the router first: it must drain while its upstreams still are there.
    func stop() async throws {
        var problems: [any Error] = []
        let daemons =
            [
                self.router.daemon, self.openSSH.daemon, self.web.nginx, self.web.webSocket,
            ] + self.web.digests
        for daemon in daemons where daemon.isRunning {
            do { try await daemon.stop() } catch { problems.append(error) }
        }
        for server in [self.postgres15, self.postgres17] {
            do { try await server.daemon.stop(signal: SIGINT) } catch { problems.append(error) }
        }
        do { try await self.mysql.stop() } catch { problems.append(error) }
        if let problem = problems.first { throw problem }
        // Without the list the reaper, too, leaves what is there.
        let keeps = ProcessInfo.processInfo.environment["STRAIT_KEEP"] == "1"
        try FileManager.default.removeItem(
            atPath: self.shell.directory + (keeps ? "/pids" : ""))
    }

    static func sha256(of path: String, in shell: Shell) async throws -> String {
        String(try await shell.must(["sha256sum", path], seconds: 120).text.prefix(64))
    }

    private static func temporaryDirectory() throws -> String {
        // Where the router runs in a unit, a folder that both see.
        let parent = Programs.unit.map { ($0 as NSString).deletingLastPathComponent } ?? "/tmp"
        var template = Array("\(parent)/strait-e2e-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.EACCES) }
        let path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // PostgreSQL's account must get in.
        guard chmod(path, 0o755) == 0 else { throw POSIXError(.EACCES) }
        return path
    }
}

/// Starts the rig around a suite, and stops it afterwards whatever happened.
struct RigTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let rig = try await Rig.start()
        do {
            try await Rig.$current.withValue(rig) { try await function() }
        } catch {
            try await rig.stop()
            throw error
        }
        try await rig.stop()
    }
}

extension Trait where Self == RigTrait {
    static var rig: Self { RigTrait() }
}

/// All suites that need the rig are extensions of this one: they run one after another.
@Suite("End to end", .serialized, .rig)
struct EndToEnd {
    /// The rig; a test outside of this suite has none.
    static func rig() throws -> Rig { try #require(Rig.current) }
}
