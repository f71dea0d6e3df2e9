// Whom something is charged to that comes from an address: as many addresses as one host is given.

/// One IPv4 address, or one IPv6 /64 (RFC 4291 §2.5.1).
package struct SourcePrefix: Hashable, Sendable {
    /// The address that stands for all of the source; nil where there is none.
    package let address: IPAddress?

    /// - Parameter address: Who dialled; nil where that is not known (a UNIX socket): all of those
    ///   are one source.
    package init(_ address: IPAddress?) {
        self.address = address.map { $0.isIPv4 ? $0 : IPAddress(high: $0.high, low: 0) }
    }
}
