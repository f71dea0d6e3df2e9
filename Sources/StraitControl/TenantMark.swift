// Whether a change concerns a tenant: what its part of a snapshot comes to, without places in
// files.

internal import StraitConfig
internal import StraitCore
internal import StraitSnapshot

/// What a tenant's part of a snapshot comes to.
///
/// Equal where nothing changed for the tenant.
struct TenantMark: Hashable {
    private struct Service: Hashable {
        var name: String
        var hosts: [Configuration.HostPattern]
        var isDefault: Bool
        var serviceProtocol: ServiceProtocol
        var mode: ServiceMode
        var policy: ContentDigest
        var upstreams: [Upstream]
        var timeouts: [UInt64?]
        var connectAttempts: Int
        var health: HealthPlan
    }

    private struct Upstream: Hashable {
        var address: SocketAddress
        var tls: UpstreamPlan.TLS?
        var proxyHeader: ProxyHeaderVersion
        var weight: UInt32
        var isBackup: Bool
    }

    private let domains: [HostName]
    private let aliases: [HostName]
    private let limits: [LimitSet?]
    private let certificates: [ContentDigest]
    private let services: [Service]

    /// `services` are in the order in which they are configured.
    init(_ tenant: TenantPlan, _ services: [ServicePlan], _ configured: Configuration.Tenant) {
        self.domains = configured.domains.map(\.value)
        self.aliases = tenant.aliases.map(\.name)
        self.limits = [tenant.limits?.whole, tenant.limits?.perSource]
        self.certificates = tenant.certificates.sets.map(\.id)
        self.services = zip(services, configured.services).map { service, keys in
            Service(
                name: service.name, hosts: keys.hosts.map(\.value), isDefault: keys.isDefault,
                serviceProtocol: service.serviceProtocol, mode: service.mode,
                policy: service.policy,
                upstreams: service.upstreams.map {
                    Upstream(
                        address: $0.address, tls: $0.tls, proxyHeader: $0.proxyHeader,
                        weight: $0.weight, isBackup: $0.isBackup)
                }, timeouts: [service.connectTimeout, service.idleTimeout],
                connectAttempts: service.connectAttempts, health: service.health)
        }
    }
}
