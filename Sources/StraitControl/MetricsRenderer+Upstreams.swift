// How the addresses of services stand, and what choosing among them has cost.

internal import StraitCore
internal import StraitEngine
internal import StraitSnapshot

extension MetricsRenderer {
    /// Addresses of tenants without series of their own share one.
    private struct Sums {
        var healthy = 0
        var all = 0
        var share: UInt64 = 0
        var account = UpstreamStanding.Account()

        mutating func add(_ upstream: ControlFacts.Upstream) {
            self.all += 1
            if upstream.account.health.isHealthy { self.healthy += 1 }
            self.share += UInt64(upstream.share)
            self.account.ejections &+= upstream.account.ejections
            self.account.checksPassed &+= upstream.account.checksPassed
            self.account.checksFailed &+= upstream.account.checksFailed
        }
    }

    func addHealth(_ text: inout PrometheusText) {
        var sums: [Int: Sums] = [:]
        for upstream in self.control.upstreams where upstream.isJudged {
            sums[upstream.slot, default: Sums()].add(upstream)
        }
        let rows = sums.sorted { $0.key < $1.key }.compactMap { slot, sum in
            self.directory.upstreams.indices.contains(slot)
                ? (self.directory.upstreams[slot], sum) : nil
        }
        text.family(
            "strait_upstream_healthy", .gauge,
            "Whether an address is up or returning; of folded ones, how many are.")
        for (labels, sum) in rows {
            text.sample(Self.labels(labels), sum.healthy)
        }
        text.family(
            "strait_upstream_share", .gauge,
            "What part of its weight counts: 1 when up, 0 when down or ejected.")
        for (labels, sum) in rows {
            let whole = Double(UpstreamHealth.wholeShare) * Double(max(sum.all, 1))
            text.sample(Self.labels(labels), fraction: Double(sum.share) / whole)
        }
        text.family(
            "strait_upstream_ejections_total", .counter,
            "Ejections of an address after connects that failed in a row.")
        for (labels, sum) in rows {
            text.sample(Self.labels(labels), sum.account.ejections)
        }
        text.family("strait_upstream_checks_total", .counter, "Checks of an address, by result.")
        for (labels, sum) in rows {
            for (result, count) in [
                ("passed", sum.account.checksPassed), ("failed", sum.account.checksFailed),
            ] {
                text.sample(
                    [
                        "tenant": labels.tenant, "service": labels.service,
                        "upstream": labels.address, "result": result,
                    ], count)
            }
        }
        self.addRetries(&text)
        self.addSources(&text)
    }

    /// Ports of sources: those in use by destination, and how many there are for each.
    private func addSources(_ text: inout PrometheusText) {
        text.family(
            "strait_upstream_source_ports_used", .gauge,
            "Open TCP sockets to an address: each has a port of a source.")
        for slot in self.directory.liveUpstreams.sorted()
        where self.directory.upstreams.indices.contains(slot) {
            text.sample(
                Self.labels(self.directory.upstreams[slot]),
                self.workers.reduce(0) { $0 + ($1.upstreamSockets[slot] ?? 0) })
        }
        text.family(
            "strait_upstream_source_ports_capacity", .gauge,
            "Ports that there are for each destination, over all sources of a family.")
        for (family, isIPv4) in [("ipv4", true), ("ipv6", false)] {
            let sources = self.control.sourceAddresses.count { $0.isIPv4 == isIPv4 }
            text.sample(["family": family], self.process.sourcePorts * max(sources, 1))
        }
        text.family(
            "strait_upstream_source_exhausted_total", .counter,
            "Connects that found no port left at a source, or no such source.")
        text.sample(self.workers.reduce(UInt64(0)) { $0 &+ $1.sourcesExhausted })
    }

    private func addRetries(_ text: inout PrometheusText) {
        text.family(
            "strait_upstream_retries_total", .counter,
            "Attempts at another address of a service after one had failed.")
        for slot in self.shownSlots() where slot > 0 {
            let labels = self.directory.labels(ofSlot: slot)
            text.sample(
                ["tenant": labels.tenant, "service": labels.service],
                self.workers.reduce(UInt64(0)) { $0 &+ ($1.connectRetries[slot] ?? 0) })
        }
    }

    private static func labels(_ labels: UpstreamLabels) -> PrometheusText.Labels {
        [
            "tenant": labels.tenant, "service": labels.service, "upstream": labels.address,
        ]
    }
}
