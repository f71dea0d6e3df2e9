// Keys and values of the design that do nothing yet. They get an answer of their own, because an
// operator who wrote `pin: required` must not take silence for protection, nor "unknown key" for a
// misspelling.

/// What is planned, and not in this release.
enum Unavailable {
    /// What the key would do, as the subject of a sentence; nil when it is not planned.
    static func sentence(forKey key: String) -> String? { self.keys[key] }

    /// The same for a value.
    static func sentence(forValue value: String) -> String? { self.values[value] }

    static let keys: [String: String] = [
        "pin": "pinning certificates to addresses",
        "pins": "pinning certificates to addresses",
        "balance": "choosing how to balance (of two upstreams, the one with fewer open)",
        "auth": "the auth backend",
        "auth_backend": "the auth backend",
        "agents": "the tunnel of agents",
        "tunnel": "the tunnel of agents",
        "tunnels": "the tunnel of agents",
        "tokens": "the join token",
        "allow": "the allow list",
        "deny": "the deny list",
        "routers": "routing between routers",
        "peers": "routing between routers",
        "regions": "routing between regions",
        "home_region": "routing between regions",
        "store": "the store (this file is the only source)",
        "acme": "ordering certificates by ACME",
        "otlp": "exporting traces",
        "tracing": "exporting traces",
        "users": "the operator API",
        "api": "the operator API",
        "ciphers": "choosing cipher suites",
        "min_version": "choosing TLS versions",
    ]

    static let values: [String: String] = [
        "udp": "UDP", "quic": "QUIC", "h3": "HTTP/3", "redis": "the protocol redis",
        "rdp": "the protocol rdp", "mongodb": "the protocol mongodb",
    ]
}
