// The configuration of the router of the matrix: every mode in front of every upstream.

/// Where the router of the matrix listens.
struct RouterPorts: Sendable {
    /// TLS, SSH, HTTP and Postgres on one port.
    let shared: Int
    /// Raw SSH with a tenant of its own.
    let ssh: Int
    /// Plain HTTP, redirected.
    let plain: Int
    /// Every byte, unread, to a service that takes all.
    let raw: Int
    /// Behind a load balancer that sends PROXY headers.
    let proxied: Int

    static func free() throws -> RouterPorts {
        RouterPorts(
            shared: try Loopback.freePort(), ssh: try Loopback.freePort(),
            plain: try Loopback.freePort(), raw: try Loopback.freePort(),
            proxied: try Loopback.freePort())
    }
}

/// Where the upstreams listen.
struct UpstreamPorts: Sendable {
    let ssh: Int
    let tlsToSSH: Int
    let postgres15: Int
    let postgres17: Int
    let web: Int
    let webTLS: Int
    let webSocket: Int
    let webSocketFile: String
    let digest: Int
    let tlsToDigest: Int
    let proxy: Int
}

/// How the router treats a connection; a column of the matrix.
enum Mode: String, Sendable, CaseIterable {
    case passthrough, terminate
    case terminateWithCertificate = "terminate with a client certificate"
}

/// The service that stands for a protocol and a mode in the matrix's configuration.
enum Names {
    static func ssh(_ mode: Mode) -> String {
        switch mode {
        case .passthrough: "ssh-pass.acme.test"
        case .terminate: "shell.acme.test"
        case .terminateWithCertificate: "vault.acme.test"
        }
    }

    static func postgres(_ mode: Mode) -> String {
        switch mode {
        case .passthrough: "ledger.acme.test"
        case .terminate: "orders.acme.test"
        case .terminateWithCertificate: "wages.acme.test"
        }
    }

    static func web(_ mode: Mode) -> String {
        switch mode {
        case .passthrough: "www-pass.acme.test"
        case .terminate: "www.acme.test"
        case .terminateWithCertificate: "intranet.acme.test"
        }
    }
}

enum Plan {
    static func matrix(
        ports: RouterPorts, upstreams: UpstreamPorts, certificates: Certificates
    ) -> String {
        listeners(ports) + """
            tenants:
              - name: acme
                domains: [acme.test]
                certificates:
                  - { chain: \(certificates.acme.certificate), key: \(certificates.acme.key) }
                client_ca: [\(certificates.acmeUsers)]
                services:
            \(acmeServices(upstreams, certificates))
              - name: globex
                domains: [globex.test]
                certificates:
                  - { chain: \(certificates.globex.certificate), key: \(certificates.globex.key) }
                client_ca: [\(certificates.globexUsers)]
                services:
                  - name: orders
                    protocol: postgres
                    mode: terminate
                    upstreams: [{ address: "tcp://127.0.0.1:\(upstreams.postgres17)" }]
                  - name: www
                    protocol: web
                    mode: terminate
                    client_certificate: optional
                    alpn: [http/1.1]
                    upstreams: [{ address: "tcp://127.0.0.1:\(upstreams.web)" }]
              - name: solo
                domains: [solo.test]
                certificates:
                  - { chain: \(certificates.solo.certificate), key: \(certificates.solo.key) }
                services:
                  - name: www
                    protocol: web
                    mode: terminate
                    alpn: [h2, http/1.1]
                    upstreams:
                      - address: "tls://127.0.0.1:\(upstreams.webTLS)"
                        ca: \(certificates.hostAuthority)
                        server_name: localhost
            defaults: { ssh: acme/shell }

            """
    }

    private static func listeners(_ ports: RouterPorts) -> String {
        """
        workers: 2
        listeners:
          - { name: shared, address: "[::]:\(ports.shared)", protocols: [tls, ssh, http, postgres] }
          - { name: ssh, address: "[::]:\(ports.ssh)", tenant: acme, service: shell }
          - name: raw
            address: "[::]:\(ports.raw)"
            protocols: raw
            tenant: acme
            service: digest-raw
          - name: plain
            address: "[::]:\(ports.plain)"
            protocols: [http]
            redirect_to_https: true
          - name: proxied
            address: "[::]:\(ports.proxied)"
            protocols: [tls, postgres]
            proxy_protocol: required
            trusted: [127.0.0.0/8, "::1/128"]

        """
    }

    private static func acmeServices(
        _ upstreams: UpstreamPorts, _ certificates: Certificates
    ) -> String {
        let authority = certificates.hostAuthority
        let services = [
            ("ssh-pass", "ssh", "passthrough", "tcp://127.0.0.1:\(upstreams.tlsToSSH)", ""),
            ("shell", "ssh", "terminate", "tcp://127.0.0.1:\(upstreams.ssh)", "default: true, "),
            ("vault", "ssh", "terminate", "tcp://[::1]:\(upstreams.ssh)", required),
            ("ledger", "postgres", "passthrough", "tcp://127.0.0.1:\(upstreams.postgres17)", ""),
            ("orders", "postgres", "terminate", "tcp://[::1]:\(upstreams.postgres15)", ""),
            ("www-pass", "web", "passthrough", "tcp://127.0.0.1:\(upstreams.webTLS)", ""),
            ("www", "web", "terminate", "tcp://127.0.0.1:\(upstreams.web)", http1),
            ("intranet", "web", "terminate", "unix:\(upstreams.webSocketFile)", http1 + required),
            ("echo", "web", "terminate", "tcp://[::1]:\(upstreams.webSocket)", http1),
            ("digest", "tcp", "terminate", "tcp://[::1]:\(upstreams.digest)", ""),
            ("digest-raw", "tcp", "passthrough", "tcp://[::1]:\(upstreams.digest)", ""),
            ("digest-pass", "tcp", "passthrough", "tcp://[::1]:\(upstreams.tlsToDigest)", ""),
            ("down", "web", "terminate", "tcp://127.0.0.1:1", http1),
            ("down-pass", "web", "passthrough", "tcp://127.0.0.1:1", ""),
            ("down-ssh", "ssh", "terminate", "tcp://127.0.0.1:1", ""),
            ("down-pg", "postgres", "terminate", "tcp://127.0.0.1:1", ""),
        ]
        let lines = services.map { name, kind, mode, address, more in
            "      - { name: \(name), protocol: \(kind), mode: \(mode), \(more)"
                + "upstreams: [{ address: \"\(address)\" }] }"
        }
        return
            (lines + [
                """
                      - name: seen
                        protocol: web
                        mode: terminate
                        alpn: [http/1.1]
                        upstreams:
                          - { address: "tcp://127.0.0.1:\(upstreams.proxy)", proxy_protocol: v2 }
                      - name: wages
                        protocol: postgres
                        mode: terminate
                        client_certificate: required
                        upstreams:
                          - address: "tls://127.0.0.1:\(upstreams.postgres17)"
                            ca: \(authority)
                            server_name: localhost
                """
            ]).joined(separator: "\n")
    }

    private static let required = "client_certificate: required, "
    private static let http1 = "alpn: [http/1.1], "
}
