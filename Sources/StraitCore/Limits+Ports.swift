// Bounds of tenants' ports.

extension Limits {
    /// The name of what a port is for.
    ///
    /// Beyond: refused.
    package static let portKindBytesMax = 32
    /// Ports that a tenant has at a time.
    ///
    /// Beyond: refused.
    package static let portsPerTenantMax = 32
    /// Ports that a tenant keeps from others: its own, and those in quarantine that it had.
    ///
    /// Beyond: refused, or one could use a region's ports up by asking for one after the other.
    package static let portsKeptPerTenantMax = 128
    /// How long a port that was given back is for nobody else, where nobody says.
    package static let portQuarantine = Duration.seconds(24 * 3600)
    /// The shortest that may be said instead: longer than what is left of old connections
    /// (TIME_WAIT, 60 s).
    package static let portQuarantineMin = Duration.seconds(120)

    /// How often ports are tried again that a tenant was refused, or that could not be opened.
    package static let portRetry = Duration.seconds(10)
    /// Ports that could not be opened of which the status tells why; their number it tells of all.
    package static let closedPortsTold = 100
}
