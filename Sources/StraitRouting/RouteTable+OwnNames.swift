// A tenant's own names, as `/webapi` asks for them.

package import StraitCore

extension RouteTable {
    /// The tenant whose own name this is; nil for names of services and for strangers.
    ///
    /// By the rules that connections go by, as those of HTTP on a listener that fixes nothing.
    package func tenant(withOwnName name: HostName) -> Int? {
        guard
            case .builtIn(let tenant) = self.route(
                arrival: .tls, scope: ListenerScope(), name: name, offered: Span())
        else { return nil }
        return tenant
    }

    /// What the services of a tenant claim besides `SERVICE.DOMAIN`; wildcards with their `*.`.
    package func hosts(ofTenant tenant: Int) -> [String] {
        self.services(ofTenant: tenant).flatMap { number in
            let service = self.compiled.services[number]
            return service.hosts.map { "\($0)" } + service.wildcards.map { "*.\($0)" }
        }
    }

    /// The own names of the tenant of that number, the first one first.
    package func ownNames(ofTenant tenant: Int) -> [HostName] {
        self.compiled.tenants.element(tenant)?.domains ?? []
    }
}
