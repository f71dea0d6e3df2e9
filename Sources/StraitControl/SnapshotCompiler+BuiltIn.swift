// What tenants' own names lead to over HTTPS.

internal import StraitConfig
internal import StraitCore
internal import StraitSnapshot

extension SnapshotCompiler {
    /// The target of `/webapi`; nil where it is switched off, or nobody answers.
    mutating func builtIn(_ configuration: Configuration) -> BuiltInPlan? {
        guard configuration.webAPI.isEnabled, let address = self.webAPI else { return nil }
        let slots = self.series.builtInSlots(
            UpstreamLabels(
                tenant: MetricsSeries.foldedName, service: BuiltInPlan.name, address: "built in"))
        return BuiltInPlan(
            address: address, metricsSlot: slots.service, upstreamSlot: slots.upstream)
    }
}
