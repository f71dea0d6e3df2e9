// What an operator reads: records, metrics, decisions, and problems of a configuration.

import Foundation
import Testing

extension EndToEnd {
    @Suite("What an operator reads") struct InsightTests {
        @Test("a record names who, where, how long and why")
        func record() async throws {
            let rig = try EndToEnd.rig()
            let alice = rig.certificates.alice
            let probe = try await rig.probe([
                "name=intranet.acme.test", "alpn=http/1.1", "cert=\(alice.certificate)",
                "key=\(alice.key)", "send=GET / HTTP/1.0\\r\\n\\r\\n", "read=15",
            ])
            #expect(probe.read == "HTTP/1.1 200 OK")
            let record = try await rig.router.record("of alice") {
                $0["tls.client.subject"]?.contains("alice") == true
                    && $0["tls.next_protocol"] == "http/1.1"
            }
            let expected = [
                "event.name": "strait.connection", "service.name": "strait",
                "client.address": "127.0.0.1", "server.address": "intranet.acme.test",
                "tls.protocol.version": "1.3", "strait.tenant": "acme",
                "strait.service": "intranet", "strait.mode": "terminate",
                "strait.listener": "shared", "strait.region": "test",
            ]
            for (name, value) in expected { #expect(record[name] == value, "\(name)") }
            for name in [
                "client.port", "strait.bytes.downstream.received", "strait.bytes.downstream.sent",
                "strait.bytes.upstream.received", "strait.bytes.upstream.sent", "duration_us",
            ] {
                #expect(record.numbers.contains(name), "\(name) is a number")
            }
            for name in ["timestamp", "strait.connection.id", "strait.side", "strait.reason"] {
                #expect(record[name] != nil, "\(name)")
            }
        }

        @Test("every record so far is JSON with an id of its own and a known reason")
        func allRecords() async throws {
            let rig = try EndToEnd.rig()
            #expect(try await rig.probe(["name=nobody.test"]).alert != nil)
            _ = try await rig.router.record("of the refusal") {
                $0["server.address"] == "nobody.test"
            }
            let records = try rig.router.records()
            let ids = records.compactMap { $0["strait.connection.id"] }
            #expect(ids.count == records.count && Set(ids).count == ids.count)
            #expect(records.allSatisfy { ($0["strait.reason"] ?? "").isEmpty == false })
            #expect(!records.contains { $0["strait.reason"] == "internal_error" })
        }

        @Test("the metrics are clean, and count what happens")
        func metrics() async throws {
            let rig = try EndToEnd.rig()
            let name = "strait_connections_accepted_total"
            let before = try await rig.router.metric(name)
            for _ in 0..<5 { _ = try await rig.probe(["name=www.acme.test"]) }
            #expect(try await rig.router.metric(name) >= before + 5)
            let lint = try await rig.shell.bash(
                "curl -sS --unix-socket '\(rig.router.adminSocket)' http://admin/metrics"
                    + " | '\(Programs.promtool)' check metrics")
            #expect(lint.succeeded && lint.standardError.isEmpty, "\(lint)")
        }

        @Test("the admin socket tells health, readiness and version")
        func admin() async throws {
            let rig = try EndToEnd.rig()
            for path in ["/livez", "/readyz", "/healthz", "/version"] {
                let output = try await rig.router.ask(path)
                #expect(output.succeeded, "\(path): \(output)")
            }
            #expect(!(try await rig.router.ask("/nothing").succeeded))
        }

        @Test("explain tells the decision for a name, and for a connection that was")
        func explain() async throws {
            let rig = try EndToEnd.rig()
            let config = [
                "--config", rig.router.configurationPath, "--port", "\(rig.ports.shared)",
            ]
            let found = try await rig.strait(
                ["explain"] + config + [
                    "--sni", "orders.acme.test", "--alpn", "postgresql", "--from", "127.0.0.1",
                ])
            #expect(found.succeeded && found.text.contains("orders"), "\(found)")
            let unknown = try await rig.strait(["explain"] + config + ["--sni", "nobody.test"])
            #expect(
                unknown.text.contains("name_unknown") || unknown.text.contains("112"), "\(unknown)")
            _ = try await rig.probe(["name=explained.test"])
            let record = try await rig.router.record("to explain") {
                $0["server.address"] == "explained.test"
            }
            let id = try #require(record["strait.connection.id"])
            let told = try await rig.strait([
                "explain", "--connection", id, "--admin", rig.router.adminSocket,
            ])
            #expect(told.text.contains("name_unknown"), "\(told)")
            #expect(
                told.text.contains("it would have passed with explained.test among"), "\(told)")
        }

        @Test("check reports every problem at once, with its line")
        func check() async throws {
            let rig = try EndToEnd.rig()
            #expect(try await rig.strait(["check", rig.router.configurationPath]).status == 0)
            let path = "\(rig.shell.directory)/wrong.yaml"
            try """
            listenrs: []
            listeners:
              - { name: a, address: "[::]:70000" }
            tenants:
              - { name: t, domains: ["*.*.test"] }
            """.write(toFile: path, atomically: true, encoding: .utf8)
            let output = try await rig.strait(["check", path])
            #expect(output.status == 1)
            let said = output.text + output.standardError
            for word in ["wrong.yaml:1", "wrong.yaml:3", "wrong.yaml:5", "listenrs", "70000"] {
                #expect(said.contains(word), "\(word) in:\n\(said)")
            }
        }

        @Test("the program tells its version, and its completions")
        func version() async throws {
            let rig = try EndToEnd.rig()
            #expect(try await rig.strait(["--version"]).text.contains("strait"))
            let bash = try await rig.strait(["--generate-completion-script", "bash"])
            #expect(bash.succeeded && bash.text.contains("complete"))
            #expect(try await rig.strait(["serve", "--nonsense"]).status == 2)
        }

        @Test("shells complete what is live, and nothing where no router answers")
        func completions() async throws {
            let rig = try EndToEnd.rig()
            func complete(_ socket: String) async throws -> Output {
                try await rig.shell.bash(
                    "STRAIT_ADMIN='\(socket)' '\(Programs.strait)' ---completion explain"
                        + " -- --listener 0 0")
            }
            let live = try await complete(rig.router.adminSocket)
            #expect(live.text.split(separator: "\n").contains("shared"), "\(live)")
            let none = try await complete("/nonexistent/admin.sock")
            #expect(none.succeeded && none.trimmed.isEmpty, "\(none)")
        }

        @Test("there is a manual page for every command")
        func manual() async throws {
            let rig = try EndToEnd.rig()
            let folder = "\(rig.shell.directory)/man"
            let output = try await rig.shell.run([
                "\(Programs.repository)/tools/manual", folder, Programs.strait,
            ])
            #expect(output.succeeded, "\(output)")
            let pages = try FileManager.default.contentsOfDirectory(atPath: folder)
            for page in ["strait.1", "strait-serve.1", "strait-config-init.1"] {
                #expect(pages.contains(page), "\(pages)")
            }
            let drain = try String(contentsOfFile: "\(folder)/strait-drain.1", encoding: .utf8)
            #expect(drain.contains(".SH EXAMPLES") && drain.contains("cancel"), "\(drain)")
        }

        @Test("every example configuration is accepted")
        func examples() async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.run([
                "\(Programs.repository)/tools/check-configs", Programs.strait,
            ])
            #expect(output.succeeded, "\(output)")
        }
    }
}
