// What tenants' own names lead to over HTTPS: compiled, explained, and nothing kept for a tenant.

import StraitControl
import StraitCore
import StraitRouting
import StraitSnapshot
import Testing

@Suite("What is built in") struct BuiltInTests {
    private static let socket = SocketAddress.unix(path: "/run/strait/admin.sock.1.web/s")

    private static func compile(
        _ address: SocketAddress? = Self.socket, more: String = ""
    ) throws -> CompiledConfiguration {
        var text = ConfigurationText()
        text.more = more
        var compiling = Compiling()
        compiling.compiler.webAPI = address
        return try compiling.compile(text.text)
    }

    @Test("a connection to an own name ends its TLS here, with a header of version 2 behind it")
    func service() throws {
        let live = try Self.compile()
        let builtIn = try #require(live.snapshot.builtIn)
        let tenant = try #require(live.snapshot.tenants.elements.first)
        let service = builtIn.service(of: tenant)
        #expect(service.tenant === tenant && service.name == "webapi")
        #expect(service.mode == .terminate && service.serviceProtocol == .web)
        #expect(service.applicationProtocols == [.http2, .http11])
        #expect(service.clientCertificate == .none && !service.givesTickets)
        #expect(service.upstreams.count == 1)
        #expect(service.upstreams.first?.address == Self.socket)
        #expect(service.upstreams.first?.proxyHeader == .v2)
        let labels = live.directory.labels(ofSlot: service.metricsSlot)
        #expect(labels.tenant == "other" && labels.service == "webapi")
        #expect(live.directory.liveServices.contains(service.metricsSlot))
    }

    @Test("where nobody answers, or it is switched off, there is nothing built in")
    func absent() throws {
        #expect(try Self.compile(nil).snapshot.builtIn == nil)
        let live = try Self.compile(more: "webapi: { enabled: false }")
        #expect(live.snapshot.builtIn == nil)
        #expect(!live.directory.services.contains { $0.service == "webapi" })
    }

    @Test(
        "explain tells of it, and refuses what is no HTTP",
        arguments: [
            (["h2"], true, "service"), (["http/1.1"], true, "service"), ([], true, "service"),
            (["strait-mysql"], true, "refuse"), (["h2"], false, "refuse"),
        ] as [([String], Bool, String)])
    func explain(offered: [String], isThere: Bool, decision: String) throws {
        let live = try Self.compile(isThere ? Self.socket : nil)
        let query = ExplainQuery(
            serverName: "acme.example.com", applicationProtocols: offered, listener: nil,
            port: nil, from: nil, opening: .tls)
        let answer = try query.answer(from: live.snapshot)
        #expect(answer.decision == decision && answer.tenant == "acme")
        if decision == "service" {
            #expect(answer.service == "webapi" && answer.mode == "terminate")
        } else {
            #expect(answer.reason == "alpn_mismatch")
        }
    }

    @Test("a name that was an own name and is none any more is nobody's")
    func directory() throws {
        let directory = WebAPIDirectory()
        let name = try #require(HostName("acme.example.com"))
        #expect(!directory.isOwnName(name, ofTenant: "acme", incarnation: 0))
        #expect(directory.facts(ofTenant: "acme") == nil && directory.revision == 0)
        directory.publish(try Self.compile(), now: 1)
        #expect(
            directory.isOwnName(name, ofTenant: "acme", incarnation: 0) && directory.revision == 1)
        #expect(!directory.isOwnName(name, ofTenant: "globex", incarnation: 0))
        #expect(directory.facts(ofTenant: "acme")?.names == [name])
        directory.publish(nil, now: 2)
        #expect(!directory.isOwnName(name, ofTenant: "acme", incarnation: 0))
    }
}
