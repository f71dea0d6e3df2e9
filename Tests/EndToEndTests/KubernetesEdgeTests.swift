// kubectl where not all is well: reloads, drains, upstreams that are down, strangers, old servers.

import Foundation
import Glibc
import Testing

/// What goes on for as long as it is let: a watch, a followed log, a forwarded connection.
private struct LongRunning: Sendable {
    let kubernetes: Kubernetes
    let kubectl: Kubectl
    let watch: Daemon
    let log: Daemon
    let forward: Daemon
    let upload: Daemon
    let pipe: String

    /// Bytes that the upload sends before it waits for more.
    static let firstBytes = 1_000_000

    static func start(
        _ kubernetes: Kubernetes, _ mode: Mode, _ version: HTTPVersion
    ) async throws -> LongRunning {
        let rig = kubernetes.rig
        let kubectl = try await Kubectl(
            kubernetes, host: Kubernetes.host(mode), token: "bob", version: version)
        let name = "\(kubernetes.name)-\(mode.rawValue)-\(version == .http2)"
        let watch = try kubectl.start(
            "\(name)-watch",
            ["get", "pod", "web", "--watch", "-o", #"jsonpath={.metadata.labels.tide}{"\n"}"#])
        let log = try kubectl.start("\(name)-log", ["logs", "--follow", "web"])
        let forward = try await kubectl.forward("\(name)-forward", to: rig.web.digestPort)
        let pipe = "\(rig.shell.directory)/\(name).pipe"
        try await rig.shell.must(["mkfifo", pipe])
        let first = "head -c \(Self.firstBytes) \(rig.blob)"
        let upload = try Daemon.start(
            "\(name)-upload",
            [
                "bash", "-c",
                "{ \(first); cat \(pipe); } | nc -N 127.0.0.1 \(forward.port) | head -n 1",
            ], in: rig.shell)
        let running = LongRunning(
            kubernetes: kubernetes, kubectl: kubectl, watch: watch, log: log,
            forward: forward.daemon, upload: upload, pipe: pipe)
        try await running.sees("ebb-\(name)")
        return running
    }

    var all: [Daemon] { [self.watch, self.log, self.forward] }

    /// A change of the pod and a line of its log arrive.
    func sees(_ mark: String) async throws {
        let direct = try await Kubectl(
            self.kubernetes, host: "any.acme.test", port: self.kubernetes.directPort, token: "it")
        // The watch may begin after the first change, and then begins with it.
        try await direct.must(["label", "pod", "web", "tide=\(mark)", "--overwrite"])
        try await direct.must(["exec", "web", "--", "sh", "-c", "echo \(mark) >> log"])
        try await eventually("\(mark) is seen") {
            self.watch.log.contains(mark) && self.log.log.contains(mark)
        }
    }

    /// The rest of the upload arrives, and its answer.
    func uploads() async throws {
        let rig = self.kubernetes.rig
        try await rig.shell.must(
            ["bash", "-c", "tail -c +\(Self.firstBytes + 1) \(rig.blob) > \(self.pipe)"])
        _ = try await eventually("the upload ends", within: 60) { self.upload.exitStatus }
        #expect(self.upload.log.hasPrefix("\(transferBytes) \(rig.blobHash)"), "\(self.upload.log)")
    }
}

extension EndToEnd {
    @Suite("Kubernetes, at the edges") struct KubernetesEdgeTests {
        @Test(
            "a watch, a followed log and a port-forward outlive a reload, and end with a drain",
            .timeLimit(.minutes(4)))
        func reloadAndDrain() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-reload")
            var running: [LongRunning] = []
            for mode in [Mode.passthrough, .terminate] {
                for version in HTTPVersion.allCases {
                    running.append(try await LongRunning.start(kubernetes, mode, version))
                }
            }
            try await eventually("the uploads have begun") {
                try await kubernetes.router.metric("strait_received_bytes_total")
                    >= Double(running.count * LongRunning.firstBytes)
            }
            try await kubernetes.reload()
            for (number, one) in running.enumerated() {
                try await one.sees("flow-\(number)")
                try await one.uploads()
                #expect(one.all.allSatisfy { $0.isRunning })
            }
            kubernetes.router.daemon.signal(SIGTERM)
            for daemon in running.flatMap(\.all) {
                try await eventually("\(daemon.name) ends", within: 30) { !daemon.isRunning }
            }
            let status = try await eventually("the router ends", within: 20) {
                kubernetes.router.daemon.exitStatus
            }
            #expect(status == 0, "\(kubernetes.router.daemon.log)")
            let reasons = try kubernetes.router.records().compactMap { $0["strait.reason"] }
            #expect(reasons.count { $0 == "drained" } >= running.count * 3)
            try await kubernetes.stop()
        }

        @Test("an API server that refuses WebSocket is spoken to by SPDY", .timeLimit(.minutes(2)))
        func fallback() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-old")
            for mode in [Mode.passthrough, .terminate] {
                let kubectl = try await Kubectl(
                    kubernetes, host: Kubernetes.host(mode), token: "bob")
                let output = try await kubectl.must(["exec", "old", "--", "echo", "by SPDY"])
                #expect(output.trimmed == "by SPDY")
                let upgrades = try kubernetes.requests().suffix(2).map(\.upgrade)
                #expect(upgrades == [Upgrade.webSocket.rawValue, Upgrade.spdy.rawValue])
            }
            try await kubernetes.stop()
        }

        @Test(
            "the name by which Teleport's programs ask leads to the tenant's default cluster",
            .timeLimit(.minutes(3)))
        func alias() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-alias")
            let kubectl = try await Kubectl(
                kubernetes, host: "kube-teleport-proxy-alpn.acme.test", token: "bob")
            let output = try await kubectl.must(["exec", "web", "--", "echo", "here"])
            #expect(output.trimmed == "here")
            let record = try await kubernetes.router.record("of the default cluster") {
                $0["strait.service"] == "open"
            }
            #expect(record["network.protocol.name"] == "kubernetes")
            try await kubernetes.stop()
        }

        @Test("an upstream in clear is spoken to by HTTP/1.1", .timeLimit(.minutes(3)))
        func clear() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-clear")
            let kubectl = try await Kubectl(kubernetes, host: "clear.acme.test", token: "bob")
            let output = try await kubectl.must(["exec", "web", "--", "echo", "here"])
            #expect(output.trimmed == "here")
            #expect(try kubernetes.requests().allSatisfy { $0.http == "HTTP/1.1" })
            try await kubernetes.stop()
        }

        @Test("a stranger's certificate, or none, is refused in so many words")
        func strangers() async throws {
            let rig = try EndToEnd.rig()
            let kubernetes = try await Kubernetes.start(rig, "kube-strangers")
            for (person, words) in [
                (nil, "tls: certificate required"),
                (rig.certificates.mallory, "tls: unknown certificate authority"),
                (rig.certificates.bygone, "tls: expired certificate"),
            ] as [(Identity?, String)] {
                let kubectl = try await Kubectl(
                    kubernetes, host: Kubernetes.host(.terminateWithCertificate), person: person,
                    token: "bob")
                let output = try await kubectl.run(["exec", "web", "--", "true"])
                #expect(output.status == 1 && output.standardError.contains(words), "\(output)")
            }
            #expect(try kubernetes.requests().isEmpty)
            try await kubernetes.stop()
        }

        @Test(
            "kubectl says at once that the cluster cannot be reached", .timeLimit(.minutes(3)))
        func down() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-down")
            for (host, version, words) in [
                ("down-pass.acme.test", .http11, "remote error: tls: internal error"),
                ("down-pass.acme.test", .http2, "remote error: tls: internal error"),
                ("down.acme.test", .http11, "Error from server (ServiceUnavailable)"),
            ] as [(String, HTTPVersion, String)] {
                let kubectl = try await Kubectl(
                    kubernetes, host: host, token: "bob", version: version)
                let output = try await kubectl.run(
                    ["exec", "web", "--", "echo", "never"], seconds: 20)
                #expect(output.status == 1 && output.standardError.contains(words), "\(output)")
            }
            try await kubernetes.stop()
        }

        @Test("where kubectl shows the message, it names the connection")
        func downMessage() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-message")
            let kubectl = try await Kubectl(
                kubernetes, host: "down.acme.test", token: "bob", version: .http11)
            let output = try await kubectl.run(["get", "--raw", "/readyz"], seconds: 20)
            let record = try await kubernetes.router.record("of the refusal") {
                $0["strait.reason"] == "connect_failed"
            }
            let id = try #require(record["strait.connection.id"])
            #expect(output.standardError.contains("(connection \(id))"), "\(output)")
            try await kubernetes.stop()
        }

        @Test("config kube prints the least that is needed, and whole paths")
        func snippet() async throws {
            let rig = try EndToEnd.rig()
            let least = try await rig.strait(["config", "kube", "prod.acme.test"])
            #expect(
                least.text == """
                    apiVersion: v1
                    kind: Config
                    clusters:
                      - name: "prod.acme.test"
                        cluster:
                          server: "https://prod.acme.test"
                    users:
                      - name: "prod.acme.test"
                        user: {}
                    contexts:
                      - name: "prod.acme.test"
                        context: { cluster: "prod.acme.test", user: "prod.acme.test" }
                    current-context: "prod.acme.test"

                    """)
            let most = try await rig.strait([
                "config", "kube", "prod.acme.test", "--router", "[::1]:8443", "--ca", "a b.pem",
                "--certificate", "/c.pem", "--key", "/k.pem", "--token-file", "/t",
            ])
            for line in [
                #"server: "https://[::1]:8443""#, #"tls-server-name: "prod.acme.test""#,
                #"certificate-authority: "\#(rig.shell.directory)/a b.pem""#,
                #"client-certificate: "/c.pem""#, #"client-key: "/k.pem""#, #"tokenFile: "/t""#,
            ] {
                #expect(most.text.contains("      \(line)\n"), "\(line): \(most)")
            }
        }
    }
}
