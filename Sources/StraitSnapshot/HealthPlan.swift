// How the addresses of a service are judged.

internal import StraitCore

/// What the addresses of a service are asked, how often, and what follows.
package struct HealthPlan: Hashable, Sendable {
    /// What is asked; each kind begins with the steps of a connection: PROXY header, Postgres'
    /// request for TLS, TLS.
    package enum Check: String, Hashable, Sendable, CaseIterable {
        /// Nothing; connects that fail are noticed all the same.
        case off
        /// A connection is taken.
        case tcp
        /// The upstream speaks first, as SSH and MySQL do.
        case greeting
        /// A Postgres server answers a request for TLS.
        case postgres
        /// A TLS handshake is completed.
        case tls
        /// A request is answered with a status from 200 to 399.
        case http
        /// The same, inside TLS.
        case https
    }

    /// What is asked.
    package var check: Check
    /// From one check of an address to the next, in nanoseconds.
    package var interval: UInt64
    /// From the start of a check to its verdict, in nanoseconds.
    package var timeout: UInt64
    /// Checks in a row that must pass before an address comes back.
    package var rise: Int
    /// Checks in a row that must fail before an address is down.
    package var fall: Int
    /// The path of a request.
    package var path: String
    /// `Host` of a request, and SNI where the address has no TLS settings; empty: the address.
    package var host: String
    /// Connects in a row that must fail before an address is ejected; 0: none is.
    package var ejectAfter: Int
    /// How long the first ejection lasts, in nanoseconds.
    package var ejection: UInt64
    /// No ejection lasts longer.
    package var ejectionMax: UInt64
    /// How long the share of an address that comes back grows, in nanoseconds.
    package var slowStart: UInt64

    /// That of services that say nothing about it.
    static let standard = HealthPlan()

    /// The defaults of ``Limits``: nothing is asked.
    package init() {
        self.check = .off
        self.interval = Limits.healthInterval.nanoseconds
        self.timeout = Limits.healthTimeout.nanoseconds
        self.rise = Limits.healthRise
        self.fall = Limits.healthFall
        self.path = "/"
        self.host = ""
        self.ejectAfter = Limits.ejectionFailures
        self.ejection = Limits.ejection.nanoseconds
        self.ejectionMax = Limits.ejectionMax.nanoseconds
        self.slowStart = Limits.slowStart.nanoseconds
    }
}
