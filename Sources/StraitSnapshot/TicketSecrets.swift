// What session tickets are made with.

/// The secret of all ticket keys, and which keys are derived from it now.
///
/// A key belongs to one policy, which names its tenant: nobody's tickets are good elsewhere.
package struct TicketSecrets: Hashable, Sendable {
    /// 32 random bytes, the same in all processes of a router; empty: there are no tickets.
    package let root: [UInt8]
    /// Counts the times that keys were changed; the tickets of one change before are still good.
    package let epoch: UInt64

    /// See the properties.
    package init(root: [UInt8] = [], epoch: UInt64 = 0) {
        self.root = root
        self.epoch = epoch
    }
}
