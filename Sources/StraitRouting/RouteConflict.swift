// Why rules cannot be compiled: every contradiction, each with both of its sides.

/// One contradiction in the rules.
package struct RouteConflict: Hashable, Sendable {
    /// What is contradicted.
    package enum Kind: Hashable, Sendable, CaseIterable {
        /// Two tenants of one name, or two services of one name in a tenant.
        case nameRepeated
        /// A host name that two claim.
        case hostRepeated
        /// A wildcard that two services claim.
        case wildcardRepeated
        /// A host or wildcard beneath the own name of another tenant.
        case hostOfAnotherTenant
        /// Two default services of one protocol in a tenant.
        case defaultRepeated
        /// A service whose name is no DNS label, or too long beneath a domain of its tenant.
        case serviceNameUnusable
        /// A service whose tenant does not exist.
        case tenantUnknown
    }

    /// One side, by its number; negative: what stands in the rules and got none.
    package enum Party: Hashable, Sendable {
        case tenant(Int)
        case service(Int)
    }

    /// What is contradicted.
    package let kind: Kind
    /// The side that came first in the rules.
    package let first: Party
    /// The side that contradicts it; nil where one side is wrong by itself.
    package let second: Party?
    /// What is wrong and what to do, for people; names both sides.
    package let sentence: String
}

/// All contradictions in a set of rules; never empty.
package struct RouteConflicts: Error, Hashable, Sendable {
    /// In the order of the rules.
    package let conflicts: [RouteConflict]
    /// What the rules would have got.
    package let numbers: RouteNumbers
}
