// Tenants' own ports: what each leads to, compiled with its tenant.

internal import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot

extension SnapshotCompiler {
    /// The one listener of all tenants' ports.
    mutating func compilePortListener(_ configuration: Configuration) -> ListenerPlan? {
        guard let ports = configuration.ports else { return nil }
        let address = SocketAddress.ip(ports.address, port: 0)
        return ListenerPlan(
            // No listener of the file has that ordinal.
            id: self.listenerIDs.number(of: ListenerKey(address: address, ordinal: -1)),
            name: Configuration.portListenerName, address: address, protocols: [])
    }
}

extension Configuration {
    /// In metrics and records; names of listeners have no parentheses.
    static let portListenerName = "(ports)"
}

extension TenantTables {
    /// Forgets the ports of tenants that go, or are about to be put in anew; those that have gone
    /// on to another tenant are that one's.
    mutating func clearPorts(of numbers: [Int]) {
        for number in numbers {
            for port in self.facts.element(number)?.ports.values ?? [:].values
            where self.ports.element(Int(port))?.scope.tenant == number {
                self.ports.set(Int(port), to: nil)
            }
        }
    }

    /// Has a tenant's ports lead to its services.
    mutating func setPorts(
        _ ports: [PortKind: UInt16], of tenant: Configuration.Tenant, number: Int
    ) {
        for (kind, port) in ports {
            let plan = tenant.service(for: kind).flatMap { service in
                self.routes.serviceNumber(named: service.name, ofTenant: number).map {
                    PortPlan(port, leadingTo: service, number: $0, of: number)
                }
            }
            self.ports.set(Int(port), to: plan)
        }
    }
}

extension Configuration.Tenant {
    /// The service that answers on a port: the one that is named; else the default for what the
    /// kind stands for, or the only one; nil: none, and the port is closed.
    func service(for kind: PortKind) -> Configuration.Service? {
        if let named = self.ports.first(where: { $0.kind == kind.name })?.service {
            return self.services.first { $0.name == named }
        }
        guard let serviceProtocol = kind.serviceProtocol else { return nil }
        let fitting = self.services.filter { $0.serviceProtocol == serviceProtocol }
        return fitting.first(where: \.isDefault) ?? (fitting.count == 1 ? fitting.first : nil)
    }
}

extension PortKind {
    /// What is spoken there, where the name of the kind says it; tunnels come later.
    var serviceProtocol: ServiceProtocol? {
        switch self {
        case .ssh: .ssh
        case .kube: .kubernetes
        case .mysql: .mysql
        case .postgres: .postgres
        default: nil  // not an enum of ours
        }
    }
}

extension PortPlan {
    fileprivate init(
        _ port: UInt16, leadingTo service: Configuration.Service, number: Int, of tenant: Int
    ) {
        let scope = ListenerScope(tenant: tenant, service: number)
        switch service.serviceProtocol {
        case .ssh:
            // Programs of SSH speak first; a few wait for the other side's banner.
            self.init(
                port: port, protocols: [.tls, .ssh], scope: scope,
                serverFirst: ListenerPlan.ServerFirst(
                    serviceProtocol: .ssh, waitNanoseconds: Limits.serverFirstWait.nanoseconds))
        case .mysql: self.init(port: port, protocols: .raw, scope: scope)
        case .postgres: self.init(port: port, protocols: [.tls, .postgres], scope: scope)
        case .kubernetes, .web: self.init(port: port, protocols: [.tls, .http], scope: scope)
        case .tcp:
            self.init(
                port: port, protocols: service.mode == .terminate ? .tls : .raw, scope: scope)
        }
    }
}
