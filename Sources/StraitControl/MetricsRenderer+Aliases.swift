// The metric of who still uses names that tenants had.

internal import StraitSnapshot

extension MetricsRenderer {
    private struct AliasSeries: Hashable {
        var tenant: String
        var name: String
    }

    func addAliases(_ text: inout PrometheusText) {
        guard !self.directory.aliases.isEmpty else { return }
        text.family(
            "strait_name_alias_connections_total", .counter,
            "Connections that came by a name that a tenant had.")
        let series = Self.summed(
            self.directory.aliases.map {
                (AliasSeries(tenant: $0.tenant, name: $0.name), $0.usage.connections)
            })
        for (labels, count) in series.sorted(by: {
            ($0.key.tenant, $0.key.name) < ($1.key.tenant, $1.key.name)
        }) {
            text.sample(["tenant": labels.tenant, "name": labels.name], count)
        }
    }
}
