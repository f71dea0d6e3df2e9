// Which tenants use the most, of all that there are: not by the metrics, which fold most tenants
// into one series, but by what each tenant's own counters say. Their order by rates needs a look
// at all of them twice, so the router looks; else a tenant that was busy last week would hide the
// one that is now.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot

extension ControlPlane {
    /// Looks at every tenant, waits where rates are asked for, looks again, and tells the first.
    ///
    /// Off the actor but for the questions to the workers: 100,000 tenants take some milliseconds.
    ///
    /// - Throws: `CancellationError` where nobody waits for it any more, ``RegistryRefusal`` where
    ///   there is no such tenant.
    @concurrent nonisolated package func top(_ question: TopQuestion) async throws -> TopAnswer {
        guard let snapshot = await self.countedSnapshot() else {
            return Self.answer(question, [], [], [], seconds: 0)
        }
        let tenants = Self.tenants(of: snapshot, question.tenant)
        if let only = question.tenant, tenants.isEmpty {
            guard self.registry != nil else { throw RegistryRefusal.notFound(only) }
            try await self.checkThere(only)
        }
        let first = tenants.map(\.usage.reading)
        guard question.seconds > 0 else {
            return Self.answer(question, tenants, first, nil, seconds: 0)
        }
        let begin = monotonicNow()
        try await Task.sleep(for: .seconds(question.seconds))
        _ = await self.countedSnapshot()
        let seconds = Double(monotonicNow().nanoseconds(since: begin) / 1_000_000) / 1000
        return Self.answer(
            question, tenants, tenants.map(\.usage.reading), first, seconds: seconds)
    }

    /// What is live, once the workers have counted what open connections have moved.
    private func countedSnapshot() async -> Snapshot? {
        _ = await self.workerMetrics()
        return self.live?.snapshot
    }

    private nonisolated static func tenants(
        of snapshot: Snapshot, _ only: String?
    ) -> [TenantPlan] {
        guard let only else { return snapshot.tenants.elements }
        return snapshot.routes.tenantNumber(named: only).map { [snapshot.tenants[$0]] } ?? []
    }

    private nonisolated static func answer(
        _ question: TopQuestion, _ tenants: [TenantPlan], _ now: [TenantReading],
        _ before: [TenantReading]?, seconds: Double
    ) -> TopAnswer {
        var ranking = TopRanking(question.order, limit: question.limit)
        for (index, tenant) in tenants.enumerated() {
            ranking.add(
                TopAnswer.Tenant(
                    tenant.name, now[index], before: before?[index], seconds: seconds))
        }
        return TopAnswer(
            time: Timestamp(nanoseconds: wallClockNanoseconds()).description, seconds: seconds,
            sort: question.order.rawValue, tenantsTotal: tenants.count, tenants: ranking.finish())
    }
}
