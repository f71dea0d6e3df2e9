// Two tenants that every table of rules below is about, and words to ask with.

import StraitCore
import StraitRouting
import Testing

/// The services of ``sampleRules()``, by their index.
enum Sample {
    static let orders = 0
    static let reports = 1
    static let bastion = 2
    static let www = 3
    static let shop = 4
    static let prod = 5
    static let pages = 6
    static let stream = 7
    static let otherDatabase = 8
    static let otherWeb = 9
    static let otherShell = 10

    static let acme = 0
    static let beta = 1
}

/// Two tenants: one with a default service for all that has one, one with less.
func sampleRules() throws -> RouteRules {
    func service(
        _ tenant: Int, _ name: String, _ serviceProtocol: ServiceProtocol, _ mode: ServiceMode,
        hosts: [String] = [], wildcards: [String] = [], alpn: [String] = [],
        isDefault: Bool = false
    ) throws -> RouteRules.Service {
        RouteRules.Service(
            tenant: tenant, name: name, serviceProtocol: serviceProtocol, mode: mode,
            hosts: try hosts.map(host), wildcards: try wildcards.map(host),
            applicationProtocols: try alpn.map {
                try #require(ApplicationProtocol(bytes: Array($0.utf8)))
            }, isDefault: isDefault)
    }
    return RouteRules(
        tenants: [
            RouteRules.Tenant(
                name: "acme",
                domains: [try host("acme.example.com"), try host("acme.example.net")]),
            RouteRules.Tenant(name: "beta", domains: [try host("beta.example.com")]),
        ],
        services: [
            try service(0, "orders", .postgres, .terminate, isDefault: true),
            try service(0, "reports", .postgres, .passthrough),
            try service(0, "bastion", .ssh, .terminate),
            try service(
                0, "www", .web, .terminate,
                hosts: ["www.acme.example.com", "shop.example.org"], alpn: ["h2", "http/1.1"]),
            try service(0, "shop", .mysql, .terminate),
            try service(0, "prod", .kubernetes, .passthrough, alpn: ["h2", "http/1.1"]),
            try service(
                0, "pages", .web, .passthrough, hosts: ["fixed.pages.example.org"],
                wildcards: ["pages.example.org"]),
            try service(0, "stream", .tcp, .passthrough),
            try service(1, "db", .postgres, .passthrough),
            try service(1, "www", .web, .terminate, wildcards: ["beta-apps.example.org"]),
            try service(1, "sh", .ssh, .passthrough),
        ])
}

/// A host name that is one.
func host(_ text: String) throws -> HostName { try #require(HostName(text), "\(text)") }

/// The content of a ProtocolNameList.
func offer(_ ids: [String]) -> [UInt8] {
    ids.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
}

extension RouteTable {
    /// One question in the words of the tables below.
    func ask(
        _ name: String?, _ ids: [String] = [], _ arrival: Arrival = .tls,
        scope: ListenerScope = ListenerScope()
    ) throws -> RouteDecision {
        let offered = offer(ids)
        return self.route(
            arrival: arrival, scope: scope, name: try name.map(host), offered: offered.span)
    }
}
