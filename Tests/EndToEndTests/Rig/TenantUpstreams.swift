// One real upstream of each kind for a tenant alone, each of which tells whose it is.

import Foundation
import Testing

/// What stands behind the services of a tenant; no two tenants have the same.
struct TenantUpstreams: Sendable {
    /// `select name from whoami` answers the name that it was started with.
    let postgres: PostgreSQL
    let mariadb: Daemon
    let mariadbPort: Int
    /// Tells its port in SSH_CONNECTION.
    let ssh: OpenSSH
    /// Its pod `web` has the tenant's name as its label `tide`.
    let kubernetes: Daemon
    let kubernetesPort: Int
    let nginx: Daemon
    /// Answers "NAME HTTP/VERSION", over TLS.
    let webPort: Int
    /// The same, with "moved" before it.
    let movedWebPort: Int
    let echo: Daemon
    /// On `::1`.
    let echoPort: Int

    /// Starts them; `tls` is what the API server shows.
    static func start(
        _ name: String, _ rig: Rig, postgres: PostgreSQL, tls: Identity? = nil
    ) async throws -> TenantUpstreams {
        let ports = try (0..<6).map { _ in try Loopback.freePort() }
        let shell = rig.shell
        async let mariadb = MariaDB.database("\(name)-maria", ports[0], rig.certificates, in: shell)
        async let ssh = OpenSSH.start("\(name)-ssh", in: shell)
        async let kubernetes = Kubernetes.double(rig, name, ports[1], plain: ports[2], tls: tls)
        let nginx = try await Self.web(name, ports[3], moved: ports[4], rig)
        let echo = try Daemon.start(
            "\(name)-echo", [Programs.python, Programs.script("byte_echo.py"), "\(ports[5])"],
            in: shell)
        try await echo.ready("listens") { Loopback.answers(.ipv6, ports[5]) }
        return try await TenantUpstreams(
            postgres: postgres, mariadb: mariadb, mariadbPort: ports[0], ssh: ssh,
            kubernetes: kubernetes, kubernetesPort: ports[1], nginx: nginx, webPort: ports[3],
            movedWebPort: ports[4], echo: echo, echoPort: ports[5])
    }

    /// Stops what is this tenant's alone.
    func stop() async throws {
        for daemon in [self.mariadb, self.ssh.daemon, self.kubernetes, self.nginx, self.echo]
        where daemon.isRunning {
            try await daemon.stop()
        }
    }

    private static func web(
        _ name: String, _ port: Int, moved: Int, _ rig: Rig
    ) async throws
        -> Daemon
    {
        let stem = "\(rig.shell.directory)/\(name)-web"
        let tls = rig.certificates.upstream
        let answers = [(port, name), (moved, "moved \(name)")].map { port, answer in
            """
                server {
                    listen 127.0.0.1:\(port) ssl http2;
                    return 200 "\(answer) $server_protocol\\n";
                }

            """
        }
        try """
        pid \(stem).pid;
        error_log \(stem).log;
        events { }
        http {
            access_log off;
            client_body_temp_path \(stem)-body;
            proxy_temp_path \(stem)-proxy;
            fastcgi_temp_path \(stem)-fastcgi;
            uwsgi_temp_path \(stem)-uwsgi;
            scgi_temp_path \(stem)-scgi;
            ssl_certificate \(tls.certificate);
            ssl_certificate_key \(tls.key);
        \(answers.joined())}
        """.write(toFile: "\(stem).conf", atomically: true, encoding: .utf8)
        let nginx = try Daemon.start(
            "\(name)-nginx", ["nginx", "-c", "\(stem).conf", "-g", "daemon off;"], in: rig.shell)
        try await nginx.ready("listens") {
            [port, moved].allSatisfy { Loopback.answers(.ipv4, $0) }
        }
        return nginx
    }
}
