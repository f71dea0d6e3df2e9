// What a tenant's own name leads to over HTTPS: one target for all tenants, in the process itself.

package import StraitCore

/// Where `/webapi` is answered.
///
/// Nothing is kept for a tenant: a connection has a service of its own, made from this and its
/// tenant, which goes with it.
package final class BuiltInPlan: Sendable {
    /// What its service is called, in records and metrics.
    package static let name = "webapi"
    /// What is offered downstream.
    ///
    /// HTTP/2 although certificates have names of services, too: browsers send requests for those
    /// down the same connection (RFC 9113 §9.1.1), and are told 421.
    private static let offered: [ApplicationProtocol] = [.http2, .http11]
    /// Contexts of TLS are found by this and the certificates; without tickets and without
    /// certificates of people, nothing of a tenant is in them beside those.
    private static let policy = ContentDigest(only: 2)

    /// The UNIX socket that answers; it reads a PROXY header of version 2 first.
    package let upstream: UpstreamPlan
    /// Stands for it in the workers' counters, for all tenants.
    package let metricsSlot: Int
    /// Nanoseconds without a byte in either direction.
    private let idleTimeout: UInt64

    /// - Parameters:
    ///   - address: The UNIX socket.
    ///   - metricsSlot: Of its series.
    ///   - upstreamSlot: Of the series of its address.
    package init(address: SocketAddress, metricsSlot: Int, upstreamSlot: Int) {
        self.upstream = UpstreamPlan(
            metricsSlot: upstreamSlot, address: address, proxyHeader: .v2)
        self.metricsSlot = metricsSlot
        self.idleTimeout = 2 * Limits.webAPIConnectionLifetime.nanoseconds
    }

    /// The service that a connection to a tenant's own name has.
    package func service(of tenant: TenantPlan) -> ServicePlan {
        ServicePlan(
            metricsSlot: self.metricsSlot, tenant: tenant, name: Self.name,
            serviceProtocol: .web, mode: .terminate, applicationProtocols: Self.offered,
            clientCertificate: .none, policy: Self.policy, upstreams: [self.upstream],
            connectAttempts: 1, idleTimeout: self.idleTimeout, isBuiltIn: true)
    }
}
