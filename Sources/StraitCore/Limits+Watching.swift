// Bounds of those who look on while the router works: `strait watch` and `strait top`.

extension Limits {
    /// How long the addresses of a router that is away are told: who lets addresses pass does not
    /// change a firewall because of an hour.
    package static let routerAddressesKeptSeconds: UInt64 = 86_400
    /// Watches of the registry that are open at once: each holds a connection of
    /// ``adminConnectionsMax``.
    ///
    /// Beyond: 503.
    package static let watchersMax = 16
    /// Commits that a watch reads at a time; none is kept for it beside these.
    ///
    /// Beyond: the next time.
    package static let watchCommitsMax = 16
    /// How long a watch is silent at most: then it tells that somebody is there.
    package static let watchKeepAlive = Duration.seconds(15)
    /// One line of a watch, as the command line reads it.
    ///
    /// Beyond: it is no watch.
    package static let watchLineBytesMax = 64 * 1024
    /// Readings of all tenants that are under way at once, for `strait top`: each keeps one while
    /// it waits for the other, 64 bytes a tenant.
    ///
    /// Beyond: 503.
    package static let topReadingsMax = 4
    /// Tenants in one answer of `strait top`.
    ///
    /// Beyond: 400.
    package static let topTenantsMax = 1000
    /// Seconds that a reading of tenants may last; less than ``adminAnswerTimeout``.
    ///
    /// Beyond: 400.
    package static let topSecondsMax = 30
}

// MARK: Metrics

extension Limits {
    /// Services, and as many addresses of upstreams, that have had series of metrics since the
    /// start.
    ///
    /// Beyond: those that come count as `other`.
    package static let metricsSlotsMax = 131_072
    /// Of those, what one tenant may use up by changing its services again and again.
    ///
    /// Beyond: those that come count as `other`.
    package static let metricsSlotsOfTenantMax = 8192
}
