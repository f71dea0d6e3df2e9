// `strait connect` is the same engine with another snapshot: one raw listener, one service, and the
// router as its upstream over TLS.

package import StraitCore
internal import StraitRouting
package import StraitSnapshot
internal import StraitTLS

/// Where a local connection goes: through a router, to a service behind it.
package struct ConnectPlan: Sendable {
    /// The name that the router routes by, and that its certificate must carry.
    package var host: String
    /// The router's addresses, tried in this order.
    package var routers: [SocketAddress]
    /// ALPN to ask the router with.
    package var applicationProtocol: ApplicationProtocol
    /// PEM of the authorities that may have signed the certificate; nil takes the system's.
    package var authoritiesPEM: [UInt8]?
    /// Our own certificate and its key, PEM.
    package var certificate: (chainPEM: [UInt8], keyPEM: [UInt8])?
    /// Where we listen for the local program.
    package var listen: SocketAddress

    /// How long a connection may be silent.
    ///
    /// Terminals stay open over a weekend.
    private static let idleTimeout = Duration.seconds(7 * 86_400)

    /// See the properties.
    package init(
        host: String, routers: [SocketAddress], applicationProtocol: ApplicationProtocol,
        authoritiesPEM: [UInt8]?, certificate: (chainPEM: [UInt8], keyPEM: [UInt8])?,
        listen: SocketAddress
    ) {
        self.host = host
        self.routers = routers
        self.applicationProtocol = applicationProtocol
        self.authoritiesPEM = authoritiesPEM
        self.certificate = certificate
        self.listen = listen
    }

    /// Checks a file of authorities.
    ///
    /// - Throws: ``FileError`` that names `path`.
    package static func check(authoritiesPEM: [UInt8], path: String) throws(FileError) {
        do throws(TLSSetupError) {
            try TLSCertificateFacts.checkAuthorities(pem: authoritiesPEM)
        } catch {
            throw FileError(description: "\(path): \(error.message)")
        }
    }

    /// Checks that a chain can be read, and that its key belongs to it.
    ///
    /// - Throws: ``FileError`` that names both files.
    package static func check(
        certificate: (chainPEM: [UInt8], keyPEM: [UInt8]), chainPath: String, keyPath: String
    ) throws(FileError) {
        do throws(TLSSetupError) {
            _ = try TLSCertificateFacts(
                chainPEM: certificate.chainPEM, keyPEM: certificate.keyPEM)
        } catch {
            throw FileError(description: "\(chainPath), \(keyPath): \(error.message)")
        }
    }

    /// The snapshot, revision 1.
    package func snapshot() throws -> Snapshot {
        let routes = try RouteTable(
            RouteRules(
                tenants: [RouteRules.Tenant(name: "local", domains: [])],
                services: [
                    RouteRules.Service(
                        tenant: 0, name: "router", serviceProtocol: .tcp, mode: .passthrough)
                ]))
        let tenant = TenantPlan(
            name: "local", certificates: CertificateTable(sets: []), clientAuthoritiesPEM: [],
            usage: TenantUsage())
        let tls = UpstreamPlan.TLS(
            policy: ContentDigest(only: 1), serverName: self.host,
            serverNameIsAddress: IPAddress(self.host) != nil,
            authoritiesPEM: self.authoritiesPEM, chainPEM: self.certificate?.chainPEM,
            keyPEM: self.certificate?.keyPEM)
        let service = ServicePlan(
            metricsSlot: 1, tenant: tenant, name: "router", serviceProtocol: .tcp,
            mode: .passthrough, applicationProtocols: [self.applicationProtocol],
            clientCertificate: .none, policy: ContentDigest(only: 1),
            upstreams: self.routers.map { UpstreamPlan(metricsSlot: 0, address: $0, tls: tls) })
        var timeouts = Timeouts()
        timeouts.idle = Self.idleTimeout.nanoseconds
        timeouts.halfClosed = Self.idleTimeout.nanoseconds
        return Snapshot(
            revision: 1, router: "connect", region: "",
            listeners: [
                ListenerPlan(
                    id: 0, name: "local", address: self.listen, protocols: .raw,
                    scope: ListenerScope(service: 0))
            ], routes: routes, services: [service], tenants: [tenant], timeouts: timeouts,
            limits: EngineLimits(), access: AccessPlan(isWritten: true, recent: 0))
    }
}
