// The doors of the thread that judges upstreams: commands in, turns out.

package import StraitCore
internal import StraitSnapshot
internal import StraitState

/// What the judge of upstreams is told.
enum HealthCommand: Sendable {
    /// Judge the addresses of this snapshot from now on, and no others.
    case apply(Snapshot)
    /// Connects to this address have failed in a row, over all workers.
    case connectsFailed(UpstreamStanding, why: String)
    /// End the thread.
    case stop
}

/// An address of a service stands otherwise than before.
package struct HealthTurn: Sendable {
    /// The tenant's name.
    package var tenant: String
    /// The service's name.
    package var service: String
    /// Where it is dialled.
    package var address: SocketAddress
    /// How it stands now.
    package var health: UpstreamHealth
    /// What for, in a sentence without line breaks.
    package var why: String
    /// How many turns to this health were left out since the last one that was told.
    package var suppressed: UInt64
}

extension HealthRules {
    /// As the plan has them.
    init(_ plan: HealthPlan) {
        self.init(
            rise: plan.rise, fall: plan.fall, interval: plan.interval, ejection: plan.ejection,
            ejectionMax: plan.ejectionMax, slowStart: plan.slowStart)
    }
}
