// How long relays waited for limits of bytes.

internal import StraitEngine

extension MetricsRenderer {
    private struct DelaySeries: Hashable {
        var tenant: String
        var limit: String
    }

    /// By tenant and limit, shown for tenants that have waited.
    func addLimitDelays(_ text: inout PrometheusText) {
        let shown = Set(self.shownSlots())
        let pairs = self.workers.flatMap { $0.limitDelays.map { ($0.key, $0.value) } }
            .filter { shown.contains($0.0.slot) }
            .map { key, nanoseconds in
                (
                    DelaySeries(
                        tenant: self.directory.labels(ofSlot: key.slot).tenant,
                        limit: key.limit), nanoseconds
                )
            }
        text.family(
            "strait_limit_delay_seconds_total", .counter,
            "How long relays waited until a limit of bytes let them read.")
        for (key, nanoseconds) in Self.summed(pairs).sorted(by: {
            ($0.key.tenant, $0.key.limit) < ($1.key.tenant, $1.key.limit)
        }) {
            text.sample(["tenant": key.tenant, "limit": key.limit], seconds: nanoseconds)
        }
    }
}

extension WorkerMetrics.DelayKey {
    fileprivate var limit: String {
        (self.isOfSource ? "source_" : "") + (self.isUp ? "bytes_in" : "bytes_out")
    }
}
