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
    /// Nowhere; the tenant is told where it is known.
    case refuse(RouteRefusal, tenant: Int?)
}

/// Compiled rules: from what a connection shows to where it goes.
///
/// One reference, so that handing a table around costs nothing; immutable, so that all workers
/// share it.
package struct RouteTable: Sendable {
    let compiled: CompiledRules

    /// - Parameters:
    ///   - rules: Tenants and services; decisions speak of them by index.
    ///   - seed: Of the hash of names. It changes no decision.
    /// - Throws: ``RouteConflicts`` with every contradiction in the rules.
    package init(
        _ rules: RouteRules, seed: UInt64 = .random(in: .min ... .max)
    ) throws(RouteConflicts) {
        var compiler = RouteCompiler(rules, seed: seed)
        self.compiled = try compiler.compile()
    }
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
        /// The default service for each protocol, by ``ServiceProtocol/ordinal``.
        var defaults: [Int?]
    }

    struct Service: Sendable {
        let tenant: Int
        let name: String
        let serviceProtocol: ServiceProtocol
        let mode: ServiceMode
        let allowsACME: Bool
        /// Whether the identifiers below were configured, so that they bind in passthrough too.
        let isALPNConfigured: Bool
        let accepted: [ApplicationProtocol]
        let acceptsMySQLVersions: Bool
    }

    /// One exact name beneath its parent.
    struct Link: Sendable {
        let target: NameTarget
        /// Index of the next name with the same parent.
        var next: Int?
    }

    let tenants: [Tenant]
    let services: [Service]
    /// Host names to ``NameTarget``.
    let exact: NameTable
    /// Wildcards without their `*.` to ``NameTarget``.
    let wildcards: NameTable
    /// Names with exact names one label beneath them, to the first link of a chain in `children`.
    let parents: NameTable
    let children: [Link]

    init(
        tenants: [Tenant], services: [Service], exact: NameTable, wildcards: NameTable,
        parents: NameTable, children: [Link]
    ) {
        self.tenants = tenants
        self.services = services
        self.exact = exact
        self.wildcards = wildcards
        self.parents = parents
        self.children = children
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
