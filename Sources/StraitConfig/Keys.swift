// The table of keys. What the reader accepts, what configs/reference.yaml says and what
// configs/schema.json checks all come from here.

internal import StraitCore

/// The keys of each mapping, in the order of the reference.
enum Keys {
    static let tenantsMax = 1_000_000
    static let servicesMax = 1000
    static let upstreamsMax = 64

    static let top: [Key] = [
        Key(
            "region", .name, default: "local",
            "Region of this router; records and PROXY TLVs carry it."),
        Key(
            "router", .name, default: "r-1",
            "Name of this router; unique among the routers of a region."),
        Key(
            "workers", .integer(1...Limits.workersMax), note: "one for each core", example: "4",
            "Threads that serve connections."),
        Key("admin", .section(admin), "Where operators ask for health, metrics and connections."),
        Key(
            "listeners", .sections(listener, 1...Limits.listenersMax), isRequired: true,
            "Where connections arrive."),
        Key(
            "tenants", .sections(tenant, 0...tenantsMax), note: "none",
            "Owners of names, services, certificates and limits."),
        Key(
            "registry", .section(registry),
            "Keeps the tenants instead of this file; they change while traffic flows."),
        Key("ports", .section(ports), "Ports of tenants' own, leased from these ranges."),
        Key("defaults", .section(defaults), "Services for protocols that carry no name."),
        Key("timeouts", .section(timeouts), "Deadlines; the first four end when relaying begins."),
        Key("limits", .section(limits), "Bounds of the whole process."),
        Key("tcp", .section(tcp), "Settings of every TCP socket, downstream and upstream."),
        Key(
            "source_addresses", .list(of: .address, 1...256), note: "the kernel chooses",
            example: "[10.0.3.2, 10.0.3.3]",
            "Addresses of this machine that upstreams are dialled from, in turn."),
        Key("access", .section(access), "One JSON record for each connection that ends."),
        Key("metrics", .section(metrics), "What is counted."),
        Key("webapi", .section(webAPI), "What tenants' own names answer over HTTPS: `/webapi`."),
        Key("tls", .section(tls), "TLS of all listeners; 1.2 and 1.3 are spoken."),
        Key("log", .section(log), "The log of the process, on standard error."),
    ]

    static let registry: [Key] = [
        Key(
            "path", .newFile, example: "/var/lib/strait/registry.db",
            "SQLite file with the tenants, made where it is not there; no `tenants` beside it."),
        Key(
            "snapshot", .newFile, note: "`path` with .snapshot behind it",
            example: "/var/cache/strait/registry.snapshot",
            "Copy of the last good state; the router starts from it while the registry is away."),
        Key(
            "key_file", .file, note: "a file beside the database, which is made",
            example: "/etc/strait/registry.key",
            "32 random bytes (base64) that seal private keys: openssl rand -base64 32, mode 600."),
        Key(
            "key_env", .variable, example: "STRAIT_REGISTRY_KEY",
            "Environment variable with that key, instead of a file."),
        Key(
            "old_key_file", .file, example: "/etc/strait/registry-old.key",
            "The key before it, until every private key is sealed with the new one."),
        Key(
            "old_key_env", .variable, example: "STRAIT_REGISTRY_OLD_KEY",
            "Environment variable with the key before it, instead of a file."),
    ]

    static let defaults: [Key] = [
        Key(
            "ssh", .serviceReference, example: "acme/bastion",
            "Gets SSH that comes without TLS on a listener without a tenant."),
        Key(
            "mysql", .serviceReference, example: "acme/shop",
            "Gets silent downstreams where `server_first: mysql` stands without a tenant."),
    ]

    static let timeouts: [Key] = [
        duration(
            "first_byte", Limits.firstByteTimeout, 100...60_000, "From accept to the first byte."),
        duration("hello", Limits.helloTimeout, 100...120_000, "From accept to the whole hello."),
        duration(
            "handshake", Limits.handshakeTimeout, 100...120_000,
            "From the hello to the end of the TLS handshake."),
        duration(
            "connect", Limits.connectTimeout, 10...120_000, "For each address of an upstream."),
        duration(
            "idle", Limits.idleTimeout, 1000...2_592_000_000,
            "Without a byte in either direction, while relaying."),
        duration(
            "half_closed", Limits.halfClosedTimeout, 1000...86_400_000,
            "With one side closed and no byte from the other."),
        duration(
            "drain", Limits.drainTimeout, 0...86_400_000,
            "From SIGTERM to the end of what is still open."),
        duration(
            "upgrade", Limits.upgradeDrainTimeout, 0...2_592_000_000,
            "From the hand-over to a newer process to the end of what is still open here."),
    ]

    static let limits: [Key] = [
        Key(
            "connections", .integer(1...10_000_000), note: "as many as the descriptors allow",
            example: "100000", "Connections of all kinds; beyond, new ones are refused."),
        Key(
            "unrouted_connections", .integer(16...1_000_000),
            default: "\(Limits.unroutedConnectionsMax)",
            "Connections per worker that are not routed yet; beyond, the oldest is closed."),
    ]

    static let tcp: [Key] = [
        duration(
            "keepalive_idle", Limits.keepaliveIdle, 1000...7_200_000,
            "Silence before the first keepalive probe."),
        duration(
            "user_timeout", Limits.userTimeout, 1000...3_600_000,
            "How long sent bytes may stay unacknowledged."),
    ]

    static let access: [Key] = [
        Key(
            "path", .fileOr(["stdout", "stderr", "off"]), default: "stdout",
            "Where records go; a file is appended to."),
        Key(
            "recent", .integer(0...65_536), default: "\(Limits.recentConnectionsMax)",
            "Ended connections per worker that `strait explain --connection` remembers."),
    ]

    static let metrics: [Key] = [
        Key(
            "tenants", .integer(0...10_000), default: "200",
            "Tenants with series of their own, in alphabetical order; others share `other`.")
    ]

    static let tls: [Key] = [
        duration(
            "ticket_lifetime", Limits.ticketLifetime, 60_000...604_800_000,
            "How long a ticket is good at most, and a ticket key in use (RFC 8446 allows 7 days).")
    ]

    static let log: [Key] = [
        Key(
            "level", .choice(Configuration.LogSettings.Level.allCases.map(\.rawValue)),
            default: "info", "How much is logged."),
        Key(
            "format", .choice(Configuration.LogSettings.Format.allCases.map(\.rawValue)),
            default: "text", "Lines for people, or one JSON object a line."),
    ]

    /// A key whose value is a duration; the range is in milliseconds.
    static func duration(
        _ name: String, _ value: Duration?, _ range: ClosedRange<Int64>, note: String? = nil,
        _ sentence: String
    ) -> Key {
        Key(
            name, .duration(.milliseconds(range.lowerBound)...(.milliseconds(range.upperBound))),
            default: value.map(DurationText.text), note: note, example: "10s", sentence)
    }
}

extension Keys {
    static let listener: [Key] = [
        Key("name", .name, isRequired: true, example: "public", "Unique among the listeners."),
        Key(
            "address", .listenerAddress, isRequired: true, example: "\"[::]:443\"",
            "IP:PORT or `unix:/path`; `[::]` takes IPv4 too, port 0 (loopback only) any free port."
        ),
        Key(
            "protocols", .protocols(Configuration.Listener.SharedProtocol.allCases.map(\.rawValue)),
            default: "[tls, ssh, http, postgres]",
            note: "raw with `service` and without `server_first`",
            "What the first bytes may be; `raw` gives every byte to `service`, unread."),
        Key(
            "proxy_protocol", .choice(["absent", "required"]), default: "absent",
            "Whether a PROXY header (v1 or v2) comes first; there is no lax mode."),
        Key(
            "trusted", .list(of: .block, 1...1000), example: "[10.0.0.0/8]",
            "Whose PROXY headers are believed; needed with `proxy_protocol: required`."),
        Key(
            "tenant", .name, example: "acme", "Only this tenant's names are known here."),
        Key(
            "service", .name, example: "bastion",
            "Service of `tenant` that gets what names nothing else."),
        Key(
            "server_first", .choice(["mysql", "ssh"]), example: "ssh",
            "Protocol whose server speaks first; a silent downstream gets its default service."),
        duration(
            "server_first_wait", Limits.serverFirstWait, 10...5000,
            "How long a silent downstream is waited for; behind a PROXY header, from its end on."),
        Key(
            "redirect_to_https", .flag, default: "false",
            "Answers plain HTTP with a redirect instead of 400; for port 80."),
        Key(
            "backlog", .integer(1...65_535), default: "\(Limits.listenBacklog)",
            "Connections that the kernel keeps for us; it cuts this to net.core.somaxconn."),
    ]

    static let tenant: [Key] = [
        Key("name", .name, isRequired: true, example: "acme", "Unique among the tenants."),
        Key(
            "domains", .list(of: .hostName, 0...1000), example: "[acme.example.com]",
            isShown: true,
            "The tenant's own names; its services are reached as SERVICE.DOMAIN."),
        Key(
            "certificates", .sections(certificate, 0...1000),
            "Shown by the names they carry: exact before wildcard; read again when they change."),
        Key(
            "client_ca", .list(of: .file, 1...64), example: "[acme-users.pem]",
            "PEM files of the authorities that this tenant's people are verified against."),
        Key(
            "aliases", .sections(alias, 0...aliasesMax),
            "Names that the tenant had, and that lead to it for a while, as its domains do."),
        Key("limits", .section(tenantLimits), "Bounds of this tenant, over all workers."),
        Key("services", .sections(service, 0...servicesMax), "What the tenant exposes."),
    ]

    static let certificate: [Key] = [
        Key(
            "chain", .file, isRequired: true, example: "acme.pem",
            "PEM: the certificate, then its intermediates."),
        Key("key", .file, isRequired: true, example: "acme.key", "PEM: its private key."),
    ]

    static let service: [Key] = [
        Key(
            "name", .name, isRequired: true, example: "bastion",
            "Unique in the tenant; the label before each of its domains."),
        Key(
            "protocol", .choice(ServiceProtocol.allCases.map(\.rawValue)), isRequired: true,
            example: "ssh", "What is spoken."),
        Key(
            "mode", .choice(ServiceMode.allCases.map(\.rawValue)), default: "passthrough",
            "`passthrough` relays TLS unopened; `terminate` ends it here."),
        Key(
            "hosts", .list(of: .hostPattern, 1...10_000),
            example: "[www.example.org, \"*.example.org\"]",
            "Names besides SERVICE.DOMAIN; `*.` stands for one label."),
        Key(
            "alpn", .list(of: .applicationProtocol, 1...16),
            note: "the protocol's own", example: "[strait-ssh]",
            "ALPN identifiers in our order of preference; mirrored to the upstream."),
        Key(
            "client_certificate", .choice(ClientCertificatePolicy.allCases.map(\.rawValue)),
            default: "none", "Whether a certificate of `client_ca` is asked for; needs `terminate`."
        ),
        Key(
            "default", .flag, default: "false",
            "Whether the tenant's own names lead here for this protocol."),
        duration(
            "connect_timeout", nil, 10...120_000, note: "timeouts.connect",
            "As timeouts.connect, for this service."),
        duration(
            "idle_timeout", nil, 1000...2_592_000_000,
            note: "timeouts.idle, for kubernetes at least 24h",
            "As timeouts.idle, for this service."),
        Key(
            "connect_attempts", .integer(1...upstreamsMax), default: "\(Limits.connectAttempts)",
            "Addresses that are tried for one connection, each another one."),
        Key("health", .section(health), "How its addresses are judged."),
        Key(
            "upstreams", .sections(upstream, 1...upstreamsMax), isRequired: true,
            "Where its connections go: of two picked by weight, to the one with fewer open."),
    ]

    static let health: [Key] = [
        Key(
            "check", .choice(Configuration.HealthSettings.Check.allCases.map(\.rawValue)),
            default: "off", "What each address is asked; without, only failed connects tell."),
        duration(
            "interval", Limits.healthInterval, 100...3_600_000,
            "From one check of an address to the next; a quarter of it while in doubt."),
        duration(
            "timeout", Limits.healthTimeout, 10...60_000, "From a check's start to its verdict."),
        Key(
            "rise", .integer(1...100), default: "\(Limits.healthRise)",
            "Checks in a row that must pass before an address comes back."),
        Key(
            "fall", .integer(1...100), default: "\(Limits.healthFall)",
            "Checks in a row that must fail before an address is down."),
        Key(
            "path", .requestPath, default: "/",
            "Path of the request with `http` and `https`; a status of 200 to 399 passes."),
        Key(
            "host", .serverName, note: "the service's first name", example: "www.example.org",
            "`Host` of the request, and SNI where the address is not `tls://`."),
        Key(
            "eject_after", .integer(0...1000), default: "\(Limits.ejectionFailures)",
            "Connects in a row that must fail before an address is ejected; 0: none is."),
        duration(
            "ejection", Limits.ejection, 100...3_600_000,
            "How long the first ejection lasts; each that follows twice as long."),
        duration("ejection_max", Limits.ejectionMax, 100...86_400_000, "No ejection lasts longer."),
        duration(
            "slow_start", Limits.slowStart, 0...3_600_000,
            "How long the share of an address that comes back grows."),
    ]

    static let upstream: [Key] = [
        Key(
            "address", .upstreamAddress, isRequired: true, example: "\"tcp://10.0.3.5:22\"",
            "`tcp://HOST:PORT`, `tls://HOST:PORT`, `unix:/path`, `tls+unix:/path`; HOST: IP, name."
        ),
        Key(
            "weight", .integer(1...256), default: "1",
            "How much it gets beside the others; twice the weight, twice the connections."),
        Key(
            "backup", .flag, default: "false",
            "Whether it is used only while no other address is healthy."),
        Key(
            "ca", .fileOr(["system"]), example: "upstream-ca.pem",
            "PEM of the authorities of its certificate, or `system`; needed with TLS."),
        Key(
            "server_name", .serverName, note: "the address", example: "db.internal",
            "SNI, and the name that its certificate must carry."),
        Key("certificate", .file, example: "router.pem", "PEM: our own certificate towards it."),
        Key("key", .file, example: "router.key", "PEM: the key of `certificate`."),
        Key(
            "proxy_protocol", .choice(ProxyHeaderVersion.allCases.map(\.rawValue)),
            default: "none", "PROXY header that is written first."),
        Key("verify", .flag, default: "true", "Whether its certificate is verified."),
    ]
}
