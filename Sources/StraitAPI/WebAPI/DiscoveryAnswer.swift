// What `/webapi/ping` and `/webapi/find` say, in the words of the model that existing programs
// read: gravitational/teleport, api/client/webclient/webclient.go. What is not so stays out, which
// is how that model writes "no" and "not known": every member but `tls_routing_enabled` may be
// absent.
//
// What is left out on purpose:
// - `auth`'s members: they tell how people log in. Here nobody logs in: a person shows a
//   certificate of the tenant's own authority. The object itself is there, as in the model.
// - `min_client_version`: there is no agreement on versions between `strait connect` and a router,
//   hence none that is too old. `edition`, whose words name that model's products. `fips`,
//   `automatic_upgrades`, `auto_update`: nothing here is validated, and nobody is upgraded.
// - `ssh.dial_timeout`: a wish about how patient the asking side is; there is none.
// - Addresses of protocols for which the tenant has no port of its own: those are reached by name
//   at the port of `ssh.public_addr`.

package import StraitControl
internal import StraitCore
internal import StraitRouting

/// The answer of `/webapi/ping`, or without ``auth`` of `/webapi/find`.
package struct DiscoveryAnswer: Encodable, Hashable, Sendable {
    /// How people log in: nothing is said.
    package struct Auth: Encodable, Hashable, Sendable {}

    /// Where the tenant's protocols are.
    package struct Proxy: Encodable, Hashable, Sendable {
        /// Kubernetes.
        package struct Kube: Encodable, Hashable, Sendable {
            var enabled: Bool?
            var publicAddr: String?
            var listenAddr: String?
        }

        /// SSH, and the web, which the model keeps here.
        package struct SSH: Encodable, Hashable, Sendable {
            var listenAddr: String?
            var tunnelListenAddr: String?
            var webListenAddr: String?
            var publicAddr: String?
            var sshPublicAddr: String?
            var sshTunnelPublicAddr: String?
        }

        /// Databases.
        package struct Databases: Encodable, Hashable, Sendable {
            var postgresListenAddr: String?
            var postgresPublicAddr: String?
            var mysqlListenAddr: String?
            var mysqlPublicAddr: String?
        }

        var kube: Kube
        var ssh: SSH
        var db: Databases
        /// Whether everything is also reached by name and ALPN at one port: so it is.
        var tlsRoutingEnabled = true
    }

    /// What the model has no words for.
    package struct Extras: Encodable, Hashable, Sendable {
        var tenant: String
        var names: [String]
        var region: String
        var router: String
        /// By kind; also those that the model has no member for.
        var ports: [String: UInt16]
    }

    var auth: Auth?
    var proxy: Proxy
    var serverVersion: String
    var clusterName: String
    var strait: Extras

    /// - Parameters:
    ///   - facts: What is known of the tenant.
    ///   - webPort: The port of the tenant's names; see ``WebAPIFacts/webPort(dialled:)``.
    ///   - version: Of this program.
    ///   - isPing: Whether ``auth`` is there.
    package init(_ facts: WebAPIFacts, webPort: UInt16, version: String, isPing: Bool) {
        let name = facts.names.first?.description ?? ""
        func listen(_ kind: PortKind) -> String? { facts.ports[kind]?.description }
        func reached(_ kind: PortKind) -> String? { facts.ports[kind].map { "\(name):\($0.port)" } }
        let hasKubernetes = facts.hasKubernetes || facts.ports[.kube] != nil
        self.auth = isPing ? Auth() : nil
        self.proxy = Proxy(
            kube: Proxy.Kube(
                enabled: hasKubernetes ? true : nil, publicAddr: reached(.kube),
                listenAddr: listen(.kube)),
            ssh: Proxy.SSH(
                listenAddr: listen(.ssh), tunnelListenAddr: listen(.sshTunnel),
                webListenAddr: facts.web?.description, publicAddr: "\(name):\(webPort)",
                sshPublicAddr: reached(.ssh), sshTunnelPublicAddr: reached(.sshTunnel)),
            db: Proxy.Databases(
                postgresListenAddr: listen(.postgres), postgresPublicAddr: reached(.postgres),
                mysqlListenAddr: listen(.mysql), mysqlPublicAddr: reached(.mysql)))
        self.serverVersion = version
        self.clusterName = facts.tenant
        self.strait = Extras(
            tenant: facts.tenant, names: facts.names.map(\.description), region: facts.region,
            router: facts.router,
            ports: Dictionary(
                facts.ports.map { ($0.key.name, $0.value.port) },
                uniquingKeysWith: { first, _ in first }))
    }
}
