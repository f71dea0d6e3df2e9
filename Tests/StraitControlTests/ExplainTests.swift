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
            ("nope.acme.example.com", ["http/1.1"], ExplainQuery.Opening.tls, "name_unknown"),
            ("www.acme.example.com", ["h2"], .tls, "alpn_mismatch"),
            ("a..b", ["http/1.1"], .tls, "name_malformed"),
            ("www.acme.example.com", ["http/1.1"], .postgres, "protocol_not_allowed"),
        ])
    func refused(
        name: String, offered: [String], opening: ExplainQuery.Opening, reason: String
    ) throws {
        let answer = try Self.ask {
            $0.serverName = name
            $0.applicationProtocols = offered
            $0.opening = opening
        }
        #expect(answer.decision == "refuse")
        #expect(answer.reason == reason)
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
}
