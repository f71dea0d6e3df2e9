// What one configuration file says, checked, with every default filled in.
//
// Plain values: no file is opened here but to see that it exists. Contents of certificates, and
// conflicts between names, are judged by the control plane, which names lines by the places that
// every item keeps.

package import StraitCore

/// Where something stands in the configuration file.
///
/// An item of a list shares the list's path with the others: a file may have very many items, and
/// few of them are ever told of.
package struct SourcePlace: Sendable, Hashable {
    /// From 1; 0 where the file as a whole is meant.
    package var line: Int
    /// From 1; counts Unicode scalars.
    package var column: Int
    /// The path, or that of the list where it is an item.
    private let base: String
    /// Of an item of a list; -1 otherwise.
    private let item: Int32

    /// See the properties.
    package init(line: Int, column: Int, path: String) {
        self.line = line
        self.column = column
        self.base = path
        self.item = -1
    }

    /// The item number `item` of the list at `list`.
    package init(line: Int, column: Int, list: String, item: Int) {
        self.line = line
        self.column = column
        self.base = list
        self.item = Int32(clamping: item)
    }

    /// The way from the top: `tenants[0].services[1].upstreams[0]`; empty for the whole file.
    package var path: String { self.item < 0 ? self.base : "\(self.base)[\(self.item)]" }

    /// Equal where line, column and path are.
    package static func == (left: Self, right: Self) -> Bool {
        guard left.line == right.line, left.column == right.column else { return false }
        return left.item == right.item ? left.base == right.base : left.path == right.path
    }

    /// Of line and column: nothing else stands there.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.line)
        hasher.combine(self.column)
    }
}

/// A validated configuration: one router's listeners and its tenants.
package struct Configuration: Sendable, Equatable {
    /// The file as it was named to the reader; problems repeat it.
    package var file: String
    /// The region of this router, as records and TLVs carry it.
    package var region: String
    /// The name of this router, unique in its region.
    package var router: String
    /// Threads that serve connections; nil: one for each core.
    package var workers: Int?
    /// Where operators ask.
    package var admin: Admin
    /// Where tenants are kept instead of the file; nil: ``tenants`` are all.
    package var registry: Registry?
    /// The ports that tenants of the registry get here; nil: none.
    package var ports: Ports?
    /// In the order of the file; at least one.
    package var listeners: [Listener]
    /// In the order of the file; may be empty.
    package var tenants: [Tenant]
    /// Services for protocols that carry no name, on every listener without a tenant of its own.
    package var defaults: [ServiceProtocol: ServiceReference]
    /// Deadlines.
    package var timeouts: TimeoutSettings
    /// Bounds of the whole process.
    package var limits: LimitSettings
    /// Settings of every TCP socket.
    package var tcp: TCPSettings
    /// Addresses of this machine that upstreams are dialled from; none: the kernel chooses.
    package var sourceAddresses: [IPAddress]
    /// Access records.
    package var access: AccessSettings
    /// What is counted.
    package var metrics: MetricsSettings
    /// What tenants' own names answer over HTTPS.
    package var webAPI: WebAPISettings
    /// TLS of all listeners.
    package var tls: TLSSettings
    /// The log of the process.
    package var log: LogSettings

    /// The tenant of that name, if there is one.
    package func tenant(named name: String) -> Tenant? {
        self.tenants.first { $0.name == name }
    }

    /// The service that `reference` names, if there is one.
    package func service(_ reference: ServiceReference) -> Service? {
        self.tenant(named: reference.tenant)?.services.first { $0.name == reference.service }
    }
}

extension Configuration {
    /// The registry of this router.
    package struct Registry: Sendable, Equatable {
        /// Of the SQLite file, absolute.
        package var path: String
        /// Of the copy of the last good state, absolute.
        package var snapshotPath: String
        /// Where it stands.
        package var place: SourcePlace
        /// What private keys are sealed with; nil: a file beside the database.
        package var key: KeySource?
        /// What they were sealed with before.
        package var oldKey: KeySource?

        /// Where a key-encryption key comes from.
        package enum KeySource: Sendable, Equatable {
            /// A file.
            case file(FileReference)
            /// An environment variable.
            case variable(String)
        }

        /// The file of the key where none is named.
        package var ownKeyPath: String { self.path + ".key" }
    }

    /// A tenant's service, as `tenant/service` or a listener's two keys name it.
    package struct ServiceReference: Sendable, Equatable {
        /// The tenant's name.
        package var tenant: String
        /// The service's name.
        package var service: String
        /// Where it stands.
        package var place: SourcePlace
    }

    /// A file that the configuration names: absolute, resolved against the configuration's folder.
    package struct FileReference: Sendable, Equatable {
        /// Absolute, without `.` and `..`.
        package var path: String
        /// Where it stands.
        package var place: SourcePlace
    }

    /// A certificate chain and its key, both PEM.
    package struct CertificateFiles: Sendable, Equatable {
        /// The certificate, then its intermediates.
        package var chain: FileReference
        /// The private key of the certificate.
        package var key: FileReference
        /// Where it stands.
        package var place: SourcePlace
    }
}

extension Configuration {
    /// A bound address and its policy.
    package struct Listener: Sendable, Equatable {
        /// What is expected on a listener: what the first bytes tell, or no look at them at all.
        package enum Protocols: Sendable, Equatable {
            /// Every byte belongs to the listener's service.
            case raw
            /// The first bytes tell which of these it is. Not empty, each once.
            case shared([SharedProtocol])
        }

        /// A protocol that can be told from others by its first bytes.
        package enum SharedProtocol: String, Sendable, Hashable, CaseIterable {
            case tls, ssh, http, postgres
        }

        /// Whether a PROXY header comes first.
        package enum ProxyHeader: Sendable, Equatable {
            case absent
            /// It must come, and from one of these blocks. Not empty.
            case required(trusted: [CIDRBlock])
        }

        /// The protocol whose server speaks first here, and how long a downstream may stay silent.
        package struct ServerFirst: Sendable, Equatable {
            /// ``ServiceProtocol/mysql`` or ``ServiceProtocol/ssh``.
            package var serviceProtocol: ServiceProtocol
            /// 10 ms to 5 s, and shorter than the deadline of the first byte.
            package var wait: Duration
        }

        /// Unique among the listeners.
        package var name: String
        /// Unique among the listeners, but for port 0 on loopback.
        package var address: SocketAddress
        /// What may come.
        package var protocols: Protocols
        /// Whether a PROXY header comes first.
        package var proxyHeader: ProxyHeader
        /// The only tenant whose names are known here.
        package var tenant: String?
        /// The service of that tenant that gets what names nothing else; never without ``tenant``.
        package var service: String?
        /// Nil where downstreams speak first.
        package var serverFirst: ServerFirst?
        /// Whether plain HTTP is answered with a redirect instead of 400.
        package var redirectsToHTTPS: Bool
        /// Connections that the kernel keeps for us, 1 to 65535.
        package var backlog: Int
        /// Where it stands.
        package var place: SourcePlace
    }
}

extension Configuration {
    /// The owner of names, services, certificates and limits.
    package struct Tenant: Sendable, Equatable {
        /// Unique among the tenants; never `other`.
        package var name: String
        /// Tells it from others that had its name before and are gone: the revision of the registry
        /// at which it came; 0 for one of a file.
        package var incarnation: UInt64 = 0
        /// The tenant's own names; a service is reached under `SERVICE.DOMAIN` of each.
        package var domains: [Located<HostName>]
        /// Shown by the names that they carry.
        package var certificates: [CertificateFiles]
        /// PEM files of the authorities that this tenant's people are verified against.
        package var clientAuthorities: [FileReference]
        /// Over all its connections.
        package var limits: LimitSet
        /// Of each source.
        package var sourceLimits: LimitSet
        /// In the order of the file; may be empty.
        package var services: [Service]
        /// Beside the usual ones; only of a registry's tenants.
        package var ports: [TenantPort] = []
        /// Where it is at home; only of a registry's tenants.
        package var homeRegion: Located<String>?
        /// Names that it had; they lead to it for a while.
        package var aliases: [Alias] = []
        /// Where it stands.
        package var place: SourcePlace
    }

    /// A value with the place where it was written.
    package struct Located<Value: Sendable & Equatable>: Sendable, Equatable {
        /// The value.
        package var value: Value
        /// Where it stands.
        package var place: SourcePlace
    }

    /// A host name that a service answers to: exact, or every name with one label in its place.
    package struct HostPattern: Sendable, Hashable, CustomStringConvertible {
        /// The name; of a wildcard, what stands behind `*.`.
        package var name: HostName
        /// Whether one label stands before the name, whatever it is.
        package var isWildcard: Bool

        /// See the properties.
        package init(name: HostName, isWildcard: Bool) {
            self.name = name
            self.isWildcard = isWildcard
        }

        /// As it is written: `*.example.com`.
        package var description: String { self.isWildcard ? "*.\(self.name)" : "\(self.name)" }
    }

    /// Something that a tenant exposes.
    package struct Service: Sendable, Equatable {
        /// One DNS label; unique in the tenant.
        package var name: String
        /// What is spoken.
        package var serviceProtocol: ServiceProtocol
        /// Whether TLS ends here.
        package var mode: ServiceMode
        /// Whether protocol and mode could be read; what depends on them is not judged otherwise.
        var isUnderstood: Bool
        /// Names besides `SERVICE.DOMAIN`.
        package var hosts: [Located<HostPattern>]
        /// As written, in our order of preference; empty: none were, so the protocol's own hold.
        package var applicationProtocols: [ApplicationProtocol]
        /// Never other than ``ClientCertificatePolicy/none`` in passthrough.
        package var clientCertificate: ClientCertificatePolicy
        /// Whether the tenant's own names lead here for this protocol; one a protocol at most.
        package var isDefault: Bool
        /// Nil takes ``Configuration/timeouts``.
        package var connectTimeout: Duration?
        /// Nil takes that of ``Configuration/timeouts``.
        package var idleTimeout: Duration?
        /// Addresses that are tried for one connection; 1 or more.
        package var connectAttempts: Int
        /// How the addresses are judged.
        package var health: HealthSettings
        /// At least one.
        package var upstreams: [Upstream]
        /// Where it stands.
        package var place: SourcePlace
    }

    /// How the addresses of a service are judged.
    package struct HealthSettings: Sendable, Equatable {
        /// What an address is asked.
        package enum Check: String, Sendable, Hashable, CaseIterable {
            case off, tcp, greeting, postgres, tls, http, https
        }

        /// What an address is asked.
        package var check: Check
        /// From one check to the next.
        package var interval: Duration
        /// From a check's start to its verdict; no longer than ``interval``.
        package var timeout: Duration
        /// Checks in a row that must pass.
        package var rise: Int
        /// Checks in a row that must fail.
        package var fall: Int
        /// Begins with a slash.
        package var path: String
        /// Nil: the service's first name.
        package var host: String?
        /// Connects in a row that must fail; 0: no address is ejected.
        package var ejectAfter: Int
        /// How long the first ejection lasts.
        package var ejection: Duration
        /// No ejection lasts longer.
        package var ejectionMax: Duration
        /// How long the share of an address that comes back grows; may be zero.
        package var slowStart: Duration
    }

    /// One address of a service, or a name that leads to some.
    package struct Upstream: Sendable, Equatable {
        /// Where it is.
        package enum Target: Sendable, Hashable, CustomStringConvertible {
            /// An IP address and a port, or the path of a UNIX socket.
            case address(SocketAddress)
            /// A name that is looked up, and a port.
            case name(HostName, port: UInt16)

            /// The form that the file has, without its scheme.
            package var description: String {
                switch self {
                case .address(let address): address.description
                case .name(let name, let port): "\(name):\(port)"
                }
            }
        }

        /// TLS towards the upstream.
        package struct TLS: Sendable, Equatable {
            /// Whom the upstream's certificate must come from.
            package enum Authorities: Sendable, Equatable {
                case system
                case file(FileReference)
            }

            /// Nil only where ``verifies`` is false.
            package var authorities: Authorities?
            /// What its certificate must carry, and SNI unless it is an address.
            ///
            /// Empty only over a UNIX socket that is not verified.
            package var serverName: String
            /// Whether ``serverName`` is an IP address: verified as one, not sent as SNI.
            package var serverNameIsAddress: Bool
            /// Whether the certificate of the upstream is verified; a warning stands where not.
            package var verifies: Bool
            /// Our own certificate towards the upstream.
            package var certificate: CertificateFiles?
        }

        /// Where it is.
        package var target: Target
        /// Nil: the bytes go as they are.
        package var tls: TLS?
        /// The PROXY header that is written first.
        package var proxyHeader: ProxyHeaderVersion
        /// How much it gets beside the others, 1 to 256.
        package var weight: Int
        /// Whether it is used only while no other address is healthy.
        package var isBackup: Bool
        /// Where it stands.
        package var place: SourcePlace
    }
}

extension Configuration {
    /// Deadlines; what each means stands at ``Limits``.
    package struct TimeoutSettings: Sendable, Equatable {
        /// From accept to the first byte; no longer than ``hello``.
        package var firstByte: Duration
        /// From accept to the whole hello.
        package var hello: Duration
        /// From the hello to the end of the handshake.
        package var handshake: Duration
        /// For each address of an upstream.
        package var connect: Duration
        /// Without a byte in either direction, while relaying.
        package var idle: Duration
        /// With one side closed and no byte from the other.
        package var halfClosed: Duration
        /// From SIGTERM to the end of what is open; may be zero.
        package var drain: Duration
        /// From the hand-over to a newer process to the end of what is open here; may be zero.
        package var upgrade: Duration
    }

    /// Bounds of the whole process.
    package struct LimitSettings: Sendable, Equatable {
        /// Nil: as many as the descriptors allow.
        package var connections: Int?
        /// Per worker.
        package var unroutedConnections: Int
    }

    /// Settings of every TCP socket.
    package struct TCPSettings: Sendable, Equatable {
        /// Silence before the first probe.
        package var keepaliveIdle: Duration
        /// How long sent bytes may stay unacknowledged.
        package var userTimeout: Duration
    }

    /// Access records.
    package struct AccessSettings: Sendable, Equatable {
        /// Where records are written.
        package enum Destination: Sendable, Equatable {
            case standardOutput, standardError, off
            /// Appended to; absolute.
            case file(String)
        }

        /// Where records are written.
        package var destination: Destination
        /// Ended connections that each worker remembers.
        package var recent: Int
        /// Where it stands.
        package var place: SourcePlace
    }

    /// Metrics.
    package struct MetricsSettings: Sendable, Equatable {
        /// Tenants with series of their own; the others share one.
        package var tenants: Int
    }

    /// TLS of all listeners.
    package struct TLSSettings: Sendable, Equatable {
        /// How long a ticket is good, and a ticket key in use.
        package var ticketLifetime: Duration
    }

    /// The log of the process, on standard error.
    package struct LogSettings: Sendable, Equatable {
        /// How much is logged, in the words of swift-log.
        package enum Level: String, Sendable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }

        /// How a line looks.
        package enum Format: String, Sendable, CaseIterable {
            case text, json
        }

        /// How much is logged.
        package var level: Level
        /// How a line looks.
        package var format: Format
    }
}
