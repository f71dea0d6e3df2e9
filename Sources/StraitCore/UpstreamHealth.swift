// How an address of a service stands: the words of logs, metrics and the status.

/// How an address stands with the router.
package enum UpstreamHealth: String, Hashable, Sendable, CaseIterable {
    /// It gets connections, by its weight and its load.
    case up
    /// It was down or ejected, and gets a share that grows.
    case returning
    /// Its checks fail: it gets connections only while no address of the service is healthy.
    case down
    /// Connects to it failed in a row: as ``down``, until its time has passed.
    case ejected

    /// The share of its weight that counts when an address is up.
    package static let wholeShare: UInt32 = 256

    /// Whether it gets connections while others do.
    package var isHealthy: Bool {
        switch self {
        case .up, .returning: true
        case .down, .ejected: false
        }
    }
}
