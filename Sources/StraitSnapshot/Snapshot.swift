// The contract between the planes: immutable desired state, compiled, shared by every worker.
//
// The control plane builds a snapshot and never touches it again; workers read it and never change
// it. What a connection needs for life (its ``ServicePlan``) it keeps itself, so an old snapshot
// lives as long as they do.

package import StraitCore
package import StraitRouting

/// One revision of everything that the workers obey.
package final class Snapshot: Sendable {
    /// Grows by one with each change; workers acknowledge it.
    package let revision: UInt64
    /// The name of this router, as records and TLVs carry it.
    package let router: String
    /// Where this router stands: one word that the operator chose.
    package let region: String
    /// Where connections arrive.
    ///
    /// A listener keeps its ``ListenerPlan/id`` over revisions while its address stays.
    package let listeners: [ListenerPlan]
    /// Host names and ALPN to services.
    ///
    /// Its service indices point into ``services``.
    package let routes: RouteTable
    /// By the index that ``routes`` and ``ListenerScope`` speak of.
    package let services: SlotTable<ServicePlan>
    /// By the index that ``routes`` and ``ListenerScope`` speak of.
    package let tenants: SlotTable<TenantPlan>
    /// The listener of all tenants' ports; nil where tenants have none.
    package let portListener: ListenerPlan?
    /// Tenants' own ports, by port.
    package let ports: SlotTable<PortPlan>
    /// Deadlines where a service sets none of its own.
    package let timeouts: Timeouts
    /// Bounds of each worker and of the process.
    package let limits: EngineLimits
    /// Whether and how access records are made.
    package let access: AccessPlan
    /// Where connections to upstreams come from, by family; none: the kernel chooses.
    package let sourceAddresses: [IPAddress]
    /// What session tickets are made with.
    package let tickets: TicketSecrets
    /// What tenants' own names lead to over HTTPS; nil: nowhere.
    package let builtIn: BuiltInPlan?
    /// What operators' listeners lead to; nil: nowhere.
    package let operators: ServicePlan?

    /// One whole revision; the indices in `routes` must lie within `services` and `tenants`.
    package init(
        revision: UInt64, router: String, region: String, listeners: [ListenerPlan],
        routes: RouteTable, services: SlotTable<ServicePlan>, tenants: SlotTable<TenantPlan>,
        timeouts: Timeouts, limits: EngineLimits, access: AccessPlan,
        sourceAddresses: [IPAddress] = [], tickets: TicketSecrets = TicketSecrets(),
        portListener: ListenerPlan? = nil, ports: SlotTable<PortPlan> = SlotTable(),
        builtIn: BuiltInPlan? = nil, operators: ServicePlan? = nil
    ) {
        self.portListener = portListener
        self.ports = ports
        self.revision = revision
        self.router = router
        self.region = region
        self.listeners = listeners
        self.routes = routes
        self.services = services
        self.tenants = tenants
        self.timeouts = timeouts
        self.limits = limits
        self.access = access
        self.sourceAddresses = sourceAddresses
        self.tickets = tickets
        self.builtIn = builtIn
        self.operators = operators
        self.shared = Dictionary(
            grouping: listeners.compactMap(\.sharedAddress), by: \.port
        ).mapValues { $0.map(\.address) }
    }

    /// By port: addresses where connections of every tenant arrive, without a header before them.
    private let shared: [UInt16: [IPAddress]]

    /// Whether connections of every tenant arrive there.
    package func isShared(_ address: IPAddress, _ port: UInt16) -> Bool {
        let any = [IPAddress(v4: 0), IPAddress(high: 0, low: 0)]
        return self.shared[port]?.contains { $0 == address || any.contains($0) } ?? false
    }

    /// The sources that can reach `address`.
    package func sources(for address: SocketAddress) -> [IPAddress] {
        guard !self.sourceAddresses.isEmpty, case .ip(let ip, _) = address else { return [] }
        return self.sourceAddresses.filter { $0.isIPv4 == ip.isIPv4 }
    }
}

/// Deadlines in nanoseconds.
///
/// Each is cleared when relaying starts, but for the last two.
package struct Timeouts: Hashable, Sendable {
    /// From accept to the first byte of the downstream.
    package var firstByte: UInt64
    /// From accept to the whole first message: hello, banner or startup.
    package var hello: UInt64
    /// From the hello to the end of the downstream's TLS handshake.
    package var handshake: UInt64
    /// For one address of a service: TCP, PROXY header and TLS.
    package var connect: UInt64
    /// While relaying, without a byte in either direction.
    package var idle: UInt64
    /// While relaying, with one side ended and no byte from the other.
    package var halfClosed: UInt64

    /// The defaults of ``Limits``.
    package init() {
        self.firstByte = Limits.firstByteTimeout.nanoseconds
        self.hello = Limits.helloTimeout.nanoseconds
        self.handshake = Limits.handshakeTimeout.nanoseconds
        self.connect = Limits.connectTimeout.nanoseconds
        self.idle = Limits.idleTimeout.nanoseconds
        self.halfClosed = Limits.halfClosedTimeout.nanoseconds
    }
}

/// Bounds that an operator may set.
package struct EngineLimits: Hashable, Sendable {
    /// Connections that are not routed yet, per worker; beyond, the oldest goes.
    package var unroutedConnections: Int
    /// Connections of all kinds in the process; beyond, new ones are refused.
    package var connections: Int
    /// TCP keepalive idle time, in milliseconds; 0 leaves the kernel's.
    package var keepaliveIdleMilliseconds: UInt32
    /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT), in milliseconds; 0: the
    /// kernel's.
    package var userTimeoutMilliseconds: UInt32

    /// The defaults of ``Limits``; `connections` 0 means: as the descriptors allow.
    package init() {
        self.unroutedConnections = Limits.unroutedConnectionsMax
        self.connections = 0
        self.keepaliveIdleMilliseconds = UInt32(Limits.keepaliveIdle.nanoseconds / 1_000_000)
        self.userTimeoutMilliseconds = UInt32(Limits.userTimeout.nanoseconds / 1_000_000)
    }
}

/// Whether and how access records are made.
package struct AccessPlan: Hashable, Sendable {
    /// Whether a JSON line is written for each connection that ends.
    package var isWritten: Bool
    /// How many ended connections each worker remembers for `strait explain --connection`; 0 for
    /// none.
    package var recent: Int

    /// As configured; the defaults write every record and remember ``Limits``' number.
    package init(isWritten: Bool = true, recent: Int = Limits.recentConnectionsMax) {
        self.isWritten = isWritten
        self.recent = recent
    }
}

/// The protocols that a listener that is shared may find in the first bytes.
package struct ListenerProtocols: OptionSet, Hashable, Sendable {
    /// One bit a protocol, below.
    package let rawValue: UInt8
    /// Bits that stand for no protocol are ignored.
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A ClientHello, RFC 8446 §4.1.2.
    package static let tls = ListenerProtocols(rawValue: 1)
    /// An SSH banner, RFC 4253 §4.2.
    package static let ssh = ListenerProtocols(rawValue: 2)
    /// Plain HTTP; it is answered by the router (400, or a redirect), never relayed.
    package static let http = ListenerProtocols(rawValue: 4)
    /// SSLRequest, GSSENCRequest, CancelRequest and the plain startup.
    package static let postgres = ListenerProtocols(rawValue: 8)
    /// Anything: the listener belongs to one service, and bytes are not looked at.
    package static let raw = ListenerProtocols(rawValue: 16)
}

/// A bound address and its policy.
package struct ListenerPlan: Hashable, Sendable {
    /// Whether a PROXY header comes first.
    ///
    /// There is no lax mode.
    package enum ProxyHeader: Hashable, Sendable {
        /// A header is not expected; bytes that look like one are bytes.
        case absent
        /// A header must come, and from one of these addresses.
        case required(trusted: [CIDRBlock])
    }

    /// Identifies the bound socket over revisions; assigned by the control plane, dense from 0.
    package var id: Int
    /// As configured; unique among the listeners.
    package var name: String
    /// What is bound; port 0 lets the kernel choose.
    package var address: SocketAddress
    /// What may come first; ``ListenerProtocols/raw`` excludes the others.
    package var protocols: ListenerProtocols
    /// Whether a PROXY header comes before that.
    package var proxyHeader: ProxyHeader
    /// Where the listener stands in the route table: fixed tenant, fixed service, defaults.
    package var scope: ListenerScope
    /// The protocol whose server speaks first here, and how long we wait for a silent downstream,
    /// ns.
    package var serverFirst: ServerFirst?
    /// Plain HTTP is answered with a redirect to https instead of 400.
    package var redirectsToHTTPS: Bool
    /// Leads to ``Snapshot/operators``, whatever the name.
    package var isForOperators: Bool

    fileprivate var sharedAddress: (address: IPAddress, port: UInt16)? {
        guard case .ip(let address, let port) = self.address, self.proxyHeader == .absent,
            self.scope.tenant == nil, self.scope.service == nil
        else { return nil }
        return (address, port)
    }

    /// What a silent downstream is taken to speak, and when.
    package struct ServerFirst: Hashable, Sendable {
        /// The protocol that a silent downstream is taken to speak.
        package var serviceProtocol: ServiceProtocol
        /// How long it may be silent before it is taken so.
        package var waitNanoseconds: UInt64
        /// Both as configured, or ``Limits/serverFirstWait``.
        package init(serviceProtocol: ServiceProtocol, waitNanoseconds: UInt64) {
            self.serviceProtocol = serviceProtocol
            self.waitNanoseconds = waitNanoseconds
        }
    }

    /// A listener; without the optional arguments a shared one without PROXY header.
    package init(
        id: Int, name: String, address: SocketAddress, protocols: ListenerProtocols,
        proxyHeader: ProxyHeader = .absent, scope: ListenerScope = ListenerScope(),
        serverFirst: ServerFirst? = nil, redirectsToHTTPS: Bool = false,
        isForOperators: Bool = false
    ) {
        self.id = id
        self.name = name
        self.address = address
        self.protocols = protocols
        self.proxyHeader = proxyHeader
        self.scope = scope
        self.serverFirst = serverFirst
        self.redirectsToHTTPS = redirectsToHTTPS
        self.isForOperators = isForOperators
    }
}

/// What the workers need to know of a tenant.
package final class TenantPlan: Sendable {
    /// As configured; unique among the tenants, and the `tenant` of records and metrics.
    package let name: String
    /// Tells it from others that had its name before and are gone; 0 for one of a file.
    package let incarnation: UInt64
    /// Certificates that this tenant's names are served with.
    package let certificates: CertificateTable
    /// PEM of the authorities that this tenant's people are verified against; empty for none.
    package let clientAuthoritiesPEM: [UInt8]
    /// What it may use; nil: whatever there is.
    package let limits: TenantLimits?
    /// Counts this tenant's open connections over all workers and revisions.
    package let usage: TenantUsage
    /// Names that it had, and that still lead to it.
    package let aliases: [AliasPlan]

    /// Connections that may be open at once over all workers; 0 means no limit.
    package var connectionsMax: Int { self.limits?.whole.connections ?? 0 }
    /// Connections that may begin in one second over all workers; 0 means no limit.
    package var newConnectionsPerSecondMax: Int {
        Int(self.limits?.whole.newConnections.perSecond ?? 0)
    }

    /// A tenant; without `limits` one that has none.
    package init(
        name: String, incarnation: UInt64 = 0, certificates: CertificateTable,
        clientAuthoritiesPEM: [UInt8],
        limits: TenantLimits? = nil, usage: TenantUsage, aliases: [AliasPlan] = []
    ) {
        self.name = name
        self.incarnation = incarnation
        self.certificates = certificates
        self.clientAuthoritiesPEM = clientAuthoritiesPEM
        self.limits = limits
        self.usage = usage
        self.aliases = aliases
    }
}

/// A service as the workers see it.
///
/// A connection keeps a reference to its service for life.
package final class ServicePlan: Sendable {
    /// Stands for tenant, service, protocol and mode in the workers' counters; kept over revisions.
    package let metricsSlot: Int
    /// Whose it is: certificates, authorities and limits.
    package let tenant: TenantPlan
    /// As configured; unique within its tenant.
    package let name: String
    /// A name that leads to it, for a certificate where the downstream asks for no name.
    package let ownName: HostName?
    /// What is spoken behind it, as records and metrics carry it.
    package let serviceProtocol: ServiceProtocol
    /// Whether TLS ends here or at the upstream.
    package let mode: ServiceMode
    /// What is offered to the downstream and mirrored to the upstream, in our order of preference.
    package let applicationProtocols: [ApplicationProtocol]
    /// Whether the downstream must show a certificate; only where TLS ends here.
    package let clientCertificate: ClientCertificatePolicy
    /// Of the TLS policy, which names the tenant: whose tickets are good here, whose contexts fit.
    package let policy: ContentDigest
    /// Whether downstreams get tickets to resume with.
    package let givesTickets: Bool
    /// How long a ticket is good for the downstream that has it.
    package let ticketLifetimeSeconds: UInt32
    /// Its addresses, at most ``Limits/upstreamAddressesMax``; none while its names lead nowhere.
    package let upstreams: [UpstreamPlan]
    /// Addresses that are tried for one connection.
    package let connectAttempts: Int
    /// How the addresses are judged.
    package var health: HealthPlan { self.ownHealth?.value ?? .standard }
    /// Nanoseconds for one address; nil takes the snapshot's.
    package let connectTimeout: UInt64?
    /// Nanoseconds without a byte in either direction; nil takes the snapshot's.
    package let idleTimeout: UInt64?
    /// Whether it is the operators' API, which is told the downstream's certificate.
    package let isForOperators: Bool
    /// Whether it is `/webapi`, which is told which of the tenants of a name it is.
    package let isBuiltIn: Bool
    private let ownHealth: Boxed<HealthPlan>?

    /// Whether TLS ends here within MySQL's own beginning, or around it.
    package var endsTLSOfMySQL: Bool { self.serviceProtocol == .mysql && self.mode.endsTLS }

    /// A service; without the optional arguments one without tickets.
    package init(
        metricsSlot: Int, tenant: TenantPlan, name: String, ownName: HostName? = nil,
        serviceProtocol: ServiceProtocol, mode: ServiceMode,
        applicationProtocols: [ApplicationProtocol],
        clientCertificate: ClientCertificatePolicy, policy: ContentDigest,
        givesTickets: Bool = false,
        ticketLifetimeSeconds: UInt32 = UInt32(Limits.ticketLifetime.nanoseconds / 1_000_000_000),
        upstreams: [UpstreamPlan], connectAttempts: Int = Limits.connectAttempts,
        health: HealthPlan = HealthPlan(), connectTimeout: UInt64? = nil,
        idleTimeout: UInt64? = nil, isForOperators: Bool = false, isBuiltIn: Bool = false
    ) {
        self.metricsSlot = metricsSlot
        self.tenant = tenant
        self.name = name
        self.ownName = ownName
        self.serviceProtocol = serviceProtocol
        self.mode = mode
        self.applicationProtocols = applicationProtocols
        self.clientCertificate = clientCertificate
        self.policy = policy
        self.givesTickets = givesTickets
        self.ticketLifetimeSeconds = ticketLifetimeSeconds
        self.upstreams = upstreams
        self.connectAttempts = connectAttempts
        self.ownHealth = health == .standard ? nil : Boxed(health)
        self.connectTimeout = connectTimeout
        self.idleTimeout = idleTimeout
        self.isForOperators = isForOperators
        self.isBuiltIn = isBuiltIn
    }
}

/// One address of a service.
package final class UpstreamPlan: Sendable {
    /// TLS towards the upstream.
    package struct TLS: Hashable, Sendable {
        /// Of the settings: the key of the workers' contexts.
        package var policy: ContentDigest
        /// SNI, and the name (or address) that its certificate must carry.
        package var serverName: String
        /// Whether `serverName` is an IP address: verified as one, not sent as SNI.
        package var serverNameIsAddress: Bool
        /// Whether its certificate must be good and carry the name.
        ///
        /// False is for tests and legacy.
        package var verifies: Bool
        /// PEM of the authorities that may have signed it; nil takes the system's.
        package var authoritiesPEM: [UInt8]?
        /// Our own certificate towards the upstream; nil: none is shown.
        package var chainPEM: [UInt8]?
        /// The private key of that certificate; present exactly if the chain is.
        package var keyPEM: [UInt8]?

        /// Settings of TLS towards one upstream; see the properties.
        package init(
            policy: ContentDigest, serverName: String, serverNameIsAddress: Bool,
            verifies: Bool = true,
            authoritiesPEM: [UInt8]?, chainPEM: [UInt8]? = nil, keyPEM: [UInt8]? = nil
        ) {
            self.policy = policy
            self.serverName = serverName
            self.serverNameIsAddress = serverNameIsAddress
            self.verifies = verifies
            self.authoritiesPEM = authoritiesPEM
            self.chainPEM = chainPEM
            self.keyPEM = keyPEM
        }
    }

    /// Stands for the address in counters and records; kept over revisions.
    package let metricsSlot: Int
    /// Where it is dialled: an IP address and a port; names were resolved before.
    package let address: SocketAddress
    /// Nil: the bytes go as they are.
    package var tls: TLS? { self.ownTLS?.value }
    /// Which PROXY header goes before all other bytes, if any.
    package let proxyHeader: ProxyHeaderVersion
    /// How much of the service's connections it gets beside the others, 1 to 256.
    package let weight: UInt32
    /// Whether it is used only while no other address is healthy.
    package let isBackup: Bool
    /// The name that led here, where one did.
    package let name: HostName?
    /// Its load and health, over all workers and revisions.
    package let standing: UpstreamStanding
    private let ownTLS: Boxed<TLS>?

    /// An address; without the optional arguments spoken to in plain text.
    package init(
        metricsSlot: Int, address: SocketAddress, tls: TLS? = nil,
        proxyHeader: ProxyHeaderVersion = .none, weight: UInt32 = 1, isBackup: Bool = false,
        name: HostName? = nil, standing: UpstreamStanding = UpstreamStanding()
    ) {
        self.metricsSlot = metricsSlot
        self.address = address
        self.ownTLS = tls.map(Boxed.init)
        self.proxyHeader = proxyHeader
        self.weight = weight
        self.isBackup = isBackup
        self.name = name
        self.standing = standing
    }
}

/// What few of very many plans have: those without it pay for a reference alone.
private final class Boxed<Value: Sendable>: Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
