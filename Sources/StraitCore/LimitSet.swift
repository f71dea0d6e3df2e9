// What a tenant may use, or each of its sources.

/// Bounds of one kind of thing: of a tenant, or of each of its sources.
package struct LimitSet: Hashable, Sendable {
    /// Connections that may be open at once; 0: no limit.
    package var connections = 0
    /// Connections that may begin.
    package var newConnections = RateLimit.none
    /// Handshakes with downstreams that may begin; each costs the router a signature.
    package var handshakes = RateLimit.none
    /// Bytes from downstreams.
    package var bytesIn = RateLimit.none
    /// Bytes to downstreams.
    package var bytesOut = RateLimit.none

    /// Without a limit.
    package init() {}

    /// Whether bytes are limited either way.
    package var limitsBytes: Bool { self.bytesIn.isSet || self.bytesOut.isSet }
}
