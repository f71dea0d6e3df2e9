// `strait explain`, dry.

import StraitControl
import StraitCore
import Testing

@Suite("ExplainQuery") struct ExplainTests {
    private static func ask(
        _ change: (inout ExplainQuery) -> Void, listeners: String? = nil
    ) throws -> ExplainAnswer {
        var text = ConfigurationText()
        if let listeners { text.listeners = listeners }
        var query = ExplainQuery(
            serverName: "www.acme.example.com", applicationProtocols: ["http/1.1"], listener: nil,
            port: nil, from: nil, opening: .tls)
        change(&query)
        var compiling = Compiling()
        return try query.answer(from: try compiling.compile(text.text).snapshot)
    }

    @Test(
        "a name that is known leads to its service, whatever its case and dot",
        arguments: [
            "www.acme.example.com", "WWW.Acme.example.COM.",
        ])
    func known(name: String) throws {
        let answer = try Self.ask { $0.serverName = name }
        #expect(answer.decision == "service")
        #expect(answer.tenant == "acme" && answer.service == "www")
        #expect(answer.upstreams == ["127.0.0.1:8080"])
        #expect(answer.steps.count > 3)
    }

    @Test(
        "what leads nowhere says why",
        arguments: [
            (
                "nope.acme.example.com", ["http/1.1"], ExplainQuery.Opening.tls, "name_unknown",
                "nope.acme.example.com among"
            ),
            ("www.acme.example.com", ["h2"], .tls, "alpn_mismatch", "an ALPN identifier"),
            ("a..b", ["http/1.1"], .tls, "name_malformed", "a host name"),
            (
                "www.acme.example.com", ["http/1.1"], .postgres, "protocol_not_allowed",
                "among the protocols of listener"
            ),
        ])
    func refused(
        name: String, offered: [String], opening: ExplainQuery.Opening, reason: String,
        remedy: String
    ) throws {
        let answer = try Self.ask {
            $0.serverName = name
            $0.applicationProtocols = offered
            $0.opening = opening
        }
        #expect(answer.decision == "refuse")
        #expect(answer.reason == reason)
        #expect(answer.remedy?.contains(remedy) == true, "\(answer.remedy ?? "none")")
    }

    /// A service that ends TLS, reached by SSH's own banner, by silence and by a raw listener.
    private static func askShell(
        _ listener: String, certificate: String = "none",
        _ change: (inout ExplainQuery) -> Void
    ) throws -> ExplainAnswer {
        var text = ConfigurationText()
        text.listeners = "  - { name: l, address: \"127.0.0.1:8443\", \(listener) }"
        text.certificates += "]\n    client_ca: [ca.pem"
        text.services = """
                  - { name: shell, protocol: ssh, mode: terminate, default: true,
                      client_certificate: \(certificate),
                      upstreams: [{ address: "tcp://127.0.0.1:22" }] }
            """
        var query = ExplainQuery(
            serverName: nil, applicationProtocols: [], listener: nil, port: nil, from: nil,
            opening: .ssh)
        change(&query)
        var compiling = Compiling()
        return try query.answer(from: try compiling.compile(text.text).snapshot)
    }

    @Test(
        "what comes without TLS meets no handshake, and is said to come so",
        arguments: [
            ("tenant: acme", ExplainQuery.Opening.ssh),
            ("tenant: acme, server_first: ssh", .raw),
            ("tenant: acme, service: shell", .ssh),
            ("tenant: acme, service: shell", .tls),
        ])
    func withoutTLS(listener: String, opening: ExplainQuery.Opening) throws {
        let answer = try Self.askShell(listener) { $0.opening = opening }
        #expect(answer.decision == "service" && answer.service == "shell")
        #expect(answer.text == "acme/shell, without TLS, to 127.0.0.1:22")
        #expect(!answer.steps.contains { ["handshake", "authenticate"].contains($0.phase) })
    }

    @Test("what comes with TLS to the same service meets the handshake")
    func withTLS() throws {
        let answer = try Self.askShell("tenant: acme") {
            $0.opening = .tls
            $0.serverName = "shell.acme.example.com"
        }
        #expect(answer.text == "acme/shell, terminate, to 127.0.0.1:22")
        #expect(answer.steps.map(\.phase).suffix(2) == ["handshake", "authenticate"])
    }

    @Test("silence is refused where no server speaks first")
    func silence() throws {
        let answer = try Self.askShell("tenant: acme") { $0.opening = .raw }
        #expect(answer.decision == "refuse" && answer.reason == "first_byte_timeout")
    }

    @Test(
        "a PROXY header is believed only from trusted addresses",
        arguments: [
            ("10.1.2.3", "service"), ("192.0.2.1", "refuse"),
        ])
    func trusted(from: String, decision: String) throws {
        let listener = """
              - { name: lb, address: "127.0.0.1:8443", protocols: [tls],
                  proxy_protocol: required, trusted: [10.0.0.0/8] }
            """
        #expect(try Self.ask({ $0.from = from }, listeners: listener).decision == decision)
    }

    @Test(
        "a question about a listener that is not there is refused with the names of those that are")
    func noSuchListener() throws {
        #expect(throws: ExplainFailure.self) { try Self.ask { $0.port = 1 } }
        #expect(throws: ExplainFailure.self) { try Self.ask { $0.listener = "nope" } }
        #expect(throws: ExplainFailure.self) { try Self.ask { $0.from = "nobody" } }
        #expect(throws: ExplainFailure.self) { try Self.ask { $0.applicationProtocols = [""] } }
    }

    @Test("MySQL whose TLS ends here is reached without TLS, and says where TLS comes in")
    func mySQL() throws {
        let text = """
            listeners:
              - { name: db, address: "127.0.0.1:3307", protocols: raw, tenant: acme, service: shop }
            tenants:
              - name: acme
                domains: [acme.example.com]
                certificates: [{ chain: wide.pem, key: wide.key }]
                client_ca: [ca.pem]
                services:
                  - name: shop
                    protocol: mysql
                    mode: terminate
                    client_certificate: required
                    upstreams: [{ address: "tcp://127.0.0.1:3306" }]

            """
        var compiling = Compiling()
        let query = ExplainQuery(
            serverName: nil, applicationProtocols: [], listener: nil, port: nil, from: nil,
            opening: .raw)
        let answer = try query.answer(from: try compiling.compile(text).snapshot)
        #expect(answer.decision == "service")
        #expect(answer.text == "acme/shop, terminate, to 127.0.0.1:3306")
        #expect(answer.steps.contains { $0.phase == "prelude" })
        #expect(answer.steps.last?.outcome == "required")
    }
}
