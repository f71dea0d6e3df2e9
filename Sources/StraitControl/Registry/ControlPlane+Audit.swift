// Audit rows that are too old, or too many, are forgotten: a few at a time, between the changes
// that are followed.

internal import Logging
internal import StraitCore
internal import StraitPosix
internal import StraitStore

extension ControlPlane {
    /// Forgets some of them, until no more are to go.
    ///
    /// Every router of the installation does so; what is gone already is no harm.
    func forgetAudits(_ registry: Registry) async throws(StoreError) {
        if self.registryFacts.audits == nil {
            self.registryFacts.audits = try await registry.auditCount()
        }
        let excess = max(0, (self.registryFacts.audits ?? 0) - Limits.auditEntriesMax)
        let now = wallClockNanoseconds()
        let gone = try await registry.forgetAudits(
            excess: excess, before: now - min(now, Limits.auditAge.nanoseconds))
        self.registryFacts.forgetsAudits = gone > 0
        guard excess > 0, !self.registryFacts.saidAuditsExcess else { return }
        self.registryFacts.saidAuditsExcess = true
        self.logger.notice(
            """
            registry: there are more than \(Limits.auditEntriesMax) audit rows; from now on the \
            oldest are forgotten before their time
            """)
    }
}

extension RegistryFacts {
    /// Counts the audit rows that came and went.
    mutating func countAudits(_ commits: [StoreCommit]) {
        guard var count = self.audits else { return }
        for change in commits.lazy.flatMap(\.changes)
        where change.key.description.hasPrefix(RegistryKey.audits) {
            count += change.value == nil ? -1 : 1
        }
        self.audits = max(0, count)
    }
}
