// A name that a tenant had and that leads to it for a while; and who still uses it.

package import StraitCore
internal import Synchronization

/// An alias of a tenant.
package struct AliasPlan: Sendable {
    /// The name; names of services lie beneath it.
    package let name: HostName
    /// Goes on over revisions.
    package let usage: AliasUsage

    /// See the properties.
    package init(name: HostName, usage: AliasUsage) {
        self.name = name
        self.usage = usage
    }

    /// Whether `other` is the alias, or lies beneath it.
    package func covers(_ other: HostName) -> Bool {
        let bytes = other.bytes
        let ending = self.name.bytes
        guard bytes.count >= ending.count, bytes.suffix(ending.count).elementsEqual(ending) else {
            return false
        }
        return bytes.count == ending.count
            || bytes[bytes.count - ending.count - 1] == UInt8(ascii: ".")
    }
}

/// How much an alias is used, over all workers and revisions.
package final class AliasUsage: Sendable {
    private let count = Atomic<UInt64>(0)
    /// On the monotonic clock; 0: never.
    private let last = Atomic<UInt64>(0)

    /// Nobody has used it.
    package init() {}

    /// A connection came by the alias.
    package func used(at now: Instant) {
        self.count.add(1, ordering: .relaxed)
        self.last.store(now.nanoseconds, ordering: .relaxed)
    }

    /// Connections that came by it since this process knows it.
    package var connections: UInt64 { self.count.load(ordering: .relaxed) }

    /// When the last of them came; nil: none has.
    package var lastUse: Instant? {
        let nanoseconds = self.last.load(ordering: .relaxed)
        return nanoseconds == 0 ? nil : Instant(nanoseconds: nanoseconds)
    }
}

extension TenantPlan {
    /// Counts a connection that came by an alias, if it did.
    ///
    /// - Returns: Whether it did.
    package func countAlias(_ name: HostName?, at now: Instant) -> Bool {
        guard !self.aliases.isEmpty, let name,
            let alias = self.aliases.first(where: { $0.covers(name) })
        else { return false }
        alias.usage.used(at: now)
        return true
    }
}
