// Routing by ALPN, after an SSLRequest, and without TLS.

import StraitCore
import StraitRouting
import Testing

@Suite("RouteTable, by application protocol") struct RouteTableProtocolTests {
    let table: RouteTable

    init() throws { self.table = try RouteTable(try sampleRules()) }

    @Test(
        "a service that terminates accepts its list, or its protocol's, and nothing at all",
        arguments: [
            ("orders", ["postgresql"]), ("orders", ["strait-postgres"]),
            ("orders", ["teleport-postgres"]), ("orders", ["h2", "postgresql"]),
            ("bastion", ["strait-ssh"]), ("bastion", ["teleport-proxy-ssh"]),
            ("shop", ["strait-mysql"]), ("shop", ["teleport-mysql"]),
            ("shop", ["teleport-mysql-OC4wLjM1"]), ("shop", ["teleport-mysql-OC4wLjM="]),
            ("www", ["h2"]), ("www", ["http/1.1"]), ("www", ["h3", "h2"]),
            ("orders", []), ("bastion", []), ("shop", []), ("www", []),
        ])
    func accepted(name: String, ids: [String]) throws {
        let rules = try sampleRules()
        let service = try #require(rules.services.firstIndex { $0.name == name })
        #expect(
            try self.table.ask("\(name).acme.example.com", ids) == .service(service, .exact))
    }

    @Test(
        "a service that terminates refuses an offer with nothing in common",
        arguments: [
            ("orders", ["h2"]), ("orders", ["postgres"]), ("orders", ["postgresql2"]),
            ("orders", ["POSTGRESQL"]), ("orders", ["teleport-postgres-ping"]),
            ("bastion", ["teleport-proxy-ssh-grpc"]), ("bastion", ["strait-postgres"]),
            ("shop", ["teleport-mysql-"]), ("shop", ["teleport-mysql-ping"]),
            ("shop", ["teleport-mysql-a"]), ("shop", ["teleport-mysql-===="]),
            ("shop", ["teleport-mysql-ab=c"]), ("shop", ["teleport-mysql-ab-d"]),
            ("www", ["h2c"]), ("www", ["postgresql"]), ("orders", ["acme-tls/1", "h2"]),
        ])
    func disjoint(name: String, ids: [String]) throws {
        #expect(
            try self.table.ask("\(name).acme.example.com", ids)
                == .refuse(.alpnMismatch, tenant: Sample.acme))
    }

    @Test("a service that passes TLS through is checked against a configured list only")
    func passthrough() throws {
        #expect(
            try self.table.ask("reports.acme.example.com", ["h2"])
                == .service(Sample.reports, .exact))
        #expect(
            try self.table.ask("prod.acme.example.com", ["h2"]) == .service(Sample.prod, .exact))
        #expect(try self.table.ask("prod.acme.example.com") == .service(Sample.prod, .exact))
        #expect(
            try self.table.ask("prod.acme.example.com", ["postgresql"])
                == .refuse(.alpnMismatch, tenant: Sample.acme))
    }

    @Test(
        "on a tenant's own name the first offered protocol with a default service decides",
        arguments: [
            (["strait-ssh"], Sample.bastion, NameKind.exact),
            (["teleport-proxy-ssh"], Sample.bastion, .alias),
            (["postgresql"], Sample.orders, .exact),
            (["strait-postgres"], Sample.orders, .exact),
            (["teleport-postgres"], Sample.orders, .alias),
            (["strait-mysql"], Sample.shop, .exact), (["teleport-mysql"], Sample.shop, .alias),
            (["teleport-mysql-OC4wLjM1"], Sample.shop, .alias),
            (["strait-tcp"], Sample.stream, .exact), (["teleport-tcp"], Sample.stream, .alias),
            (["strait-ssh", "postgresql"], Sample.bastion, .exact),
            (["postgresql", "strait-ssh"], Sample.orders, .exact),
            (["h2", "http/1.1", "x", "teleport-tcp", "postgresql"], Sample.stream, .alias),
            (["teleport-tcp-ping", "teleport-tcp"], Sample.stream, .alias),
        ])
    func ownName(ids: [String], service: Int, kind: NameKind) throws {
        for name in ["acme.example.com", "acme.example.net"] {
            #expect(try self.table.ask(name, ids) == .service(service, kind))
        }
    }

    @Test("a protocol without a default service is passed over for the next")
    func ownNameSkips() throws {
        #expect(
            try self.table.ask("beta.example.com", ["strait-mysql", "strait-tcp", "postgresql"])
                == .service(Sample.otherDatabase, .exact))
    }

    @Test(
        "a tenant's own name leads to what is built in for HTTP, and for no protocol at all",
        arguments: [
            [], ["h2"], ["http/1.1"], ["h2", "http/1.1"], ["strait-mysql", "h2"],
            ["x", "http/1.1"], ["acme-tls/1", "h2"],
        ])
    func ownNameIsBuiltIn(ids: [String]) throws {
        #expect(try self.table.ask("beta.example.com", ids) == .builtIn(tenant: Sample.beta))
        let name = try host("beta.example.com")
        #expect(self.table.tenant(withOwnName: name) == Sample.beta)
        #expect(self.table.ownNames(ofTenant: Sample.beta) == [name])
    }

    @Test(
        "names of services and of nobody are no tenant's own names",
        arguments: [
            "www.beta.example.com", "kube-teleport-proxy-alpn.acme.example.com",
            "nobody.example.com", "x.beta.example.com",
        ])
    func notOwnNames(name: String) throws {
        #expect(self.table.tenant(withOwnName: try host(name)) == nil)
        #expect(self.table.ownNames(ofTenant: 99) == [])
    }

    @Test(
        "a tenant's own name leads nowhere for unknown protocols and those without a service",
        arguments: [
            ["strait-mysql"], ["teleport-ssh"], ["teleport-postgres-ping"], ["acme-tls/1"],
            ["http/1.0", "h3"], ["h2c"],
        ])
    func ownNameRefuses(ids: [String]) throws {
        #expect(
            try self.table.ask("beta.example.com", ids)
                == .refuse(.alpnMismatch, tenant: Sample.beta))
    }

    @Test("several services of a protocol without a declared default have none")
    func ambiguousDefault() throws {
        var rules = try sampleRules()
        rules.services[Sample.orders].isDefault = false
        let table = try RouteTable(rules)
        let refusal = RouteDecision.refuse(.alpnMismatch, tenant: Sample.acme)
        #expect(try table.ask("acme.example.com", ["postgresql"]) == refusal)
        #expect(try table.ask("acme.example.com", [], .tlsAfterPostgres) == refusal)
    }

    @Test("after an SSLRequest only Postgres services are reached, with or without ALPN")
    func afterSSLRequest() throws {
        func ask(_ name: String, _ ids: [String] = []) throws -> RouteDecision {
            try self.table.ask(name, ids, .tlsAfterPostgres)
        }
        #expect(try ask("orders.acme.example.com") == .service(Sample.orders, .exact))
        #expect(
            try ask("orders.acme.example.com", ["postgresql"]) == .service(Sample.orders, .exact))
        #expect(try ask("acme.example.com") == .service(Sample.orders, .exact))
        #expect(try ask("beta.example.com") == .service(Sample.otherDatabase, .exact))
        let refusal = RouteDecision.refuse(.alpnMismatch, tenant: Sample.acme)
        let others = [
            "bastion.acme.example.com", "shop.acme.example.com", "www.acme.example.com",
            "prod.acme.example.com", "stream.acme.example.com", "a.pages.example.org",
            "kube-teleport-proxy-alpn.acme.example.com",
        ]
        for name in others { #expect(try ask(name, ["postgresql"]) == refusal, "\(name)") }
        #expect(try ask("orders.acme.example.com", ["h2"]) == refusal)
    }

    @Test("the Kubernetes alias of a tenant wins over ALPN")
    func kubernetesAlias() throws {
        let name = "kube-teleport-proxy-alpn.acme.example.net"
        for ids in [[], ["h2"], ["http/1.1", "strait-ssh"]] {
            #expect(try self.table.ask(name, ids) == .service(Sample.prod, .alias))
        }
        #expect(
            try self.table.ask("kube-teleport-proxy-alpn.beta.example.com")
                == .refuse(.noDefaultService, tenant: Sample.beta))
        #expect(
            try self.table.ask("kube-teleport-proxy-alpn.orders.acme.example.com")
                == .refuse(.nameUnknown, tenant: nil))
    }

    @Test("an offer of acme-tls/1 alone reaches the passthrough service with that name or nothing")
    func acme() throws {
        let only = ["acme-tls/1"]
        #expect(
            try self.table.ask("prod.acme.example.com", only) == .service(Sample.prod, .exact))
        #expect(
            try self.table.ask("a.pages.example.org", only) == .service(Sample.pages, .wildcard))
        let refusal = RouteDecision.refuse(.alpnMismatch, tenant: Sample.acme)
        let others = [
            "orders.acme.example.com", "www.acme.example.com", "acme.example.com",
            "kube-teleport-proxy-alpn.acme.example.com",
        ]
        for name in others { #expect(try self.table.ask(name, only) == refusal, "\(name)") }
        let scope = ListenerScope(service: Sample.stream)
        #expect(try self.table.ask(nil, only, scope: scope) == refusal)
        #expect(try self.table.ask("acme.example.com", only, scope: scope) == refusal)
    }

    @Test("a service that terminates gets acme-tls/1 only where it is allowed")
    func acmeAllowed() throws {
        var rules = try sampleRules()
        rules.services[Sample.www].allowsACME = true
        let table = try RouteTable(rules)
        #expect(
            try table.ask("shop.example.org", ["acme-tls/1"]) == .service(Sample.www, .exact))
    }

    @Test("acme-tls/1 in a longer list is an identifier like others")
    func acmeAmongOthers() throws {
        #expect(
            try self.table.ask("www.acme.example.com", ["acme-tls/1", "h2"])
                == .service(Sample.www, .exact))
        #expect(
            try self.table.ask("prod.acme.example.com", ["acme-tls/1", "acme-tls/1"])
                == .refuse(.alpnMismatch, tenant: Sample.acme))
    }

    @Test("a list that does not add up is read as far as it does, and never traps")
    func malformed() throws {
        let name = try host("orders.acme.example.com")
        let whole = offer(["h2", "postgresql"])
        for end in 0..<whole.count {
            let cut = Array(whole[..<end])
            let decision = self.table.route(
                arrival: .tls, scope: ListenerScope(), name: name, offered: cut.span)
            #expect(
                decision
                    == (end == 0
                        ? .service(Sample.orders, .exact)
                        : .refuse(.alpnMismatch, tenant: Sample.acme)))
        }
        let zeros: [UInt8] = [0, 0, 0]
        #expect(
            self.table.route(
                arrival: .tls, scope: ListenerScope(), name: name, offered: zeros.span)
                == .refuse(.alpnMismatch, tenant: Sample.acme))
    }

    @Test(
        "each protocol has its own list, and no identifier stands on two but for those of the web")
    func defaultLists() {
        func texts(_ serviceProtocol: ServiceProtocol) -> [String] {
            serviceProtocol.defaultApplicationProtocols.map(\.text)
        }
        #expect(texts(.web) == ["http/1.1"])
        #expect(texts(.kubernetes) == ["h2", "http/1.1"])
        #expect(texts(.postgres) == ["postgresql", "strait-postgres", "teleport-postgres"])
        #expect(texts(.ssh) == ["strait-ssh", "teleport-proxy-ssh"])
        #expect(texts(.mysql) == ["strait-mysql", "teleport-mysql"])
        #expect(texts(.tcp) == ["strait-tcp", "teleport-tcp"])
    }
}

@Suite("RouteTable, without TLS") struct RouteTablePlainTests {
    let table: RouteTable

    init() throws { self.table = try RouteTable(try sampleRules()) }

    @Test("plain SSH goes to the listener's service, else to its default for SSH")
    func ssh() throws {
        func ask(_ scope: ListenerScope) throws -> RouteDecision {
            try self.table.ask(nil, [], .ssh, scope: scope)
        }
        #expect(try ask(ListenerScope()) == .refuse(.noDefaultService, tenant: nil))
        #expect(
            try ask(ListenerScope(defaults: [.mysql: Sample.shop]))
                == .refuse(.noDefaultService, tenant: nil))
        #expect(
            try ask(ListenerScope(defaults: [.ssh: Sample.bastion]))
                == .service(Sample.bastion, .none))
        #expect(
            try ask(ListenerScope(service: Sample.stream)) == .service(Sample.stream, .none))
        #expect(
            try ask(ListenerScope(service: Sample.otherShell))
                == .service(Sample.otherShell, .none))
        #expect(
            try ask(ListenerScope(service: Sample.shop, defaults: [.ssh: Sample.bastion]))
                == .service(Sample.bastion, .none))
        #expect(
            try ask(ListenerScope(service: Sample.shop))
                == .refuse(.noDefaultService, tenant: Sample.acme))
    }

    @Test("a silent downstream goes to the listener's service, else to who speaks first")
    func unread() throws {
        func ask(_ scope: ListenerScope) throws -> RouteDecision {
            try self.table.ask(nil, [], .unread, scope: scope)
        }
        #expect(try ask(ListenerScope()) == .refuse(.noDefaultService, tenant: nil))
        #expect(try ask(ListenerScope(service: Sample.www)) == .service(Sample.www, .none))
        #expect(
            try ask(ListenerScope(defaults: [.mysql: Sample.shop, .ssh: Sample.bastion]))
                == .service(Sample.shop, .none))
        #expect(
            try ask(ListenerScope(defaults: [.ssh: Sample.bastion]))
                == .service(Sample.bastion, .none))
        #expect(
            try ask(ListenerScope(defaults: [.postgres: Sample.orders]))
                == .refuse(.noDefaultService, tenant: nil))
    }

    @Test("a plain cancel goes to the listener's Postgres service, or its tenant's default")
    func cancel() throws {
        func ask(_ scope: ListenerScope) throws -> RouteDecision {
            try self.table.ask(nil, [], .postgresCancel, scope: scope)
        }
        #expect(
            try ask(ListenerScope(defaults: [.postgres: Sample.orders]))
                == .refuse(.noDefaultService, tenant: nil))
        #expect(
            try ask(ListenerScope(service: Sample.reports)) == .service(Sample.reports, .none))
        #expect(
            try ask(ListenerScope(tenant: Sample.acme)) == .service(Sample.orders, .none))
        #expect(
            try ask(ListenerScope(tenant: Sample.beta)) == .service(Sample.otherDatabase, .none))
        #expect(
            try ask(ListenerScope(service: Sample.stream))
                == .refuse(.noDefaultService, tenant: Sample.acme))
        var rules = try sampleRules()
        rules.services[Sample.orders].isDefault = false
        #expect(
            try RouteTable(rules).ask(
                nil, [], .postgresCancel, scope: ListenerScope(tenant: Sample.acme))
                == .refuse(.noDefaultService, tenant: Sample.acme))
    }

    @Test("a listener's tenant keeps another's services away, even where they are configured")
    func foreignDefaults() throws {
        let scope = ListenerScope(
            tenant: Sample.beta, service: Sample.stream,
            defaults: [.ssh: Sample.bastion, .mysql: Sample.shop])
        for arrival in [Arrival.ssh, .unread] {
            #expect(
                try self.table.ask(nil, [], arrival, scope: scope)
                    == .refuse(.noDefaultService, tenant: Sample.beta))
        }
        #expect(
            try self.table.ask(nil, scope: scope) == .refuse(.nameMissing, tenant: Sample.beta))
    }
}
