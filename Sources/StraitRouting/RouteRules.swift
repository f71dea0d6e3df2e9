// What the route table is compiled from: tenants and services as the control plane knows them.

package import StraitCore

/// Tenants and services; the indices of a ``RouteDecision`` are those of these arrays.
package struct RouteRules: Hashable, Sendable {
    /// The owner of names and services.
    package struct Tenant: Hashable, Sendable {
        /// As operators write it; unique.
        package var name: String
        /// The tenant's own names; each service is reached as `<service>.<domain>` too.
        package var domains: [HostName]

        /// - Parameters:
        ///   - name: As operators write it.
        ///   - domains: The tenant's own names.
        package init(name: String, domains: [HostName]) {
            self.name = name
            self.domains = domains
        }
    }

    /// What a tenant exposes.
    package struct Service: Hashable, Sendable {
        /// Index of the tenant that owns it.
        package var tenant: Int
        /// One DNS label; unique within the tenant.
        package var name: String
        /// What is spoken behind its names.
        package var serviceProtocol: ServiceProtocol
        /// Whether TLS ends here, so that ALPN is chosen here.
        package var mode: ServiceMode
        /// Exact names beside `<service>.<domain>`.
        package var hosts: [HostName]
        /// Names that are covered one label deep, without their `*.`.
        package var wildcards: [HostName]
        /// ALPN identifiers that are accepted; empty: none configured, so the protocol's own list
        /// holds.
        package var applicationProtocols: [ApplicationProtocol]
        /// Whether the tenant's own name leads here for the service's protocol.
        package var isDefault: Bool
        /// Whether `acme-tls/1` reaches this service although TLS ends here.
        package var allowsACME: Bool

        /// See the properties.
        package init(
            tenant: Int, name: String, serviceProtocol: ServiceProtocol, mode: ServiceMode,
            hosts: [HostName] = [], wildcards: [HostName] = [],
            applicationProtocols: [ApplicationProtocol] = [], isDefault: Bool = false,
            allowsACME: Bool = false
        ) {
            self.tenant = tenant
            self.name = name
            self.serviceProtocol = serviceProtocol
            self.mode = mode
            self.hosts = hosts
            self.wildcards = wildcards
            self.applicationProtocols = applicationProtocols
            self.isDefault = isDefault
            self.allowsACME = allowsACME
        }
    }

    /// All tenants.
    package var tenants: [Tenant]
    /// All services, of all tenants.
    package var services: [Service]

    /// - Parameters:
    ///   - tenants: The tenants, in the order that their indices mean.
    ///   - services: The services, in the order that their indices mean.
    package init(tenants: [Tenant], services: [Service]) {
        self.tenants = tenants
        self.services = services
    }
}
