// The fuzz target of routing: bytes choose rules and questions, and the table must agree with the
// reference. Replayed by RouteFuzzTests over seeded bytes, and by `tools/fuzz` under libFuzzer. No
// test library in this file.

import StraitCore
import StraitRouting

/// A part of routing under fuzzing.
enum RouteFuzzTarget: String, CaseIterable, Sendable {
    case routeTable, routeChange, portPlanner

    /// The promise that does not hold for `input`; nil when all do.
    func violation(_ input: [UInt8]) -> String? {
        switch self {
        case .routeTable:
            var sights = RouteFuzzSights()
            fuzzRouteTable(input, &sights)
            return sights.violations.first
        case .routeChange:
            var sights = RouteFuzzSights()
            fuzzRouteChanges(input, &sights)
            return sights.violations.first
        case .portPlanner:
            var run = PortFuzz()
            return run.violation(input)
        }
    }
}

/// What a run has seen, so that a test can tell whether it looked everywhere.
struct RouteFuzzSights {
    var decisions: Set<String> = []
    var compiled = 0
    var contradictory = 0
    /// Broken promises, each with the question.
    var violations: [String] = []
}

/// Compiles the rules that `input` chooses and asks what it chooses.
func fuzzRouteTable(_ input: [UInt8], _ sights: inout RouteFuzzSights) {
    var choices = ByteChoices(input)
    let rules = choices.rules()
    let reference = ReferenceMatcher(rules)
    let table: RouteTable
    let other: RouteTable
    do throws(RouteConflicts) {
        table = try RouteTable(rules, seed: 0)
        other = try RouteTable(rules, seed: 0x1234_5678_9ABC_DEF0)
    } catch {
        sights.contradictory += 1
        if error.conflicts.isEmpty { sights.violations.append("refused without a conflict") }
        if !reference.isContradictory {
            sights.violations.append("not contradictory: \(error.conflicts.map(\.sentence))")
        }
        return
    }
    sights.compiled += 1
    if reference.isContradictory { sights.violations.append("contradictory: \(rules)") }
    for _ in 0..<48 where !choices.isAtEnd {
        let query = choices.query(rules)
        let name = query.name.flatMap { HostName($0) }
        guard (name == nil) == (query.name == nil) else { continue }
        let offered = query.ids.flatMap { [UInt8($0.count)] + $0 }
        let found = table.route(
            arrival: query.arrival, scope: query.scope, name: name, offered: offered.span)
        let explained = table.explain(
            arrival: query.arrival, scope: query.scope, name: name, offered: offered.span)
        let elsewhere = other.route(
            arrival: query.arrival, scope: query.scope, name: name, offered: offered.span)
        sights.decisions.insert(word(for: found))
        let expected = reference.decide(query)
        if found != expected {
            sights.violations.append("\(found), not \(expected): \(query) of \(rules)")
        }
        if explained.decision != found || explained.steps.isEmpty {
            sights.violations.append("explained as \(explained): \(query) of \(rules)")
        }
        if elsewhere != found {
            sights.violations.append("another seed decides otherwise: \(query)")
        }
        if case .service(let service, _) = found, let tenant = query.scope.tenant,
            rules.services[service].tenant != tenant
        {
            sights.violations.append("crossed to another tenant: \(query) of \(rules)")
        }
    }
    // The last bytes are also an offer as they are, which nothing has validated.
    _ = table.route(
        arrival: .tls, scope: ListenerScope(), name: rules.tenants.first?.domains.first,
        offered: input.span)
}

func word(for decision: RouteDecision) -> String {
    switch decision {
    case .service(_, let kind): "service \(kind)"
    case .builtIn: "built in"
    case .refuse(let refusal, let tenant): "\(refusal) \(tenant == nil ? "untold" : "told")"
    }
}

/// Turns bytes into choices; at the end of the bytes every choice is the first.
struct ByteChoices {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { self.position >= self.bytes.count }

    mutating func byte() -> Int {
        guard !self.isAtEnd else { return 0 }
        defer { self.position += 1 }
        return Int(self.bytes[self.position])
    }

    mutating func below(_ count: Int) -> Int { count == 0 ? 0 : self.byte() % count }

    mutating func one<Element>(of elements: [Element]) -> Element {
        elements[self.below(elements.count)]
    }

    // MARK: Rules

    private static let domains = [
        "a.test", "b.test", "c.test", "x.a.test", "db.a.test",
        "very-long-label-for-the-hash.d.test",
    ]
    private static let labels = ["db", "www", "sh", "k", "my", "t", "x", "y", "WWW", "a.b"]
    private static let hosts = [
        "one.example", "two.example", "www.one.example", "deep.www.one.example", "y.a.test",
        "q.x.a.test", "www.b.test", "kube-teleport-proxy-alpn.b.test", "a.test", "three.example",
    ]
    private static let ids = [
        "h2", "http/1.1", "postgresql", "strait-postgres", "teleport-postgres", "strait-ssh",
        "teleport-proxy-ssh", "strait-mysql", "teleport-mysql", "teleport-mysql-OC4wLjM1",
        "teleport-mysql-ping", "strait-tcp", "teleport-tcp", "teleport-tcp-ping", "acme-tls/1", "x",
    ]

    mutating func rules() -> RouteRules {
        var tenants: [RouteRules.Tenant] = []
        let tenantCount = 1 + self.below(3)
        for index in 0..<tenantCount {
            let name = self.below(40) == 39 ? "t0" : "t\(index)"
            var domains = [Self.domains[index]]
            if self.below(3) == 0 { domains.append(self.one(of: Self.domains)) }
            tenants.append(
                RouteRules.Tenant(name: name, domains: domains.compactMap { HostName($0) }))
        }
        var services: [RouteRules.Service] = []
        for _ in 0..<self.below(10) { services.append(self.service(tenantCount)) }
        return RouteRules(tenants: tenants, services: services)
    }

    private mutating func service(_ tenants: Int) -> RouteRules.Service {
        let kind = self.byte()
        let serviceProtocol = ServiceProtocol.allCases[kind % 6]
        let label = self.below(4) == 0 ? self.one(of: Self.labels) : "s\(self.below(100))"
        var service = RouteRules.Service(
            tenant: kind == 255 ? tenants : self.below(tenants), name: label,
            serviceProtocol: serviceProtocol, mode: kind & 64 == 0 ? .passthrough : .terminate)
        let flags = self.byte()
        service.isDefault = flags & 7 == 1
        service.allowsACME = flags & 24 == 8
        if flags & 96 == 32, let host = HostName(self.one(of: Self.hosts)) {
            service.hosts.append(host)
        }
        if flags & 96 == 64, let host = HostName(self.one(of: Self.hosts)) {
            service.wildcards.append(host)
        }
        if flags & 128 != 0 {
            for _ in 0...self.below(2) {
                let id = Array(self.one(of: Self.ids).utf8)
                service.applicationProtocols += [ApplicationProtocol(bytes: id)].compactMap { $0 }
            }
        }
        return service
    }

    // MARK: Questions

    mutating func query(_ rules: RouteRules) -> RouteQuery {
        var scope = ListenerScope()
        let flags = self.byte()
        if flags & 3 == 1 { scope.tenant = self.below(rules.tenants.count + 1) }
        if flags & 12 == 4 { scope.service = self.below(rules.services.count + 1) }
        if flags & 48 == 16 { scope.defaults[.ssh] = self.below(rules.services.count + 1) }
        if flags & 48 == 32 { scope.defaults[.mysql] = self.below(rules.services.count + 1) }
        let isTLS = flags & 192 != 0
        let arrival = isTLS ? .tls : self.one(of: Arrival.allCases)
        var ids: [[UInt8]] = []
        for _ in 0..<self.below(4) { ids.append(self.identifier()) }
        return RouteQuery(arrival: arrival, scope: scope, name: self.name(rules), ids: ids)
    }

    private mutating func identifier() -> [UInt8] {
        var id = Array(self.one(of: Self.ids).utf8)
        if self.below(16) == 0 { id[self.below(id.count)] ^= UInt8(1 << self.below(8)) }
        if self.below(64) == 0 { id += (0..<self.below(200)).map { UInt8($0) } }
        return id
    }

    private mutating func name(_ rules: RouteRules) -> String? {
        var known = Self.hosts
        for tenant in rules.tenants {
            for domain in tenant.domains {
                known.append("\(domain)")
                known.append("kube-teleport-proxy-alpn.\(domain)")
            }
        }
        for service in rules.services where rules.tenants.indices.contains(service.tenant) {
            for domain in rules.tenants[service.tenant].domains {
                known.append("\(service.name).\(domain)")
            }
        }
        let form = self.byte()
        guard form & 15 != 15 else { return nil }
        var name = self.one(of: known)
        if form & 48 == 48 { name = "\(self.one(of: Self.labels)).\(name)" }
        if form & 64 != 0 { name = name.uppercased() }
        if form & 128 != 0 { name += "." }
        if form & 15 == 14 { name = String(name.dropFirst()) }
        if form & 15 == 13 { name = String(name.dropLast()) }
        return name
    }
}
