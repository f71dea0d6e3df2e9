// What `/webapi` tells, as values. How it is written stands in StraitAPI.

package import StraitCore
internal import StraitRouting

/// What a tenant's own name tells of the tenant.
package struct WebAPIFacts: Hashable, Sendable {
    /// As operators write it.
    package var tenant: String
    /// Its own names; the first is the one to use.
    package var names: [HostName]
    /// Of this router.
    package var region: String
    /// Of this router.
    package var router: String
    /// Where its own ports are bound.
    package var ports: TenantPorts
    /// Where names of all tenants arrive with TLS; nil: nowhere.
    package var web: SocketAddress?
    /// Whether it has a service of Kubernetes.
    package var hasKubernetes: Bool

    /// See the properties.
    package init(
        tenant: String, names: [HostName], region: String, router: String, ports: TenantPorts,
        web: SocketAddress?, hasKubernetes: Bool
    ) {
        self.tenant = tenant
        self.names = names
        self.region = region
        self.router = router
        self.ports = ports
        self.web = web
        self.hasKubernetes = hasKubernetes
    }

    /// The port to use with the tenant's names.
    ///
    /// - Parameter dialled: The port that the question came to, by the address that the downstream
    ///   dialled: behind a load balancer it is that one's.
    /// - Returns: That port, unless it is the tenant's own, which says nothing of the others; then
    ///   the one of all tenants.
    package func webPort(dialled: UInt16?) -> UInt16 {
        guard let dialled, dialled > 0, !self.ports.values.contains(where: { $0.port == dialled })
        else { return self.web?.port ?? 443 }
        return dialled
    }
}

/// An address by which a router is reached.
package struct PublicAddress: Hashable, Sendable {
    /// The address.
    package var address: IPAddress
    /// Whose it is.
    package var router: String
    /// Since when its process has it, RFC 3339.
    package var since: String

    /// See the properties.
    package init(address: IPAddress, router: String, since: String) {
        self.address = address
        self.router = router
        self.since = since
    }
}
