// A real nginx: plain and over TLS, HTTP/1.1 and HTTP/2, and TLS around sshd; and a WebSocket echo.

import Foundation

/// The web upstreams, and what else nginx does for the rig.
struct WebServers: Sendable {
    let nginx: Daemon
    let webSocket: Daemon
    /// HTTP/1.1 in clear.
    let plainPort: Int
    /// HTTP/1.1 and HTTP/2 over TLS.
    let tlsPort: Int
    /// TLS around sshd, for SSH in passthrough.
    let tlsToSSHPort: Int
    /// A WebSocket that sends back what it gets.
    let webSocketPort: Int
    /// Answers only after the end of its input; on `::1`.
    let digests: [Daemon]
    let digestPort: Int
    /// HTTP/1.1 behind a mandatory PROXY header; `/` tells the address in it.
    let proxyPort: Int
    /// The same over TLS.
    let tlsToDigestPort: Int
    /// The folder that nginx serves.
    let root: String
    /// nginx on a UNIX socket.
    let unixSocket: String

    static func start(
        sshPort: Int, tls: Identity, blob: String, in shell: Shell
    ) async throws -> WebServers {
        let directory = "\(shell.directory)/web"
        let root = "\(directory)/root"
        try await shell.must(["mkdir", "-p", "\(root)/upload"])
        try await shell.must(["cp", blob, "\(root)/blob"])
        try "<!doctype html><title>Strait</title><p id=it>a page</p>\n".write(
            toFile: "\(root)/index.html", atomically: true, encoding: .utf8)
        try await shell.must(["chmod", "-R", "a+rwX", directory])
        let ports = try (0..<7).map { _ in try Loopback.freePort() }
        let unixSocket = "\(directory)/nginx.sock"
        let text = configuration(
            directory: directory, ports: ports, sshPort: sshPort, tls: tls,
            unixSocket: unixSocket)
        try text.write(toFile: "\(directory)/nginx.conf", atomically: true, encoding: .utf8)
        let nginx = try Daemon.start(
            "nginx", ["nginx", "-c", "\(directory)/nginx.conf", "-g", "daemon off;"], in: shell)
        try await nginx.ready("listens") { ports[0..<3].allSatisfy { Loopback.answers(.ipv4, $0) } }
        let echo = try Daemon.start(
            "websocket",
            [Programs.python, Programs.script("websocket_echo.py"), "\(ports[3])"], in: shell)
        try await echo.ready("listens") { Loopback.answers(.ipv4, ports[3]) }
        let digest = [Programs.python, Programs.script("digest_server.py")]
        let digests = [
            try Daemon.start("digest", digest + ["\(ports[4])"], in: shell),
            try Daemon.start(
                "digest-tls", digest + ["\(ports[5])", tls.certificate, tls.key], in: shell),
        ]
        for (daemon, port) in zip(digests, ports[4...5]) {
            try await daemon.ready("listens") { Loopback.answers(.ipv6, port) }
        }
        return WebServers(
            nginx: nginx, webSocket: echo, plainPort: ports[0], tlsPort: ports[1],
            tlsToSSHPort: ports[2], webSocketPort: ports[3], digests: digests, digestPort: ports[4],
            proxyPort: ports[6],
            tlsToDigestPort: ports[5], root: root, unixSocket: unixSocket)
    }

    private static func configuration(
        directory: String, ports: [Int], sshPort: Int, tls: Identity, unixSocket: String
    ) -> String {
        """
        load_module /usr/lib/nginx/modules/ngx_stream_module.so;
        pid \(directory)/nginx.pid;
        error_log \(directory)/error.log;
        worker_processes 1;
        events { worker_connections 16384; }
        worker_rlimit_nofile 40000;
        http {
            access_log off;
            client_max_body_size 2g;
            client_header_timeout 600s;
            keepalive_requests 100000;
            client_body_temp_path \(directory)/body;
            proxy_temp_path \(directory)/proxy;
            fastcgi_temp_path \(directory)/fastcgi;
            uwsgi_temp_path \(directory)/uwsgi;
            scgi_temp_path \(directory)/scgi;
            ssl_certificate \(tls.certificate);
            ssl_certificate_key \(tls.key);
            server {
                listen 127.0.0.1:\(ports[0]);
                listen [::1]:\(ports[0]);
                listen unix:\(unixSocket);
                listen 127.0.0.1:\(ports[1]) ssl http2;
                listen [::1]:\(ports[1]) ssl http2;
                root \(directory)/root;
                location = /protocol { return 200 "$server_protocol $remote_addr\\n"; }
                location /upload/ { dav_methods PUT; }
            }
            server {
                listen 127.0.0.1:\(ports[6]) proxy_protocol;
                location / { return 200 "$proxy_protocol_addr\\n"; }
            }
        }
        stream {
            proxy_half_close on;
            ssl_certificate \(tls.certificate);
            ssl_certificate_key \(tls.key);
            server {
                listen 127.0.0.1:\(ports[2]) ssl;
                ssl_alpn strait-ssh;
                proxy_pass 127.0.0.1:\(sshPort);
            }
        }
        """
    }
}
