// What tenants' own names answer over HTTPS, asked by curl over both versions and both families.

import Foundation
import Testing

extension EndToEnd {
    @Suite("/webapi") struct WebAPITests {
        private static func configuration(_ port: Int, _ ssh: Int, _ rig: Rig) -> String {
            let acme = rig.certificates.acme
            return """
                listeners:
                  - { name: shared, address: "[::]:\(port)", protocols: [tls, http] }
                  - { name: acme-ssh, address: "[::]:\(ssh)", tenant: acme, service: shell }
                webapi: { requests_per_second: 3, public_addresses: [192.0.2.1] }
                tenants:
                  - name: acme
                    domains: [acme.test, old.acme.test]
                    certificates: [{ chain: \(acme.certificate), key: \(acme.key) }]
                    services:
                      - { name: shell, protocol: ssh,
                          upstreams: [{ address: "tcp://127.0.0.1:1" }] }
                  - name: bare
                    domains: [bare.test]
                    services:
                      - { name: www, protocol: web, upstreams: [{ address: "tcp://127.0.0.1:1" }] }

                """
        }

        private static func start(
            _ name: String, _ rig: Rig
        ) async throws -> (router: Router, port: Int, ssh: Int) {
            let port = try Loopback.freePort()
            let ssh = try Loopback.freePort()
            let router = try await Router.start(
                name, Self.configuration(port, ssh, rig), in: rig.shell)
            return (router, port, ssh)
        }

        private static func curl(
            _ rig: Rig, _ port: Int, _ url: String, _ more: [String] = [],
            family: Family = .ipv4, host: String = "acme.test"
        ) async throws -> Output {
            try await rig.shell.run(
                rig.curl(host, .terminate, family, port: port) + more
                    + ["https://\(host):\(port)\(url)"])
        }

        @Test(
            "ping over both versions and families, HTTP/2 told to go elsewhere for another host",
            .timeLimit(.minutes(3)))
        func answers() async throws {
            let rig = try EndToEnd.rig()
            let (router, port, ssh) = try await Self.start("webapi", rig)
            for family in Family.allCases {
                for (version, word) in [("--http1.1", "1.1"), ("--http2", "2")] {
                    let output = try await Self.curl(
                        rig, port, "/webapi/ping",
                        [version, "-w", "%{http_code} %{http_version}"], family: family)
                    #expect(output.text.hasSuffix("\n200 \(word)"), "\(output)")
                    #expect(output.text.contains("\"ssh_public_addr\":\"acme.test:\(ssh)\""))
                    #expect(output.text.contains("\"public_addr\":\"acme.test:\(port)\""))
                    // Both the rate and the burst of a source are small here.
                    let other = try await Self.curl(
                        rig, port, "/webapi/ping",
                        [version, "-H", "Host: shell.acme.test", "-w", "%{http_code}"],
                        family: family)
                    #expect(other.text.hasSuffix("421"), "\(other)")
                }
            }
            let record = try await router.record("of what is built in") {
                $0["strait.service"] == "webapi" && $0["tls.next_protocol"] == "h2"
            }
            #expect(record["strait.tenant"] == "acme" && record["strait.mode"] == "terminate")
            let bytes = try await router.metric(
                "strait_sent_bytes_total", [#"service="webapi""#])
            #expect(bytes > 3000, "eight answers, in series of their own")
            #expect(try await router.daemon.stop() == 0)
        }

        @Test("whoami tells address and pin, over IPv6 too; ips tells what is configured")
        func whoami() async throws {
            let rig = try EndToEnd.rig()
            let (router, port, _) = try await Self.start("webapi-whoami", rig)
            let six = try await Self.curl(
                rig, port, "/v1/webapi/whoami?pin=::1/128", ["--http2"], family: .ipv6,
                host: "old.acme.test")
            #expect(six.text.contains(#""address":"::1""#) && six.text.contains(#""matches":true"#))
            let four = try await Self.curl(rig, port, "/webapi/whoami?pin=10.0.0.0/8")
            #expect(four.text.contains(#""address":"127.0.0.1""#), "\(four)")
            #expect(
                four.text.contains(#""matches":false"#) && four.text.contains(#""tenant":"acme""#))
            let wrong = try await Self.curl(rig, port, "/webapi/whoami?pin=10.0.0.1/8", ["-i"])
            #expect(wrong.text.contains(" 400 ") && wrong.text.contains(#"{"error":{"message":"#))
            let addresses = try await Self.curl(rig, port, "/webapi/ips")
            #expect(addresses.text.contains(#""address":"192.0.2.1""#), "\(addresses)")
            #expect(try await router.daemon.stop() == 0)
        }

        @Test(
            "bodies, floods and names without a certificate are refused, operators' paths unknown",
            .timeLimit(.minutes(3)))
        func refusals() async throws {
            let rig = try EndToEnd.rig()
            let (router, port, _) = try await Self.start("webapi-refusals", rig)
            let paths = ["/v1/status", "/metrics", "/v1/tenants", "/readyz"]
            for path in paths {
                let output = try await Self.curl(rig, port, path, ["-i"])
                #expect(output.text.contains(" 404 "), "\(output)")
            }
            for version in ["--http1.1", "--http2"] {
                let body = try await Self.curl(
                    rig, port, "/webapi/ping", [version, "-i", "-d", "x"])
                #expect(body.text.contains(" 413 "), "\(body)")
            }
            // One connection, more requests than a burst has.
            let urls = (0..<30).flatMap { _ in
                ["-o", "/dev/null", "https://acme.test:\(port)/webapi/ping"]
            }
            let flood = try await rig.shell.run(
                rig.curl("acme.test", .terminate, .ipv6, port: port)
                    + ["-w", "%{http_code}\n"] + urls)
            let codes = Set(flood.text.split(separator: "\n"))
            #expect(codes == ["200", "429"], "\(flood)")
            let bare = try await Self.curl(rig, port, "/webapi/ping", host: "bare.test")
            #expect(!bare.succeeded)
            _ = try await router.record("of a name without a certificate") {
                $0["strait.tenant"] == "bare" && $0["strait.reason"] == "tls_not_configured"
            }
            #expect(try await router.daemon.stop() == 0)
        }

        @Test(
            "switched off, own names lead nowhere; the socket is private, and goes with the process"
        )
        func switchedOff() async throws {
            let rig = try EndToEnd.rig()
            let (router, port, ssh) = try await Self.start("webapi-off", rig)
            let folder = (router.adminSocket as NSString).deletingLastPathComponent
            func sockets() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: folder)
                    .filter { $0.hasSuffix(".web") }
            }
            let name = try #require(try sockets().first)
            for (path, mode) in [(name, 0o700), ("\(name)/s", 0o600)] {
                let attributes = try FileManager.default.attributesOfItem(
                    atPath: "\(folder)/\(path)")
                #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == mode, "\(path)")
            }
            try router.rewrite(
                Self.configuration(port, ssh, rig).replacingOccurrences(
                    of: "webapi: {", with: "webapi: { enabled: false,"))
            router.daemon.signal(SIGHUP)
            try await eventually("own names lead nowhere") {
                try await !Self.curl(rig, port, "/webapi/ping").succeeded
            }
            #expect(try await router.daemon.stop() == 0)
            #expect(try sockets().isEmpty)
        }
    }
}
