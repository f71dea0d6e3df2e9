// Whether a change concerns a tenant: what its part of a snapshot comes to, without places in
// files.

internal import StraitConfig
internal import StraitCore
internal import StraitSnapshot

/// What a tenant's part of a snapshot comes to.
///
/// Equal where nothing changed for the tenant.
package struct TenantMark: Hashable, Sendable {
    private struct Service: Hashable {
        var name: String
        var hosts: [Configuration.HostPattern]
        var isDefault: Bool
        var serviceProtocol: ServiceProtocol
        var mode: ServiceMode
        var policyID: UInt64
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
    private let limits: [Int]
    private let certificates: [UInt64]
    private let services: [Service]

    private init(
        _ tenant: TenantPlan, _ services: [ServicePlan], _ configured: Configuration.Tenant?
    ) {
        self.domains = configured?.domains.map(\.value) ?? []
        self.limits = [tenant.connectionsMax, tenant.newConnectionsPerSecondMax]
        self.certificates = tenant.certificates.sets.map(\.id)
        // Both are in the order of the file.
        let written = configured?.services ?? []
        self.services = services.enumerated().map { index, service in
            let keys = written.indices.contains(index) ? written[index] : nil
            return Service(
                name: service.name, hosts: keys?.hosts.map(\.value) ?? [],
                isDefault: keys?.isDefault ?? false, serviceProtocol: service.serviceProtocol,
                mode: service.mode,
                policyID: service.policyID,
                upstreams: service.upstreams.map {
                    Upstream(
                        address: $0.address, tls: $0.tls, proxyHeader: $0.proxyHeader,
                        weight: $0.weight, isBackup: $0.isBackup)
                }, timeouts: [service.connectTimeout, service.idleTimeout],
                connectAttempts: service.connectAttempts, health: service.health)
        }
    }

    /// The marks of all tenants of a snapshot, by name.
    static func all(
        of snapshot: Snapshot, _ configuration: Configuration
    ) -> [String: TenantMark] {
        let services = Dictionary(grouping: snapshot.services) { $0.tenant.name }
        let configured = Dictionary(
            configuration.tenants.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        return Dictionary(
            snapshot.tenants.map { tenant in
                let name = tenant.name
                return (name, TenantMark(tenant, services[name] ?? [], configured[name]))
            },
            uniquingKeysWith: { first, _ in first })
    }

    /// How many tenants came, went or changed.
    package static func changes(
        from old: [String: TenantMark], to new: [String: TenantMark]
    ) -> Int {
        Set(old.keys).union(new.keys).count { old[$0] != new[$0] }
    }
}
