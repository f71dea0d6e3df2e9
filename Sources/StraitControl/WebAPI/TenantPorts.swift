// Which ports are a tenant's own: on them it is known before the first byte.

internal import StraitConfig
package import StraitCore
package import StraitRouting
internal import StraitSnapshot

/// Where a tenant's own ports are bound, by what they are for.
package typealias TenantPorts = [PortKind: SocketAddress]

extension CompiledConfiguration {
    /// The ports of a tenant: those that it has leased, and those of the file's listeners that are
    /// for it alone.
    ///
    /// Of several for one kind the first counts. A port that the kernel chooses is not told.
    package func ports(of tenant: String) -> TenantPorts {
        var ports: TenantPorts = [:]
        if let address = self.configuration.ports?.address,
            let number = self.snapshot.routes.tenantNumber(named: tenant)
        {
            ports = (self.tables.facts.element(number)?.ports ?? [:]).mapValues {
                .ip(address, port: $0)
            }
        }
        for listener in self.configuration.listeners
        where listener.tenant == tenant && listener.address.port > 0 {
            for kind in self.kinds(of: listener, tenant) where ports[kind] == nil {
                ports[kind] = listener.address
            }
        }
        return ports
    }

    private func kinds(of listener: Configuration.Listener, _ tenant: String) -> [PortKind] {
        let routes = self.snapshot.routes
        if let name = listener.service {
            return routes.tenantNumber(named: tenant)
                .flatMap { routes.serviceNumber(named: name, ofTenant: $0) }
                .flatMap { routes.serviceProtocol(of: $0)?.portKind }.map { [$0] } ?? []
        }
        if let first = listener.serverFirst {
            return first.serviceProtocol.portKind.map { [$0] } ?? []
        }
        guard case .shared(let shared) = listener.protocols else { return [] }
        var kinds: [PortKind] = []
        if shared.contains(.ssh) { kinds.append(.ssh) }
        if shared.contains(.postgres) { kinds.append(.postgres) }
        return kinds
    }
}

extension ServiceProtocol {
    /// What a port that leads to such a service is for.
    fileprivate var portKind: PortKind? {
        switch self {
        case .ssh: .ssh
        case .kubernetes: .kube
        case .postgres: .postgres
        case .mysql: .mysql
        case .web, .tcp: nil
        }
    }
}
