// Which tenants use the most: two readings of what is counted, and what lies between them. Pure.

internal import StraitCore
package import StraitSnapshot

/// What tenants are ordered by.
package enum TopOrder: String, Hashable, Sendable, CaseIterable {
    /// Open connections.
    case connections
    /// Bytes each second, both ways.
    case bytes
    /// Refused connections each second.
    case refusals
    /// New connections each second.
    case new
}

/// What `/v1/top` is asked.
package struct TopQuestion: Hashable, Sendable {
    /// What comes first.
    package var order: TopOrder
    /// At most so many tenants.
    package var limit: Int
    /// How long to look; 0: only what was counted since the start, which is ordered by then.
    package var seconds: Int
    /// Only that one; nil: all.
    package var tenant: String?

    /// See the properties.
    package init(
        order: TopOrder = .connections, limit: Int = 20, seconds: Int = 0, tenant: String? = nil
    ) {
        self.order = order
        self.limit = limit
        self.seconds = seconds
        self.tenant = tenant
    }
}

/// The answer of `/v1/top`.
package struct TopAnswer: Codable, Hashable, Sendable {
    /// One tenant.
    ///
    /// Totals are since this process knows it; rates are over ``TopAnswer/seconds``.
    package struct Tenant: Codable, Hashable, Sendable {
        /// Its name.
        package var tenant: String
        /// Connections that are open.
        package var connections: Int
        /// Connections that were routed to it.
        package var connectionsTotal: UInt64
        /// Those of them that were refused.
        package var refusalsTotal: UInt64
        /// Bytes from its downstreams.
        package var bytesInTotal: UInt64
        /// Bytes to its downstreams.
        package var bytesOutTotal: UInt64
        /// New connections; nil where nobody looked twice, as with the others.
        package var newPerSecond: Double?
        /// Refused connections.
        package var refusalsPerSecond: Double?
        /// Bytes from its downstreams.
        package var bytesInPerSecond: Double?
        /// Bytes to its downstreams.
        package var bytesOutPerSecond: Double?

        /// A tenant at a reading.
        ///
        /// - Parameters:
        ///   - name: The tenant's.
        ///   - now: What was counted.
        ///   - before: What was counted `seconds` earlier; nil: nobody looked.
        ///   - seconds: More than 0 where there is a reading before.
        package init(
            _ name: String, _ now: TenantReading, before: TenantReading?, seconds: Double
        ) {
            self.tenant = name
            self.connections = now.open
            self.connectionsTotal = now.connections
            self.refusalsTotal = now.refusals
            self.bytesInTotal = now.bytesIn
            self.bytesOutTotal = now.bytesOut
            guard let before, seconds > 0 else { return }
            func rate(_ now: UInt64, _ before: UInt64) -> Double {
                // Three digits behind the point say enough.
                ((Double(now > before ? now - before : 0) / seconds) * 1000).rounded() / 1000
            }
            self.newPerSecond = rate(now.connections, before.connections)
            self.refusalsPerSecond = rate(now.refusals, before.refusals)
            self.bytesInPerSecond = rate(now.bytesIn, before.bytesIn)
            self.bytesOutPerSecond = rate(now.bytesOut, before.bytesOut)
        }

        /// What it is ordered by: the rate, or where there is none the total.
        fileprivate func weight(_ order: TopOrder) -> Double {
            switch order {
            case .connections: Double(self.connections)
            case .new: self.newPerSecond ?? Double(self.connectionsTotal)
            case .refusals: self.refusalsPerSecond ?? Double(self.refusalsTotal)
            case .bytes:
                self.bytesInPerSecond.flatMap { up in self.bytesOutPerSecond.map { up + $0 } }
                    ?? Double(self.bytesInTotal) + Double(self.bytesOutTotal)
            }
        }
    }

    /// When the last reading was taken, RFC 3339.
    package var time: String
    /// Between the two readings; 0 where there was one.
    package var seconds: Double
    /// `connections`, `bytes`, `refusals` or `new`.
    package var sort: String
    /// How many tenants there are.
    package var tenantsTotal: Int
    /// The first of them.
    package var tenants: [Tenant]

    /// See the properties.
    package init(
        time: String, seconds: Double, sort: String, tenantsTotal: Int, tenants: [Tenant]
    ) {
        self.time = time
        self.seconds = seconds
        self.sort = sort
        self.tenantsTotal = tenantsTotal
        self.tenants = tenants
    }
}

/// Keeps the first so many of any number of tenants.
package struct TopRanking: Sendable {
    private let order: TopOrder
    private let limit: Int
    private var kept: [(tenant: TopAnswer.Tenant, weight: Double)] = []

    /// None yet.
    package init(_ order: TopOrder, limit: Int) {
        self.order = order
        self.limit = max(limit, 1)
    }

    /// One more tenant.
    ///
    /// - Complexity: O(log *limit*) on average: twice as many as wanted are kept between sorts.
    package mutating func add(_ tenant: TopAnswer.Tenant) {
        self.kept.append((tenant, tenant.weight(self.order)))
        if self.kept.count >= 2 * self.limit { self.cut() }
    }

    /// Those that come first, by weight and then by name.
    package mutating func finish() -> [TopAnswer.Tenant] {
        self.cut()
        return self.kept.map(\.tenant)
    }

    private mutating func cut() {
        self.kept.sort { left, right in
            left.weight == right.weight
                ? left.tenant.tenant < right.tenant.tenant : left.weight > right.weight
        }
        if self.kept.count > self.limit { self.kept.removeLast(self.kept.count - self.limit) }
    }
}
