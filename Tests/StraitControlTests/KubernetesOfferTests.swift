// What a Kubernetes service offers where TLS ends here: h2 unless a browser could go astray by it.

import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitSnapshot
import Testing

@Suite("SnapshotCompiler, Kubernetes services") struct KubernetesOfferTests {
    private static func cluster(_ keys: String, upstream: String = Self.tls) -> String {
        "      - { name: prod, protocol: kubernetes, \(keys)upstreams: [\(upstream)] }"
    }

    private static let tls = #"{ address: "tls://10.0.4.1:6443", ca: ca.pem }"#
    private static let plain = #"{ address: "tcp://10.0.4.1:8001" }"#
    private static let terminate = "mode: terminate, "

    private static func other(_ serviceProtocol: String, _ mode: String) -> String {
        "      - { name: other, protocol: \(serviceProtocol), mode: \(mode), "
            + #"upstreams: [{ address: "tcp://127.0.0.1:8080" }] }"#
    }

    private static func compiled(_ services: [String]) throws -> CompiledConfiguration {
        var text = ConfigurationText()
        text.services = services.joined(separator: "\n")
        var compiling = Compiling()
        return try compiling.compile(text.text)
    }

    private static func offered(_ services: [String]) throws -> [ApplicationProtocol] {
        try Self.compiled(services).snapshot.services[0].applicationProtocols
    }

    @Test("h2 is offered before http/1.1 where the certificate leads to the cluster alone")
    func alone() throws {
        #expect(try Self.offered([Self.cluster(Self.terminate)]) == [.http2, .http11])
    }

    @Test(
        "h2 is offered beside what no browser goes to, although the certificate covers it",
        arguments: [("kubernetes", "passthrough"), ("postgres", "terminate"), ("ssh", "terminate")])
    func besideOthers(serviceProtocol: String, mode: String) throws {
        let services = [Self.cluster(Self.terminate), Self.other(serviceProtocol, mode)]
        #expect(try Self.offered(services) == [.http2, .http11])
    }

    @Test(
        "h2 is not offered where the certificate also leads to what a browser may go to",
        arguments: [("web", "terminate"), ("web", "passthrough"), ("tcp", "passthrough")])
    func besideWeb(serviceProtocol: String, mode: String) throws {
        let services = [Self.cluster(Self.terminate), Self.other(serviceProtocol, mode)]
        #expect(try Self.offered(services) == [.http11])
    }

    @Test("h2 is not offered where an upstream has no TLS in which to agree on it")
    func withoutTLS() throws {
        #expect(
            try Self.offered([Self.cluster(Self.terminate, upstream: Self.plain)]) == [.http11])
        let both = Self.cluster(Self.terminate, upstream: "\(Self.tls), \(Self.plain)")
        #expect(try Self.offered([both]) == [.http11])
    }

    @Test("the route table refuses what is not offered, as the handshake would")
    func routes() throws {
        let services = [Self.cluster(Self.terminate), Self.other("web", "terminate")]
        let narrowed = try Self.compiled(services).snapshot.routes
        let alone = try Self.compiled([services[0]]).snapshot.routes
        let name = HostName("prod.acme.example.com")
        let h2 = Array("\u{2}h2".utf8)
        let both = h2 + Array("\u{8}http/1.1".utf8)
        for (table, offered, isTaken) in [
            (alone, h2, true), (narrowed, h2, false), (narrowed, both, true),
        ] {
            let decision = table.route(
                arrival: .tls, scope: ListenerScope(), name: name, offered: offered.span)
            #expect((decision == .service(0, .exact)) == isTaken)
        }
    }

    @Test("h2 that is written beside a web service is refused, and beside a second cluster taken")
    func written() throws {
        let cluster = Self.cluster(Self.terminate + "alpn: [h2], ")
        var text = ConfigurationText()
        text.services = [cluster, Self.other("web", "terminate")].joined(separator: "\n")
        #expect(try Compiling.problems(text.text).map(\.code) == [.h2Coalesces])
        #expect(try Self.offered([cluster, Self.other("kubernetes", "passthrough")]) == [.http2])
    }

    @Test("in passthrough the upstream offers, not we")
    func passthrough() throws {
        #expect(try Self.offered([Self.cluster("", upstream: Self.plain)]) == [])
    }

    @Test(
        "a silent watch is kept for a day, or as long as timeouts.idle if that is longer",
        arguments: [
            ("", "", 24), ("", "timeouts: { idle: 10m }", 24), ("", "timeouts: { idle: 48h }", 48),
            ("idle_timeout: 2h, ", "timeouts: { idle: 48h }", 2),
        ])
    func idle(keys: String, more: String, hours: UInt64) throws {
        var text = ConfigurationText()
        text.services = Self.cluster(keys, upstream: Self.plain)
        text.more = more
        var compiling = Compiling()
        let service = try compiling.compile(text.text).snapshot.services[0]
        #expect(service.idleTimeout == hours * 3_600_000_000_000)
    }

    @Test("other protocols take timeouts.idle")
    func idleElsewhere() throws {
        #expect(
            try Self.compiled([ConfigurationText.www]).snapshot.services[0].idleTimeout == nil)
    }
}
