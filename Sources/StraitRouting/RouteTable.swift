// Where a connection goes: the contract of the route table. See RouteTable+Lookup for the rules.

package import StraitCore

/// What a listener fixes before the first byte.
package struct ListenerScope: Hashable, Sendable {
    /// Index of the only tenant whose names are known here; nil: every tenant's.
    package var tenant: Int?
    /// Index of the service that gets what names nothing else; nil: none.
    package var service: Int?
    /// Services for protocols that carry no name, by protocol (raw SSH on a shared listener).
    package var defaults: [ServiceProtocol: Int]

    /// Without arguments: a shared listener, which fixes nothing.
    package init(tenant: Int? = nil, service: Int? = nil, defaults: [ServiceProtocol: Int] = [:]) {
        self.tenant = tenant
        self.service = service
        self.defaults = defaults
    }
}

/// How the downstream's bytes began.
package enum Arrival: UInt8, Hashable, Sendable, CaseIterable {
    /// A ClientHello came first.
    case tls
    /// A ClientHello came after Postgres' SSLRequest.
    case tlsAfterPostgres
    /// An SSH banner, in plain text.
    case ssh
    /// A Postgres CancelRequest, in plain text, whose key we have not given out.
    case postgresCancel
    /// Nothing was looked at: a raw listener, or a silent downstream where the server speaks first.
    case unread

    /// Whether a ClientHello was read.
    package var hasTLS: Bool {
        switch self {
        case .tls, .tlsAfterPostgres: true
        case .ssh, .postgresCancel, .unread: false
        }
    }
}

/// Which kind of name led to the service, as records carry it.
package enum NameKind: UInt8, Hashable, Sendable, CaseIterable {
    case none, exact, wildcard, alias
}

/// Why there is no route.
package enum RouteRefusal: Hashable, Sendable {
    case nameMissing, nameUnknown, alpnMismatch, noDefaultService
}

/// Where a connection goes.
package enum RouteDecision: Hashable, Sendable {
    /// To a service, by its index.
    case service(Int, NameKind)
    /// To what the router itself answers under a tenant's own name, by the tenant's index.
    case builtIn(tenant: Int)
    /// Nowhere; the tenant is told where it is known.
    case refuse(RouteRefusal, tenant: Int?)
}

/// Compiled rules: from what a connection shows to where it goes.
///
/// One reference, so that handing a table around costs nothing; immutable, so that all workers
/// share it. A changed one shares with it whatever did not change.
package struct RouteTable: Sendable {
    let compiled: CompiledRules

    /// A table that leads nowhere.
    ///
    /// - Parameter seed: Of the hash of names. It changes no decision.
    package init(seed: UInt64 = .random(in: .min ... .max)) {
        self.compiled = CompiledRules(seed: seed)
    }

    init(_ compiled: CompiledRules) { self.compiled = compiled }

    /// - Parameters:
    ///   - rules: Tenants and services; decisions speak of them by index.
    ///   - seed: Of the hash of names. It changes no decision.
    /// - Throws: ``RouteConflicts`` with every contradiction in the rules.
    package init(
        _ rules: RouteRules, seed: UInt64 = .random(in: .min ... .max)
    ) throws(RouteConflicts) {
        self = try RouteTable(seed: seed).changed(removing: [], putting: rules).table
    }

    /// The table with some tenants changed; what they do not have in common with others stays as
    /// it is, and keeps its numbers.
    ///
    /// - Parameters:
    ///   - removed: Numbers of tenants that go with all that is theirs.
    ///   - rules: Tenants that come, each instead of the one with its name where there is one.
    /// - Returns: The new table, and the numbers by which decisions speak of `rules`. A tenant and
    ///   a service keep the number that they had by their names.
    /// - Throws: ``RouteConflicts`` with every contradiction of `rules` in themselves and with
    ///   what stays.
    package func changed(
        removing removed: [Int], putting rules: RouteRules
    ) throws(RouteConflicts) -> (table: RouteTable, numbers: RouteNumbers) {
        var compiler = RouteCompiler(self.compiled, rules)
        let (compiled, numbers) = try compiler.compile(removing: removed)
        return (RouteTable(compiled), numbers)
    }

    /// How much a table holds.
    package struct Size: Hashable, Sendable {
        /// Tenants.
        package var tenants = 0
        /// Services of all tenants.
        package var services = 0
        /// Host names and wildcards.
        package var names = 0
        /// Endings of names that something lies beneath.
        package var endings = 0

        /// Of an empty table.
        package init() {}
    }

    /// How much the table holds.
    package var size: Size {
        var size = Size()
        size.tenants = max(self.compiled.tenants.count, self.compiled.tenantNames.count)
        size.services = self.compiled.services.count
        size.names = self.compiled.exact.count + self.compiled.wildcards.count
        size.endings = self.compiled.children.count + self.compiled.descendants.count
        return size
    }

    /// The number of the tenant with that name.
    package func tenantNumber(named name: String) -> Int? {
        self.compiled.tenantNumber(named: Array(name.utf8).span)
    }

    /// The service that a tenant has declared to be its default for a protocol.
    package func declaredDefault(
        _ serviceProtocol: ServiceProtocol, ofTenant tenant: Int
    ) -> Int? {
        self.compiled.tenants.element(tenant)?.services.lazy.map { Int($0) }.first {
            self.compiled.services[$0].isDefault
                && self.compiled.services[$0].serviceProtocol == serviceProtocol
        }
    }

    /// The numbers of a tenant's services.
    package func services(ofTenant tenant: Int) -> [Int] {
        (self.compiled.tenants.element(tenant)?.services ?? []).map { Int($0) }
    }

    /// What is spoken by the service of that number.
    package func serviceProtocol(of number: Int) -> ServiceProtocol? {
        self.compiled.services.element(number)?.serviceProtocol
    }

    /// `tenant/service` of the service of that number.
    package func serviceText(_ number: Int) -> String {
        guard let service = self.compiled.services.element(number) else { return "" }
        return "\(self.compiled.tenants[service.tenant].name)/\(service.name)"
    }

    /// The number of a service of that name.
    package func serviceNumber(named name: String, ofTenant tenant: Int) -> Int? {
        self.compiled.tenants.element(tenant)?.services.lazy.map { Int($0) }
            .first { self.compiled.services[$0].name == name }
    }
}

/// By which numbers decisions speak of rules, in the order of the rules.
package struct RouteNumbers: Hashable, Sendable {
    /// Of the tenants.
    package var tenants: [Int] = []
    /// Of the services; negative where there is no such tenant.
    package var services: [Int] = []
}

/// What a host name stands for, in 32 bits.
struct NameTarget: Hashable, Sendable {
    enum Kind: UInt32, Sendable {
        /// A service's name or host.
        case service
        /// A tenant's own name.
        case tenant
        /// `kube-teleport-proxy-alpn.` before a tenant's own name.
        case kubernetesAlias
    }

    /// Index << 2 | kind.
    let rawValue: UInt32

    init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ kind: Kind, _ index: Int) {
        self.rawValue = UInt32(index) << 2 | kind.rawValue
    }

    /// Of a tenant or a service, as the kind says.
    var index: Int { Int(self.rawValue >> 2) }

    var kind: Kind {
        switch self.rawValue & 3 {
        case Kind.service.rawValue: .service
        case Kind.tenant.rawValue: .tenant
        default: .kubernetesAlias
        }
    }
}

/// What the lookup reads, written once by ``RouteCompiler``.
final class CompiledRules: Sendable {
    struct Tenant: Sendable {
        let name: String
        let domains: [HostName]
        /// Their numbers.
        var services: [UInt32]
        /// The default service for each protocol, by ``ServiceProtocol/ordinal``.
        var defaults: [UInt32?]

        func defaultService(_ serviceProtocol: ServiceProtocol) -> Int? {
            self.defaults[serviceProtocol.ordinal].map { Int($0) }
        }
    }

    struct Service: Sendable {
        let tenant: Int
        let name: String
        let serviceProtocol: ServiceProtocol
        let mode: ServiceMode
        let allowsACME: Bool
        let isDefault: Bool
        /// Whether the identifiers below were configured, so that they bind in passthrough too.
        let isALPNConfigured: Bool
        let acceptsMySQLVersions: Bool
        let accepted: [ApplicationProtocol]
        /// Names that it claims besides `SERVICE.DOMAIN`.
        let hosts: [HostName]
        /// Likewise, without their `*.`.
        let wildcards: [HostName]
    }

    let tenants: SlotTable<Tenant>
    let services: SlotTable<Service>
    /// Names of tenants to their numbers.
    let tenantNames: NameTable
    /// Host names to ``NameTarget``.
    let exact: NameTable
    /// Wildcards without their `*.` to ``NameTarget``.
    let wildcards: NameTable
    /// Exact names by the name that is theirs without its first label.
    let children: NameFamilies
    /// Hosts and wildcards of services by every name that they lie beneath.
    let descendants: NameFamilies

    init(seed: UInt64) {
        self.tenants = SlotTable()
        self.services = SlotTable()
        self.tenantNames = NameTable(seed: seed)
        self.exact = NameTable(seed: seed)
        self.wildcards = NameTable(seed: ~seed)
        self.children = NameFamilies(seed: seed)
        self.descendants = NameFamilies(seed: seed)
    }

    init(
        tenants: SlotTable<Tenant>, services: SlotTable<Service>, tenantNames: NameTable,
        exact: NameTable, wildcards: NameTable, children: NameFamilies, descendants: NameFamilies
    ) {
        self.tenants = tenants
        self.services = services
        self.tenantNames = tenantNames
        self.exact = exact
        self.wildcards = wildcards
        self.children = children
        self.descendants = descendants
    }

    func tenantNumber(named name: Span<UInt8>) -> Int? {
        self.tenantNames.value(of: name).map { Int($0) }
    }
}

extension ServiceProtocol {
    /// A dense number for tables.
    var ordinal: Int {
        switch self {
        case .ssh: 0
        case .kubernetes: 1
        case .postgres: 2
        case .mysql: 3
        case .web: 4
        case .tcp: 5
        }
    }
}
