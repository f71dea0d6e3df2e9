// Chains of downstreams that a context has verified before. Whoever comes back with the very same
// bytes is spared the building of the chain and the authority's signature. That the peer holds the
// key of its certificate is proved each time by TLS.

/// Chains that one context (one set of authorities) has verified, by the digest of their bytes.
///
/// Only success is remembered, with the time during which every certificate of the chain is valid:
/// outside of it the chain is unknown, and the full verification tells why it fails.
package struct VerifiedChains: Sendable {
    /// How many chains are remembered.
    ///
    /// Beyond: all are forgotten, which costs a verification each.
    package static let countMax = 256

    /// The validity that a chain's certificates share, both ends within, in seconds since 1970.
    package struct Validity: Equatable, Sendable {
        /// The first second of it.
        package var notBefore: Int64
        /// The last second of it.
        package var notAfter: Int64

        /// From and to these seconds.
        package init(notBefore: Int64, notAfter: Int64) {
            self.notBefore = notBefore
            self.notAfter = notAfter
        }
    }

    private var chains: [[UInt8]: Validity] = [:]

    /// Knows no chain.
    package init() {}

    /// How many are remembered now.
    package var count: Int { self.chains.count }

    /// Remembers a chain that has been verified.
    package mutating func insert(_ digest: [UInt8], _ validity: Validity) {
        if self.chains.count >= Self.countMax { self.chains.removeAll() }
        self.chains[digest] = validity
    }

    /// Whether the chain was verified and is valid at `now`, in seconds since 1970.
    package func contains(_ digest: [UInt8], at now: Int64) -> Bool {
        guard let validity = self.chains[digest] else { return false }
        return validity.notBefore <= now && now <= validity.notAfter
    }
}
