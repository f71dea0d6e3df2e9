// kubectl as it is, through every mode on both families, by SPDY and WebSocket, HTTP/1.1 and h2.

import Foundation
import Glibc
import Testing

/// One field of the matrix; every verb is in each.
struct KubernetesWay: Sendable, CustomTestStringConvertible {
    let mode: Mode
    let family: Family
    let upgrade: Upgrade
    let version: HTTPVersion

    /// Each pair of the values meets; the versions alternate, as they say nothing about upgrades.
    static let all: [KubernetesWay] = Mode.allCases.flatMap { mode in
        Family.allCases.flatMap { family in
            Upgrade.allCases.flatMap { upgrade in
                HTTPVersion.allCases.map {
                    KubernetesWay(mode: mode, family: family, upgrade: upgrade, version: $0)
                }
            }
        }
    }

    var testDescription: String {
        "\(self.mode.rawValue), \(self.family), \(self.upgrade.rawValue), \(self.version.rawValue)"
    }
}

extension Kubernetes {
    /// kubectl on one way of the matrix.
    ///
    /// In passthrough the double sees alice's certificate, where
    /// TLS ends at the router only her token.
    func kubectl(_ way: KubernetesWay) async throws -> Kubectl {
        try await Kubectl(
            self, host: Self.host(way.mode), family: way.family,
            person: way.mode == .terminate ? nil : self.rig.certificates.alice,
            token: way.mode == .passthrough ? nil : "bob", upgrade: way.upgrade,
            version: way.version)
    }
}

extension EndToEnd {
    @Suite("Kubernetes") struct KubernetesTests {
        @Test("the rig itself: every verb works without a router", .timeLimit(.minutes(5)))
        func baseline() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-direct")
            for upgrade in Upgrade.allCases {
                let kubectl = try await Kubectl(
                    kubernetes, host: "any.acme.test", port: kubernetes.directPort, token: "bob",
                    upgrade: upgrade)
                try await Self.everyVerb(kubernetes, kubectl)
            }
            try await kubernetes.stop()
        }

        @Test("every verb works in every mode and by every protocol", .timeLimit(.minutes(30)))
        func matrix() async throws {
            let kubernetes = try await Kubernetes.start(try EndToEnd.rig(), "kube-matrix")
            for way in KubernetesWay.all {
                let before = try kubernetes.requests().count
                let kubectl = try await kubernetes.kubectl(way)
                try await Self.everyVerb(kubernetes, kubectl)
                let requests = try kubernetes.requests().dropFirst(before)
                let user = way.mode == .passthrough ? "alice" : "bob"
                #expect(requests.allSatisfy { $0.user == user }, "\(way.testDescription)")
                for request in requests {
                    let isUpgraded = ["exec", "portforward"].contains {
                        request.path.hasSuffix("/\($0)")
                    }
                    #expect(
                        request.upgrade == (isUpgraded ? way.upgrade.rawValue : ""),
                        "\(way.testDescription): \(request)")
                    #expect(
                        request.http
                            == (isUpgraded ? HTTPVersion.http11 : way.version).rawValue,
                        "\(way.testDescription): \(request)")
                }
            }
            try await kubernetes.stop()
        }

        /// get, watch, wait, logs, exec, cp and port-forward, with what they must give.
        private static func everyVerb(_ kubernetes: Kubernetes, _ kubectl: Kubectl) async throws {
            let mark = "m-\(UUID().uuidString.prefix(8).lowercased())"
            let pods = try await kubectl.must(["get", "pods", "-o", "name"])
            #expect(pods.trimmed == "pod/web\npod/old")
            let waiting = try kubectl.start(
                "wait-\(mark)",
                ["wait", "pod/web", "--for=jsonpath={.metadata.labels.tide}=\(mark)"])
            try await kubectl.must(["label", "pod", "web", "tide=\(mark)", "--overwrite"])
            let met = try await eventually("the label is seen") { waiting.exitStatus }
            #expect(met == 0, "\(waiting.log)")
            try await Self.executes(kubernetes, kubectl, mark)
            try await Self.copies(kubernetes, kubectl, mark)
            try await Self.forwards(kubernetes, kubectl, mark)
        }

        private static func executes(
            _ kubernetes: Kubernetes, _ kubectl: Kubectl, _ mark: String
        ) async throws {
            let rig = kubernetes.rig
            let line = "echo \(mark) >> log; echo out; echo err >&2; exit 7"
            let both = try await kubectl.run(["exec", "web", "--", "sh", "-c", line])
            #expect(both.status == 7, "\(both)")
            #expect(both.text == "out\n" && both.standardError.contains("err\n"), "\(both)")
            let log = try await kubectl.must(["logs", "web", "--tail=1"])
            #expect(log.trimmed == mark)
            // Only the end of standard input lets it answer.
            let up = try await kubectl.must(
                ["exec", "-i", "web", "--", "sha256sum"], input: .file(rig.blob), seconds: 120)
            #expect(up.text.prefix(64) == rig.blobHash)
            let down = try await kubectl.run(
                ["exec", "web", "--", "cat", rig.blob], seconds: 120)
            #expect(down.standardOutput == (try Data(contentsOf: URL(filePath: rig.blob))))
        }

        private static func copies(
            _ kubernetes: Kubernetes, _ kubectl: Kubectl, _ mark: String
        ) async throws {
            let rig = kubernetes.rig
            try await kubectl.must(["cp", rig.blob, "web:\(mark)"], seconds: 120)
            let there = "\(kubernetes.folder("web"))/\(mark)"
            #expect(try await Rig.sha256(of: there, in: rig.shell) == rig.blobHash)
            let back = "\(rig.shell.directory)/\(mark)"
            try await kubectl.must(["cp", "web:\(mark)", back], seconds: 120)
            #expect(try await Rig.sha256(of: back, in: rig.shell) == rig.blobHash)
            for path in [there, back] { unlink(path) }
        }

        /// The answer comes after the end of the request, on the same forwarded connection.
        private static func forwards(
            _ kubernetes: Kubernetes, _ kubectl: Kubectl, _ mark: String
        ) async throws {
            let rig = kubernetes.rig
            let forward = try await kubectl.forward("forward-\(mark)", to: rig.web.digestPort)
            let answer = try await rig.shell.bash(
                "nc -N 127.0.0.1 \(forward.port) < \(rig.blob) | head -n 1", seconds: 120)
            #expect(answer.trimmed == "\(transferBytes) \(rig.blobHash)", "\(answer)")
            _ = try await forward.daemon.stop(signal: SIGINT)
        }
    }
}
