// Routing by host name and by what the listener fixes.

import StraitCore
import StraitRouting
import Testing

@Suite("RouteTable, by name") struct RouteTableNameTests {
    let table: RouteTable

    init() throws { self.table = try RouteTable(try sampleRules()) }

    @Test(
        "a service answers to its name beneath every domain of its tenant, and to its hosts",
        arguments: [
            ("orders.acme.example.com", Sample.orders), ("orders.acme.example.net", Sample.orders),
            ("reports.acme.example.com", Sample.reports), ("www.acme.example.com", Sample.www),
            ("www.acme.example.net", Sample.www), ("shop.example.org", Sample.www),
            ("shop.acme.example.com", Sample.shop), ("www.beta.example.com", Sample.otherWeb),
            ("db.beta.example.com", Sample.otherDatabase),
        ])
    func exact(name: String, service: Int) throws {
        #expect(try self.table.ask(name) == .service(service, .exact))
    }

    @Test(
        "case and one trailing dot do not matter",
        arguments: [
            "ORDERS.ACME.EXAMPLE.COM", "Orders.acme.example.Com.", "orders.acme.example.com.",
        ])
    func canonical(name: String) throws {
        #expect(try self.table.ask(name) == .service(Sample.orders, .exact))
    }

    @Test("a wildcard covers one label, and an exact name comes before it")
    func wildcard() throws {
        #expect(try self.table.ask("a.pages.example.org") == .service(Sample.pages, .wildcard))
        #expect(try self.table.ask("fixed.pages.example.org") == .service(Sample.pages, .exact))
        let unknown = RouteDecision.refuse(.nameUnknown, tenant: nil)
        #expect(try self.table.ask("a.b.pages.example.org") == unknown)
        #expect(try self.table.ask("pages.example.org") == unknown)
        #expect(try self.table.ask("xpages.example.org") == unknown)
    }

    @Test(
        "a name that nobody has leads nowhere",
        arguments: [
            "example.com", "com", "localhost", "orders.example.com", "orders.beta.example.com",
            "x.orders.acme.example.com", "ordersacme.example.com", "order.acme.example.com",
            "orderss.acme.example.com", "orders.acme.example.co", "orders.acme.example.comm",
        ], [Arrival.tls, .tlsAfterPostgres])
    func unknown(name: String, arrival: Arrival) throws {
        #expect(
            try self.table.ask(name, ["postgresql"], arrival) == .refuse(.nameUnknown, tenant: nil))
    }

    @Test("TLS without a name leads nowhere on a shared listener, whatever its defaults")
    func missing() throws {
        let scope = ListenerScope(defaults: [.ssh: Sample.bastion, .postgres: Sample.orders])
        for arrival in [Arrival.tls, .tlsAfterPostgres] {
            for ids in [[], ["strait-ssh"], ["postgresql"], ["acme-tls/1"]] {
                #expect(
                    try self.table.ask(nil, ids, arrival, scope: scope)
                        == .refuse(.nameMissing, tenant: nil))
            }
        }
        #expect(
            try self.table.ask(nil, scope: ListenerScope(tenant: Sample.acme))
                == .refuse(.nameMissing, tenant: Sample.acme))
    }

    @Test("a listener of one tenant knows no other tenant's names")
    func tenantScope() throws {
        let scope = ListenerScope(tenant: Sample.beta)
        #expect(
            try self.table.ask("db.beta.example.com", scope: scope)
                == .service(Sample.otherDatabase, .exact))
        let foreign = [
            "orders.acme.example.com", "acme.example.com", "shop.example.org",
            "a.pages.example.org", "kube-teleport-proxy-alpn.acme.example.com",
            "nobody.example.com",
        ]
        for name in foreign {
            #expect(
                try self.table.ask(name, ["strait-ssh"], scope: scope)
                    == .refuse(.nameUnknown, tenant: Sample.beta), "\(name)")
        }
    }

    @Test("a listener of one service takes what names nothing, and refuses strangers' names")
    func serviceScope() throws {
        for tenant in [nil, Sample.acme] {
            let scope = ListenerScope(tenant: tenant, service: Sample.stream)
            #expect(try self.table.ask(nil, scope: scope) == .service(Sample.stream, .none))
            #expect(
                try self.table.ask("orders.acme.example.com", scope: scope)
                    == .service(Sample.orders, .exact))
            for name in ["db.beta.example.com", "beta.example.com", "nobody.example.com"] {
                #expect(
                    try self.table.ask(name, scope: scope)
                        == .refuse(.nameUnknown, tenant: Sample.acme))
            }
        }
    }

    @Test("a listener of one service takes its tenant's own name where nothing else is named")
    func ownNameOnServiceListener() throws {
        let scope = ListenerScope(service: Sample.reports)
        let own = "acme.example.com"
        #expect(try self.table.ask(own, scope: scope) == .service(Sample.reports, .exact))
        #expect(
            try self.table.ask(own, ["postgresql"], scope: scope)
                == .service(Sample.reports, .exact))
        #expect(
            try self.table.ask(own, [], .tlsAfterPostgres, scope: scope)
                == .service(Sample.reports, .exact))
        #expect(
            try self.table.ask(own, ["strait-ssh"], scope: scope)
                == .service(Sample.bastion, .exact))
    }

    @Test("indices that the rules do not have count as none")
    func strayIndices() throws {
        for stray in [-1, 99, Int.max, Int.min] {
            let scope = ListenerScope(service: stray, defaults: [.ssh: stray, .mysql: stray])
            #expect(try self.table.ask(nil, scope: scope) == .refuse(.nameMissing, tenant: nil))
            for arrival in [Arrival.ssh, .unread, .postgresCancel] {
                #expect(
                    try self.table.ask(nil, [], arrival, scope: scope)
                        == .refuse(.noDefaultService, tenant: nil))
                #expect(
                    try self.table.ask(nil, [], arrival, scope: ListenerScope(tenant: stray))
                        == .refuse(.noDefaultService, tenant: nil))
            }
            #expect(
                try self.table.ask("orders.acme.example.com", scope: ListenerScope(tenant: stray))
                    == .refuse(.nameUnknown, tenant: nil))
        }
    }

    @Test("without rules there is no way to go")
    func empty() throws {
        let table = try RouteTable(RouteRules(tenants: [], services: []))
        #expect(try table.ask("a.example.com") == .refuse(.nameUnknown, tenant: nil))
        #expect(try table.ask("com") == .refuse(.nameUnknown, tenant: nil))
        #expect(try table.ask(nil) == .refuse(.nameMissing, tenant: nil))
    }

    @Test("names whose hashes are equal are still two names")
    func collision() throws {
        // Made for this seed; to be made anew when the hash changes.
        let names = [try host("hmaptn7spaapapaa.test"), try host("d4x9m6056jx3c0pk.test")]
        let hashes = names.map { NameTable.hash($0.bytes.span, seed: 0) }
        let otherHashes = names.map { NameTable.hash($0.bytes.span, seed: 1) }
        try #require(hashes[0] == hashes[1])
        try #require(otherHashes[0] != otherHashes[1])
        var rules = try sampleRules()
        rules.services[Sample.www].hosts.append(names[0])
        let one = try RouteTable(rules, seed: 0)
        #expect(try one.ask("\(names[0])") == .service(Sample.www, .exact))
        #expect(try one.ask("\(names[1])") == .refuse(.nameUnknown, tenant: nil))
        rules.services[Sample.otherWeb].hosts.append(names[1])
        let both = try RouteTable(rules, seed: 0)
        #expect(try both.ask("\(names[0])") == .service(Sample.www, .exact))
        #expect(try both.ask("\(names[1])") == .service(Sample.otherWeb, .exact))
    }

    @Test("of 100,000 hosts every one is found, and their neighbours are not")
    func many() throws {
        let count = 100_000
        var services: [RouteRules.Service] = []
        for index in 0..<100 {
            let hosts = try (0..<count / 100).map { try host("h\($0).s\(index).example.org") }
            services.append(
                RouteRules.Service(
                    tenant: 0, name: "s\(index)", serviceProtocol: .web, mode: .passthrough,
                    hosts: hosts))
        }
        let rules = RouteRules(
            tenants: [RouteRules.Tenant(name: "t", domains: [])], services: services)
        let table = try RouteTable(rules)
        let scope = ListenerScope()
        let none: [UInt8] = []
        var wrong = 0
        for (index, service) in services.enumerated() {
            for name in service.hosts {
                let found = table.route(
                    arrival: .tls, scope: scope, name: name, offered: none.span)
                if found != .service(index, .exact) { wrong += 1 }
            }
            let beside = try host("h\(count).s\(index).example.org")
            let found = table.route(arrival: .tls, scope: scope, name: beside, offered: none.span)
            if found != .refuse(.nameUnknown, tenant: nil) { wrong += 1 }
        }
        #expect(wrong == 0)
    }
}
