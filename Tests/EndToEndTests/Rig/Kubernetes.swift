// The double of a Kubernetes API server, a router in front of it, and kubectl.

import Foundation
import Testing

/// By which protocol kubectl upgrades: its own settings choose.
enum Upgrade: String, Sendable, CaseIterable {
    case webSocket = "websocket"
    case spdy = "SPDY/3.1"

    var environment: [String: String] {
        let value = self == .webSocket ? "true" : "false"
        return [
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": value, "KUBECTL_PORT_FORWARD_WEBSOCKETS": value,
        ]
    }
}

/// What plain requests are sent by; an upgrade is HTTP/1.1 always.
enum HTTPVersion: String, Sendable, CaseIterable {
    case http11 = "HTTP/1.1"
    case http2 = "HTTP/2.0"

    var environment: [String: String] { self == .http2 ? [:] : ["DISABLE_HTTP2": "1"] }
}

/// The double, with a router of its own in front of it.
struct Kubernetes: Sendable {
    let rig: Rig
    let double: Daemon
    let router: Router
    let port: Int
    /// Where the double listens with TLS, without a router between.
    let directPort: Int
    let name: String
    private let body: String

    /// Names its folder below the rig's, and that of the router.
    static func start(_ rig: Rig, _ name: String, more: String = "") async throws -> Kubernetes {
        let ports = try (0..<3).map { _ in try Loopback.freePort() }
        let double = try await Self.double(rig, name, ports[1], plain: ports[2])
        let body = configuration(rig, ports) + more
        let router = try await Router.start("\(name)-router", body, in: rig.shell)
        return Kubernetes(
            rig: rig, double: double, router: router, port: ports[0], directPort: ports[1],
            name: name, body: body)
    }

    /// Starts the double alone, with TLS and without.
    static func double(
        _ rig: Rig, _ name: String, _ port: Int, plain: Int, tls: Identity? = nil
    ) async throws -> Daemon {
        let tls = tls ?? rig.certificates.upstream
        let double = try Daemon.start(
            "\(name)-double",
            [
                Programs.python, Programs.script("kubernetes/server.py"), "\(port)", "\(plain)",
                tls.certificate, tls.key, rig.certificates.acmeUsers,
                "\(rig.shell.directory)/\(name)-pods",
            ], in: rig.shell)
        try await double.ready("listens") {
            [port, plain].allSatisfy { Loopback.answers(.ipv4, $0) && Loopback.answers(.ipv6, $0) }
        }
        return double
    }

    /// The host name that stands for a mode.
    static func host(_ mode: Mode) -> String {
        switch mode {
        case .passthrough: "pass.acme.test"
        case .terminate: "open.acme.test"
        case .terminateWithCertificate: "closed.acme.test"
        }
    }

    private static func configuration(_ rig: Rig, _ ports: [Int]) -> String {
        let own = rig.certificates.acme
        let tls = "ca: \(rig.certificates.hostAuthority), server_name: localhost"
        return """
            listeners:
              - { name: shared, address: "[::]:\(ports[0])", protocols: [tls] }
            timeouts: { drain: 1s }
            tenants:
              - name: acme
                domains: [acme.test]
                certificates: [{ chain: \(own.certificate), key: \(own.key) }]
                client_ca: [\(rig.certificates.acmeUsers)]
                services:
                  - name: pass
                    protocol: kubernetes
                    upstreams: [{ address: "tcp://127.0.0.1:\(ports[1])" }]
                  - name: open
                    protocol: kubernetes
                    mode: terminate
                    default: true
                    upstreams: [{ address: "tls://[::1]:\(ports[1])", \(tls) }]
                  - name: closed
                    protocol: kubernetes
                    mode: terminate
                    client_certificate: required
                    upstreams: [{ address: "tls://127.0.0.1:\(ports[1])", \(tls) }]
                  - name: clear
                    protocol: kubernetes
                    mode: terminate
                    upstreams: [{ address: "tcp://127.0.0.1:\(ports[2])" }]
                  - name: down
                    protocol: kubernetes
                    mode: terminate
                    upstreams: [{ address: "tls://127.0.0.1:1", \(tls) }]
                  - name: down-pass
                    protocol: kubernetes
                    upstreams: [{ address: "tcp://127.0.0.1:1" }]

            """
    }

    /// Puts the configuration in place again, changed so that a reload has something to do.
    func reload() async throws {
        let before = try await self.router.liveRevision()
        try self.router.rewrite(self.body.replacing("drain: 1s", with: "drain: 2s"))
        self.router.daemon.signal(SIGHUP)
        try await eventually("the reload is live", within: 15) {
            try await self.router.liveRevision() > before
        }
    }

    /// The folder in which commands run in a pod.
    func folder(_ pod: String) -> String {
        "\(self.rig.shell.directory)/\(self.name)-pods/\(pod)"
    }

    /// What the double was asked, as its log has it.
    struct Request: Decodable, Equatable {
        var method: String
        var path: String
        var http: String
        var upgrade: String
        var user: String
    }

    func requests() throws -> [Request] {
        try self.double.log.split(separator: "\n").filter { $0.hasPrefix("{") }
            .map { try JSONDecoder().decode(Request.self, from: Data($0.utf8)) }
    }

    /// Stops both; a double that met what it did not expect has said so.
    func stop() async throws {
        if self.router.daemon.isRunning { #expect(try await self.router.daemon.stop() == 0) }
        #expect(try await self.double.stop() == 0)
        #expect(!self.double.log.contains("Traceback"), "\(self.double.log.suffix(3000))")
    }
}

/// One person's kubectl, towards one name.
struct Kubectl: Sendable {
    let shell: Shell
    let environment: [String: String]

    /// Writes a kubeconfig.
    ///
    /// - Parameters:
    ///   - kubernetes: Where to.
    ///   - host: The name that is asked for.
    ///   - family: Of the address that is dialled.
    ///   - port: Where to; nil: the router.
    ///   - person: Whose certificate is shown; nil: none.
    ///   - token: As whom, by token; nil: nobody.
    ///   - upgrade: By which protocol streams are asked for.
    ///   - version: By which version other requests are sent.
    /// - Throws: What `strait config kube` says, if it fails.
    init(
        _ kubernetes: Kubernetes, host: String, family: Family = .ipv4, port: Int? = nil,
        person: Identity? = nil, token: String? = nil, upgrade: Upgrade = .webSocket,
        version: HTTPVersion = .http2
    ) async throws {
        let rig = kubernetes.rig
        try await self.init(
            rig, host: host, router: "\(family.bracketed):\(port ?? kubernetes.port)",
            authority: rig.certificates.hostAuthority, person: person, token: token,
            upgrade: upgrade, version: version)
    }

    /// The same through a router that is not the rig's own.
    init(
        _ rig: Rig, host: String, router: String, authority: String, person: Identity? = nil,
        token: String? = nil, upgrade: Upgrade = .webSocket, version: HTTPVersion = .http2
    ) async throws {
        let stem = "\(rig.shell.directory)/kubectl-\(UUID().uuidString)"
        var arguments = ["config", "kube", host, "--ca", authority, "--router", router]
        if let person {
            arguments += ["--certificate", person.certificate, "--key", person.key]
        }
        if let token {
            try "token-of-\(token)".write(toFile: stem, atomically: true, encoding: .utf8)
            arguments += ["--token-file", stem]
        }
        let text = try await rig.shell.must([Programs.strait] + arguments).text
        try text.write(toFile: stem + ".yaml", atomically: true, encoding: .utf8)
        self.shell = rig.shell
        self.environment = ["KUBECONFIG": stem + ".yaml", "KUBECACHEDIR": stem + ".cache"]
            .merging(upgrade.environment) { $1 }.merging(version.environment) { $1 }
    }

    func run(
        _ arguments: [String], input: Input = .nothing, seconds: Int = 60
    ) async throws -> Output {
        try await self.shell.run(
            [Programs.kubectl] + arguments, input: input, environment: self.environment,
            seconds: seconds)
    }

    /// Runs a command that has to succeed.
    @discardableResult
    func must(
        _ arguments: [String], input: Input = .nothing, seconds: Int = 60
    ) async throws -> Output {
        try await self.shell.must(
            [Programs.kubectl] + arguments, input: input, environment: self.environment,
            seconds: seconds)
    }

    /// Runs a command that goes on.
    func start(_ name: String, _ arguments: [String]) throws -> Daemon {
        try Daemon.start(
            name, [Programs.kubectl] + arguments, in: self.shell, environment: self.environment)
    }

    /// A port-forward to a port of the pod's machine, and the local port that leads there.
    func forward(_ name: String, to port: Int) async throws -> (daemon: Daemon, port: Int) {
        let daemon = try self.start(name, ["port-forward", "pod/web", ":\(port)"])
        var local: Int?
        try await daemon.ready("forwards") {
            // The first line is whole when the second has begun.
            local = daemon.log.firstMatch(of: /127\.0\.0\.1:(\d+) -> \d+\n/).flatMap { Int($0.1) }
            return local != nil
        }
        return (daemon, try #require(local))
    }
}
