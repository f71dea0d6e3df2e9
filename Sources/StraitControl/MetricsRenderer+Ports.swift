// Metrics of leased ports.

extension MetricsRenderer {
    func addPorts(_ text: inout PrometheusText) {
        guard let ports = self.control.ports else { return }
        let region: PrometheusText.Labels = ["region": ports.region]
        text.family("strait_ports_leased", .gauge, "Ports that tenants have.")
        text.sample(region, UInt64(ports.leased))
        text.family("strait_ports_free", .gauge, "Ports that any tenant could get.")
        text.sample(region, UInt64(ports.free))
        text.family(
            "strait_ports_quarantined", .gauge, "Ports that were given back a short while ago.")
        text.sample(region, UInt64(ports.quarantined))
        text.family("strait_ports_steered", .gauge, "Whether one listener does for all ports.")
        text.sample(region, ports.isSteered ? 1 : 0)
        text.family("strait_ports_closed", .gauge, "Leased ports that could not be opened.")
        text.sample(region, UInt64(ports.closed))
        text.family(
            "strait_ports_waiting_tenants", .gauge,
            "Tenants that do not get the ports that they want.")
        text.sample(region, UInt64(ports.waiting))
    }
}
