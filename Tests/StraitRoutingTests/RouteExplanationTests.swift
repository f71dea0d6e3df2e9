// The words of a decision, and what a certificate's names lead to.

import StraitCore
import StraitRouting
import Testing

@Suite("RouteTable, explaining") struct RouteExplanationTests {
    private func steps(
        _ name: String?, _ ids: [String] = [], _ arrival: Arrival = .tls,
        scope: ListenerScope = ListenerScope()
    ) throws -> [String] {
        let offered = offer(ids)
        let explanation = try RouteTable(try sampleRules()).explain(
            arrival: arrival, scope: scope, name: try name.map(host), offered: offered.span)
        return explanation.steps.map { "\($0.rule): \($0.outcome)" }
    }

    @Test("a wildcard's route tells what was looked for before it")
    func wildcard() throws {
        #expect(
            try self.steps("a.pages.example.org", ["h2"]) == [
                "a host name equals a.pages.example.org: none does",
                "a wildcard covers a.pages.example.org: service acme/pages",
                "the offered protocols suit service acme/pages: "
                    + "not checked: it passes TLS through and configures no list",
            ])
    }

    @Test("a refusal tells what would have been accepted")
    func disjoint() throws {
        #expect(
            try self.steps("bastion.acme.example.com", ["h2"]) == [
                "a host name equals bastion.acme.example.com: service acme/bastion",
                "the offered protocols suit service acme/bastion: "
                    + "nothing in common; it accepts strait-ssh teleport-proxy-ssh",
            ])
    }

    @Test("a walk over an own name tells every identifier")
    func ownName() throws {
        #expect(
            try self.steps("beta.example.com", ["h\u{1}2", "strait-mysql", "postgresql"]) == [
                "a host name equals beta.example.com: the own name of tenant beta",
                "the offered \"h\\x012\" names a protocol: it does not",
                "the offered \"strait-mysql\" names a protocol: mysql",
                "tenant beta has a default service for mysql: it has none",
                "the offered \"postgresql\" names a protocol: postgres",
                "tenant beta has a default service for postgres: service beta/db",
                "the offered protocols suit service beta/db: "
                    + "not checked: it passes TLS through and configures no list",
            ])
    }

    @Test("every way to end has words", arguments: Arrival.allCases)
    func words(arrival: Arrival) throws {
        let names: [String?] = [
            nil, "acme.example.com", "beta.example.com", "orders.acme.example.com",
            "www.acme.example.com", "a.pages.example.org", "nobody.example.com",
            "kube-teleport-proxy-alpn.acme.example.com",
        ]
        let scopes = [
            ListenerScope(), ListenerScope(tenant: Sample.beta), ListenerScope(tenant: 99),
            ListenerScope(service: Sample.stream), ListenerScope(defaults: [.ssh: Sample.bastion]),
        ]
        for name in names {
            for scope in scopes {
                for ids in [[], ["acme-tls/1"], ["h2"], ["teleport-tcp"], ["strait-mysql"]] {
                    let steps = try self.steps(name, ids, arrival, scope: scope)
                    #expect(!steps.isEmpty)
                    #expect(steps.allSatisfy { !$0.hasPrefix(": ") && !$0.hasSuffix(": ") })
                }
            }
        }
    }
}

@Suite("RouteTable, of a certificate's names") struct RouteReachTests {
    let table: RouteTable

    init() throws { self.table = try RouteTable(try sampleRules()) }

    private func reached(_ exact: [String], _ wildcards: [String] = []) throws -> Set<Int> {
        self.table.servicesReached(
            by: try exact.map(host), wildcards: try wildcards.map(host))
    }

    @Test("exact names reach what they are routed to")
    func exact() throws {
        #expect(try self.reached([]) == [])
        #expect(try self.reached(["shop.example.org"]) == [Sample.www])
        #expect(
            try self.reached(["shop.example.org", "www.acme.example.net"]) == [Sample.www])
        #expect(try self.reached(["a.pages.example.org"]) == [Sample.pages])
        #expect(try self.reached(["nobody.example.com"]) == [])
    }

    @Test("a tenant's own name reaches its default services")
    func ownName() throws {
        #expect(
            try self.reached(["acme.example.com"])
                == [Sample.orders, Sample.bastion, Sample.shop, Sample.stream])
        #expect(
            try self.reached(["kube-teleport-proxy-alpn.acme.example.com"]) == [Sample.prod])
    }

    @Test("a wildcard reaches what lies one label beneath it, and the wildcard that equals it")
    func wildcard() throws {
        #expect(
            try self.reached([], ["acme.example.net"])
                == [
                    Sample.orders, Sample.reports, Sample.bastion, Sample.www, Sample.shop,
                    Sample.prod, Sample.pages, Sample.stream,
                ])
        #expect(try self.reached([], ["pages.example.org"]) == [Sample.pages])
        #expect(try self.reached([], ["beta-apps.example.org"]) == [Sample.otherWeb])
        // shop.example.org; pages.example.org itself is no host.
        #expect(try self.reached([], ["example.org"]) == [Sample.www])
        #expect(try self.reached([], ["org"]) == [])
        // Both tenants' own names lie beneath it.
        #expect(
            try self.reached([], ["example.com"])
                == [
                    Sample.orders, Sample.bastion, Sample.shop, Sample.stream,
                    Sample.otherDatabase, Sample.otherShell,
                ])
    }
}
