// What is no error, and yet hardly what a tenant wants: told with each change, and when asked.

internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot

extension ControlPlane {
    /// What whoever has a tenant should know of it as it is live.
    ///
    /// - Parameter name: The tenant's; nothing is known of one that is not live.
    /// - Returns: Sentences; none where all is as it seems.
    func remarks(onTenant name: String) -> [String] {
        guard let tables = self.live?.tables,
            let number = tables.routes.tenantNumber(named: name),
            let facts = tables.facts.element(number)
        else { return [] }
        var remarks: [String] = []
        if tables.routes.ownNames(ofTenant: number).isEmpty,
            tables.routes.hosts(ofTenant: number).isEmpty, facts.ports.isEmpty
        {
            remarks.append(
                "nobody can reach it: it has no domain (strait name add \(name) NAME)")
        }
        let dialled = Set(
            tables.routes.services(ofTenant: number).compactMap { tables.services.element($0) }
                .flatMap(\.upstreams).compactMap(\.name))
        for (host, addresses) in zip(facts.upstreamNames, facts.upstreamAddresses)
        where !dialled.contains(host) {
            remarks.append(
                addresses.isEmpty
                    ? "upstream \(host) has no address: its name was not found"
                    : "upstream \(host) leads to the router's own machine alone, where names of "
                        + "tenants' upstreams must not")
        }
        for (kind, port) in facts.ports.sorted(by: { $0.key < $1.key }) {
            guard let reason = tables.whyIdle(port, kind, of: number), reason.isAmbiguous else {
                continue
            }
            remarks.append("port \(port) (\(kind)) is closed: \(reason.text)")
        }
        return remarks
    }
}

/// Why nobody answers on a leased port.
struct IdlePort: Hashable {
    /// Whether several services could.
    var isAmbiguous: Bool
    /// For people.
    var text: String
}

extension TenantTables {
    /// Why a tenant's port leads nowhere; nil where it leads somewhere, or is another's.
    func whyIdle(_ port: UInt16, _ kind: PortKind, of tenant: Int) -> IdlePort? {
        guard self.ports.element(Int(port)) == nil,
            self.facts.element(tenant)?.ports[kind] == port
        else { return nil }
        guard let serviceProtocol = kind.serviceProtocol else {
            return IdlePort(isAmbiguous: false, text: "no service is named for it")
        }
        let services = self.routes.services(ofTenant: tenant).filter {
            self.routes.serviceProtocol(of: $0) == serviceProtocol
        }
        guard let first = services.first else {
            return IdlePort(isAmbiguous: false, text: "no \(serviceProtocol.rawValue) service")
        }
        return IdlePort(
            isAmbiguous: true,
            text: "of \(services.count) \(serviceProtocol.rawValue) services none is the default "
                + "(strait service set \(self.routes.serviceText(first)) --default)")
    }
}
