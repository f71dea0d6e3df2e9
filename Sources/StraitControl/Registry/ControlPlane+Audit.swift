// What the registry forgets, behind the changes: commits that everybody has followed, and audit
// rows that are too old, or too many.

internal import Logging
internal import StraitCore
internal import StraitPosix
internal import StraitStore

extension ControlPlane {
    /// Commits that are kept for those who follow.
    private static let commitsKept: UInt64 = 10_000

    /// Forgets what is not needed any more, each time a tenth of what is kept has come.
    ///
    /// Every router of the installation does so; what is gone already is no harm.
    func compact(_ registry: Registry) async throws(StoreError) {
        let revision = self.registryFacts.followed
        guard self.registryFacts.failure == nil, revision >= self.compactAfter else { return }
        while try await self.forgetAudits(registry) {
            // Who goes is counted when that is followed: until then nobody knows how many are left.
            let isFollowed = await self.waitUntilLive(
                try await registry.store.revision(), timeout: self.liveTimeout)
            guard isFollowed, !Task.isCancelled else { return }
        }
        self.compactAfter = revision + Self.commitsKept / 10
        guard revision > Self.commitsKept else { return }
        try await registry.store.compact(through: revision - Self.commitsKept)
    }

    /// Forgets some audit rows; false where none is to go.
    private func forgetAudits(_ registry: Registry) async throws(StoreError) -> Bool {
        if self.registryFacts.audits == nil {
            self.registryFacts.audits = try await registry.auditCount()
        }
        let excess = max(0, (self.registryFacts.audits ?? 0) - Limits.auditEntriesMax)
        let now = wallClockNanoseconds()
        let gone = try await registry.forgetAudits(
            excess: excess, before: now - min(now, Limits.auditAge.nanoseconds))
        guard excess > 0, !self.registryFacts.saidAuditsExcess else { return gone > 0 }
        self.registryFacts.saidAuditsExcess = true
        self.logger.notice(
            """
            registry: there are more than \(Limits.auditEntriesMax) audit rows; from now on the \
            oldest are forgotten before their time
            """)
        return gone > 0
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
