// What `/webapi` answers: members and values of the model, names, refusals, bounds. No socket.

import HTTPTypes
import StraitAPI
import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitWire
import Testing

/// A responder over a configuration.
struct Responding {
    let directory = WebAPIDirectory()
    let responder: WebAPIResponder
    private var compiler = SnapshotCompiler()
    private var revision: UInt64 = 0

    static let text = """
        region: eu-central
        listeners:
          - { name: shared, address: "[::]:443", protocols: [tls] }
          - { name: one, address: "203.0.113.7:8443", protocols: [tls] }
          - { name: six, address: "[2001:db8::7]:8443", protocols: [tls] }
          - { name: acme-ssh, address: "[::]:11105", tenant: acme, service: bastion }
          - { name: acme-kube, address: "[::]:11107", tenant: acme, service: prod }
          - { name: acme-mysql, address: "[::]:11108", tenant: acme, service: shop,
              server_first: mysql }
          - { name: acme-pg, address: "[::]:11109", tenant: acme, protocols: [tls, postgres] }
        webapi: { requests_per_second: 2 }
        tenants:
          - name: acme
            domains: [acme.example.com, old.example.com]
            services:
              - { name: bastion, protocol: ssh, upstreams: [{ address: "tcp://127.0.0.1:22" }] }
              - { name: prod, protocol: kubernetes,
                  upstreams: [{ address: "tcp://127.0.0.1:6443" }] }
              - { name: shop, protocol: mysql, upstreams: [{ address: "tcp://127.0.0.1:3306" }] }
              - { name: orders, protocol: postgres,
                  upstreams: [{ address: "tcp://127.0.0.1:5432" }] }
          - name: beta
            domains: [beta.example.com]
            services:
              - { name: www, protocol: web, upstreams: [{ address: "tcp://127.0.0.1:80" }] }

        """

    init(_ text: String = Self.text) throws {
        self.responder = WebAPIResponder(self.directory)
        try self.use(text)
    }

    mutating func use(_ text: String) throws {
        let reading = ConfigurationReader(checksFiles: false).read(text: text, file: "strait.yaml")
        let configuration = try #require(
            reading.configuration, "\(reading.problems.map(\.text).joined(separator: "\n"))")
        self.revision += 1
        let live = try self.compiler.compile(
            configuration, revision: self.revision, epoch: 0,
            now: Timestamp(nanoseconds: 1_800_000_000_000_000_000))
        self.directory.publish(live, now: self.revision * 1_000_000_000)
    }

    func ask(
        _ path: String, host: String? = "acme.example.com", tenant: String = "acme",
        from: String = "192.0.2.1", port: UInt16 = 443, method: HTTPRequest.Method = .get,
        headers: HTTPFields = [:], hasBody: Bool = false, isHTTP2: Bool = true,
        incarnation: UInt64 = 0, now: UInt64 = 0
    ) -> WebAPIResponse {
        self.responder.answer(
            HTTPRequest(
                method: method, scheme: "https", authority: host, path: path,
                headerFields: headers),
            from: WebAPISource(
                address: IPAddress(from), port: 4242, dialledPort: port, tenant: tenant,
                incarnation: incarnation, connection: "c-1", isHTTP2: isHTTP2),
            hasBody: hasBody, now: now)
    }
}

extension WebAPIResponse {
    var text: String { String(decoding: self.body, as: UTF8.self) }
    var status: Int { self.head.status.code }
}

@Suite("What /webapi answers") struct WebAPIAnswerTests {
    @Test(
        "ping has only members that the model has, of the model's kinds",
        arguments: ["/webapi/ping", "/v1/webapi/ping", "/webapi/find", "/v1/webapi/find"])
    func members(path: String) throws {
        let found = try WebAPIModel.members(of: try Responding().ask(path).body)
        for (member, value) in found {
            let kind = try #require(WebAPIModel.members[member], "\(member) is not the model's")
            #expect(WebAPIModel.isOf(kind, value), "\(member): \(value)")
        }
        #expect(found.count > 15)
        #expect((found["auth"] != nil) == path.hasSuffix("ping"))
        for absent in ["min_client_version", "edition", "fips", "auth.type"] {
            #expect(found[absent] == nil, "\(absent) would not be true")
        }
    }

    @Test(
        "a tenant with ports from 11105 on is told as users of the model know it",
        arguments: [
            ("kube.public_addr", "acme.example.com:11107"), ("kube.listen_addr", "[::]:11107"),
            ("ssh.listen_addr", "[::]:11105"), ("ssh.public_addr", "acme.example.com:443"),
            ("ssh.ssh_public_addr", "acme.example.com:11105"),
            ("ssh.tunnel_listen_addr", "[::]:11106"),
            ("ssh.ssh_tunnel_public_addr", "acme.example.com:11106"),
            ("db.postgres_public_addr", "acme.example.com:11109"),
            ("db.mysql_listen_addr", "[::]:11108"),
            ("db.mysql_public_addr", "acme.example.com:11108"),
        ])
    func values(member: String, value: String) throws {
        let host = try #require(HostName("acme.example.com"))
        let any = try #require(IPAddress("::"))
        let ports = PortKind.standard.enumerated().map { index, kind in
            (kind, SocketAddress.ip(any, port: 11_105 + UInt16(index)))
        }
        let facts = WebAPIFacts(
            tenant: "acme", names: [host], region: "eu-central", router: "r-1",
            ports: Dictionary(uniqueKeysWithValues: ports), web: .ip(any, port: 443),
            hasKubernetes: false)
        let answer = DiscoveryAnswer(
            facts, webPort: facts.webPort(dialled: 443), version: "1.2.3", isPing: true)
        let found = try WebAPIModel.members(of: try AnswerJSON.encode(answer))
        #expect(found["proxy.\(member)"] as? String == value)
        #expect(found["proxy.tls_routing_enabled"] as? Bool == true)
        #expect(found["proxy.kube.enabled"] as? Bool == true)
        #expect(found["cluster_name"] as? String == "acme")
        #expect(found["server_version"] as? String == "1.2.3")
    }

    @Test("the file's listeners of a tenant are its ports, and those of nobody else")
    func portsOfListeners() throws {
        let responding = try Responding()
        #expect(
            responding.ask("/webapi/find").text.contains(
                #""ports":{"kube":11107,"mysql":11108,"postgres":11109,"ssh":11105}"#))
        let beta = responding.ask("/webapi/find", host: "beta.example.com", tenant: "beta")
        #expect(beta.text.contains(#""kube":{}"#) && beta.text.contains(#""ports":{}"#))
    }

    @Test(
        "the web's port is the one that was dialled, but for a port of the tenant's own",
        arguments: [(443, 443), (8443, 8443), (11_107, 443), (0, 443)])
    func webPort(dialled: UInt16, told: UInt16) throws {
        let text = try Responding().ask("/webapi/find", port: dialled).text
        #expect(text.contains(#""public_addr":"acme.example.com:\#(told)""#))
    }

    @Test("a change is told at once, and the tag stays while nothing changes for the tenant")
    func changes() throws {
        var responding = try Responding()
        let tag = try #require(responding.ask("/webapi/ping").head.headerFields[.eTag])
        #expect(responding.ask("/webapi/find").head.headerFields[.eTag] != tag)
        try responding.use(
            Responding.text.replacingOccurrences("beta.example.com", with: "b.example.com"))
        let again = responding.ask("/webapi/ping", headers: [.ifNoneMatch: "\"x\", W/\(tag)"])
        #expect(again.status == 304 && again.body.isEmpty)
        #expect(again.head.headerFields[.eTag] == tag)
        try responding.use(
            Responding.text.replacingOccurrences("[acme.example.com", with: "[new.example.com"))
        #expect(responding.ask("/webapi/ping").status == 421)
        let renamed = responding.ask(
            "/webapi/ping", host: "old.example.com", headers: [.ifNoneMatch: tag], now: 9 << 30)
        #expect(renamed.status == 200)
        #expect(renamed.text.contains(#""public_addr":"new.example.com:443""#))
    }

    @Test(
        "a host that is no own name of the connection's tenant is misdirected",
        arguments: [
            "beta.example.com", "www.beta.example.com", "prod.acme.example.com", "example.com",
            "kube-teleport-proxy-alpn.acme.example.com", "127.0.0.1", "[::1]", "", "a b", ":443",
            "acme.example.com:443:443", "acme.example.com:x", "acme.example.com@x",
        ])
    func misdirected(host: String) throws {
        let answer = try Responding().ask("/webapi/ping", host: host)
        #expect(answer.status == 421)
        #expect(answer.text.hasPrefix(#"{"error":{"message":""#))
        #expect(!answer.text.contains("proxy"))
    }

    @Test(
        "every spelling of an own name is good, with a port or without",
        arguments: [
            "acme.example.com", "ACME.example.COM", "acme.example.com.", "acme.example.com:443",
            "old.example.com:11107",
        ])
    func ownNames(host: String) throws {
        #expect(try Responding().ask("/webapi/ping", host: host).status == 200)
    }

    @Test(
        "over HTTP/1.1 a target in absolute-form says the host, whatever Host says",
        arguments: [
            ("https://acme.example.com/webapi/ping", "beta.example.com", 200),
            ("HTTP://ACME.example.com:443/webapi/ping?x=/", "acme.example.com", 200),
            ("https://beta.example.com/webapi/ping", "acme.example.com", 421),
            ("https:///webapi/ping", "acme.example.com", 421),
            ("https://x@acme.example.com/webapi/ping", "acme.example.com", 421),
            ("https://acme.example.com", "acme.example.com", 404),
            ("https://acme.example.com?/webapi/ping", "acme.example.com", 404),
            ("/x?https://acme.example.com/webapi/ping", "acme.example.com", 404),
        ])
    func absoluteForm(target: String, host: String, status: Int) throws {
        let responding = try Responding()
        #expect(responding.ask(target, host: host, isHTTP2: false).status == status)
        // RFC 9113 §8.3.1: there it is no path.
        let overHTTP2 = responding.ask(target, host: "acme.example.com").status
        #expect(overHTTP2 == 404)
    }

    @Test("a connection to a tenant that is gone is not the next one's of that name")
    func incarnation() throws {
        let responding = try Responding()
        #expect(responding.ask("/webapi/ping", incarnation: 1).status == 421)
        #expect(responding.ask("/webapi/whoami", incarnation: 1).status == 421)
    }

    @Test("a request without a host, or with two, is refused")
    func hosts() throws {
        let responding = try Responding()
        #expect(responding.ask("/webapi/ping", host: nil).status == 400)
        var headers = HTTPFields()
        headers[try #require(HTTPField.Name("Host"))] = "acme.example.com"
        #expect(responding.ask("/webapi/ping", headers: headers).status == 400)
    }

    @Test(
        "what is not asked for has no answer",
        arguments: [
            "", "/", "/webapi", "/webapi/", "/webapi/pin", "/webapi/ping/", "/webapi/ping/github",
            "/v2/webapi/ping", "/v1/v1/webapi/ping", "/v1/status", "/metrics", "webapi/ping",
            "/webapi/../v1/status", "/webapi/%70ing", "https://acme.example.com/webapi/ping", "*",
        ])
    func unknown(path: String) throws {
        #expect(try Responding().ask(path).status == 404)
    }

    @Test("only GET and HEAD are answered, and no body is taken")
    func methods() throws {
        let responding = try Responding()
        let refused = responding.ask("/webapi/ping", method: .post)
        #expect(refused.status == 405)
        #expect(refused.head.headerFields[.allow] == "GET, HEAD")
        let body = responding.ask("/webapi/ping", hasBody: true)
        #expect(body.status == 413 && body.closes)
        let head = responding.ask("/webapi/ping", method: .head)
        let get = responding.ask("/webapi/ping")
        #expect(head.body.isEmpty && head.head == get.head)
        #expect(get.head.headerFields[.contentLength] == "\(get.body.count)")
    }

    @Test("addresses are those of listeners, or as configured, with the time of their coming")
    func addresses() throws {
        var responding = try Responding()
        let first = "1970-01-01T00:00:01.000Z"
        #expect(
            responding.ask("/webapi/ips").text == """
                {"ipv4":[{"address":"203.0.113.7","router":"r-1","since":"\(first)"}],\
                "ipv6":[{"address":"2001:db8::7","router":"r-1","since":"\(first)"}],\
                "region":"eu-central"}

                """)
        try responding.use(
            Responding.text.replacingOccurrences(
                "webapi: {",
                with: #"webapi: { public_addresses: [198.51.100.1, "2001:db8::7"],"#))
        let text = responding.ask("/webapi/ips").text
        #expect(
            text.contains(
                #""198.51.100.1","router":"r-1","since":"1970-01-01T00:00:02.000Z""#))
        #expect(text.contains(#""2001:db8::7","router":"r-1","since":"\#(first)""#))
        #expect(!text.contains("203.0.113.7"))
    }
}

extension String {
    func replacingOccurrences(_ part: String, with other: String) -> String {
        self.split(separator: part, omittingEmptySubsequences: false).joined(separator: other)
    }
}
