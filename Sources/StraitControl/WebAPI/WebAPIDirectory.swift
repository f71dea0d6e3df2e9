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
        /// Of the region's other routers.
        var others: [PublicAddress] = []
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
        let before = self.own
        let router = live?.snapshot.router ?? ""
        let addresses = (live?.configuration.reachableAddresses ?? []).map { address in
            before.first { $0.address == address }
                ?? PublicAddress(
                    address: address, router: router,
                    since: Timestamp(nanoseconds: now).description)
        }
        self.state.withLock { state in
            state.live = live
            state.addresses = addresses
        }
    }

    /// Makes these the addresses of the region's other routers.
    package func publish(others: [PublicAddress]) {
        self.state.withLock { $0.others = others }
    }

    /// The addresses of this router.
    package var own: [PublicAddress] { self.state.withLock { $0.addresses } }

    private var live: CompiledConfiguration? { self.state.withLock { $0.live } }

    /// What is live; 0 before anything is.
    package var revision: UInt64 { self.live?.snapshot.revision ?? 0 }

    /// How many requests one source may make in a second.
    package var requestsPerSecond: Int {
        self.live?.configuration.webAPI.requestsPerSecond ?? Limits.webAPIRequestsPerSecond
    }

    /// Whether `name` is an own name of the tenant: by the rules that connections are routed by.
    ///
    /// - Parameters:
    ///   - name: What is asked for.
    ///   - tenant: As it was called when the connection was made.
    ///   - incarnation: Which of those that had the name.
    /// - Returns: False, too, where that one is gone.
    package func isOwnName(
        _ name: HostName, ofTenant tenant: String, incarnation: UInt64
    ) -> Bool {
        guard let snapshot = self.live?.snapshot,
            let number = snapshot.routes.tenant(withOwnName: name)
        else { return false }
        return snapshot.routes.tenantNumber(named: tenant) == number
            && snapshot.tenants.element(number)?.incarnation == incarnation
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

    /// Where this router is, and what it is called.
    package var place: (region: String, router: String) {
        let snapshot = self.live?.snapshot
        return (snapshot?.region ?? "", snapshot?.router ?? "")
    }

    /// By which addresses the region's routers are reached, this one's first.
    package var addresses: [PublicAddress] {
        self.state.withLock { $0.addresses + $0.others }
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
