// curl and WebSocket, as they are, through every mode on both families.

import Foundation
import Testing

/// One field of the matrix.
struct WebWay: Sendable, CustomTestStringConvertible {
    let mode: Mode
    let family: Family

    static let all: [WebWay] = Mode.allCases.flatMap { mode in
        Family.allCases.map { WebWay(mode: mode, family: $0) }
    }

    var testDescription: String { "\(self.mode.rawValue), \(self.family)" }

    var host: String { Names.web(self.mode) }
}

extension Rig {
    /// curl with the rig's authority, going to the router for this host.
    func curl(_ host: String, _ mode: Mode, _ family: Family, port: Int? = nil) -> [String] {
        let port = port ?? self.ports.shared
        var words = [
            "curl", "-sS", "--cacert", self.certificates.hostAuthority, "--max-time", "120",
            "--resolve", "\(host):\(port):\(family.address)",
        ]
        if mode == .terminateWithCertificate {
            let alice = self.certificates.alice
            words += ["--cert", alice.certificate, "--key", alice.key]
        }
        return words
    }

    func url(_ host: String, _ path: String) -> String {
        "https://\(host):\(self.ports.shared)\(path)"
    }
}

extension EndToEnd {
    @Suite("Web") struct WebTests {
        @Test("the rig itself: nginx answers when it is asked directly", arguments: Family.allCases)
        func baseline(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must([
                "curl", "-sS", "http://\(family.bracketed):\(rig.web.plainPort)/",
            ])
            #expect(output.text.contains("a page"))
        }

        @Test(
            "downloads and uploads arrive whole", .timeLimit(.minutes(5)), arguments: WebWay.all)
        func transfers(_ way: WebWay) async throws {
            let rig = try EndToEnd.rig()
            let curl = rig.curl(way.host, way.mode, way.family)
            let copy = "\(rig.shell.directory)/download"
            try await rig.shell.must(
                curl + ["--fail", "-o", copy, rig.url(way.host, "/blob")], seconds: 130)
            #expect(try await Rig.sha256(of: copy, in: rig.shell) == rig.blobHash)
            let name = "\(way.family)-\(way.mode.rawValue.count)"
            try await rig.shell.must(
                curl + [
                    "--fail", "-T", rig.blob, rig.url(way.host, "/upload/\(name)"),
                ], seconds: 130)
            let uploaded = "\(rig.web.root)/upload/\(name)"
            #expect(try await Rig.sha256(of: uploaded, in: rig.shell) == rig.blobHash)
        }

        @Test(
            "HTTP/2 where the upstream's certificate or ours allows it, HTTP/1.1 elsewhere",
            .timeLimit(.minutes(3)), arguments: Family.allCases)
        func versions(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let expected: [(host: String, asked: String, got: String)] = [
                ("www-pass.acme.test", "--http2", "HTTP/2.0"),
                ("www-pass.acme.test", "--http1.1", "HTTP/1.1"),
                ("www.acme.test", "--http2", "HTTP/1.1"),
                ("www.solo.test", "--http2", "HTTP/2.0"),
                ("www.solo.test", "--http1.1", "HTTP/1.1"),
            ]
            for (host, asked, got) in expected {
                let output = try await rig.shell.must(
                    rig.curl(host, .terminate, family) + [asked, rig.url(host, "/protocol")])
                #expect(output.text.hasPrefix(got), "\(host) \(asked): \(output)")
            }
        }

        @Test("a WebSocket echoes small and large messages", arguments: Family.allCases)
        func webSocket(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must([
                Programs.python, Programs.script("websocket_ask.py"), "echo.acme.test",
                family.address, "\(rig.ports.shared)", rig.certificates.hostAuthority,
            ])
            #expect(output.trimmed == "echoed 1 100000 5000000")
        }

        @Test("plain HTTP is sent on to https on the redirecting port", arguments: Family.allCases)
        func redirect(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let host = "www.acme.test"
            let output = try await rig.shell.must([
                "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}",
                "--resolve", "\(host):\(rig.ports.plain):\(family.address)",
                "http://\(host):\(rig.ports.plain)/a/path?with=query",
            ])
            let words = output.trimmed.split(separator: " ")
            #expect(["301", "308"].contains(words.first ?? ""))
            #expect(words.last?.hasPrefix("https://www.acme.test") == true)
            #expect(words.last?.hasSuffix("/a/path?with=query") == true)
        }

        @Test("plain HTTP on the TLS port gets a clear 400", arguments: Family.allCases)
        func plainOnTLSPort(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must([
                "curl", "-sS", "-i", "http://\(family.bracketed):\(rig.ports.shared)/",
            ])
            #expect(output.text.hasPrefix("HTTP/1.1 400 "))
            #expect(output.text.lowercased().contains("https") || output.text.contains("TLS"))
        }

        @Test("an upstream that is down answers 503 with the connection's id")
        func down() async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must(
                rig.curl("down.acme.test", .terminate, .ipv4)
                    + ["-i", rig.url("down.acme.test", "/")])
            #expect(output.text.hasPrefix("HTTP/1.1 503 "), "\(output)")
            let record = try await rig.router.record("of the refusal") {
                $0["strait.service"] == "down" && $0["strait.reason"] == "connect_failed"
            }
            let id = try #require(record["strait.connection.id"])
            #expect(output.text.contains(id), "\(output)")
        }
    }
}
