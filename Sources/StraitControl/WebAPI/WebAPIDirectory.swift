// What `/webapi` may know: what is live, to be read and nothing else. Questions do not wait for the
// control plane, which may be compiling, and cannot reach it.

internal import StraitConfig
package import StraitCore
internal import StraitRouting
internal import StraitSnapshot
internal import Synchronization

/// The live state as `/webapi` sees it.
package final class WebAPIDirectory: Sendable {
    private struct State: Sendable {
        var live: CompiledConfiguration?
        var addresses: [PublicAddress] = []
    }

    /// Held while two references are copied.
    private let state = Mutex(State())

    /// One that knows nobody.
    package init() {}

    /// Makes a compiled configuration the one that is told of.
    ///
    /// - Parameters:
    ///   - live: What is live.
    ///   - now: Nanoseconds since 1970: new addresses are there since then.
    package func publish(_ live: CompiledConfiguration?, now: UInt64) {
        let before = self.state.withLock { $0.addresses }
        let addresses = (live?.configuration.reachableAddresses ?? []).map { address in
            before.first { $0.address == address }
                ?? PublicAddress(address: address, since: Timestamp(nanoseconds: now))
        }
        self.state.withLock { $0 = State(live: live, addresses: addresses) }
    }

    private var live: CompiledConfiguration? { self.state.withLock { $0.live } }

    /// What is live; 0 before anything is.
    package var revision: UInt64 { self.live?.snapshot.revision ?? 0 }

    /// How many requests one source may make in a second.
    package var requestsPerSecond: Int {
        self.live?.configuration.webAPI.requestsPerSecond ?? Limits.webAPIRequestsPerSecond
    }

    /// Whether `name` is an own name of the tenant: by the rules that connections are routed by.
    package func isOwnName(_ name: HostName, ofTenant tenant: String) -> Bool {
        guard let snapshot = self.live?.snapshot,
            let number = snapshot.routes.tenant(withOwnName: name)
        else { return false }
        return snapshot.routes.tenantNumber(named: tenant) == number
    }

    /// What is told of a tenant; nil where there is none of that name.
    package func facts(ofTenant tenant: String) -> WebAPIFacts? {
        guard let live = self.live, let number = live.snapshot.routes.tenantNumber(named: tenant)
        else { return nil }
        let routes = live.snapshot.routes
        return WebAPIFacts(
            tenant: tenant, names: routes.ownNames(ofTenant: number),
            region: live.snapshot.region, router: live.snapshot.router,
            ports: live.ports(of: tenant), web: live.configuration.webAddress,
            hasKubernetes: routes.services(ofTenant: number).contains {
                routes.serviceProtocol(of: $0) == .kubernetes
            })
    }

    /// The region, and by which addresses its routers are reached: this one's.
    package var reachable: (region: String, router: String, addresses: [PublicAddress]) {
        let state = self.state.withLock { $0 }
        return (
            state.live?.snapshot.region ?? "", state.live?.snapshot.router ?? "", state.addresses
        )
    }
}

extension Configuration {
    /// By which addresses this router is reached: as configured, or those that it listens on by
    /// themselves.
    fileprivate var reachableAddresses: [IPAddress] {
        guard self.webAPI.publicAddresses.isEmpty else { return self.webAPI.publicAddresses }
        let any = [IPAddress("::"), IPAddress("0.0.0.0")]
        var addresses: [IPAddress] = []
        for address in self.listeners.compactMap(\.address.address)
        where !any.contains(address) && !addresses.contains(address) {
            addresses.append(address)
        }
        return addresses
    }

    /// Where names of all tenants arrive with TLS: at port 443 if one listener has it, else at the
    /// first.
    fileprivate var webAddress: SocketAddress? {
        let shared = self.listeners.filter { listener in
            guard listener.tenant == nil, case .shared(let shared) = listener.protocols else {
                return false
            }
            return shared.contains(.tls)
        }
        return (shared.first { $0.address.port == 443 } ?? shared.first)?.address
    }
}
