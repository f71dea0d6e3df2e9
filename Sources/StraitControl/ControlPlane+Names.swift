// Names of upstreams that lead elsewhere: the same configuration, compiled anew.

internal import Logging
internal import StraitConfig
internal import StraitCore

extension ControlPlane {
    /// Carries every change of what names lead to across, until cancelled or stopped.
    func followNames() async {
        for await _ in self.names.changes.stream {
            await self.inTurn { await $0.applyNames() }
        }
    }

    /// Makes what names lead to now live; connections that are open stay as they are.
    private func applyNames() async {
        guard self.stage == .serving, let live = self.live else { return }
        let wanted = live.configuration.upstreamNames
        guard self.names.addresses.filter({ wanted.contains($0.key) }) != live.addresses else {
            return
        }
        do throws(ChangeRefused) {
            let verdict = try await self.apply(live.configuration, trigger: "names")
            self.logger.info("\(verdict.text)", metadata: ["trigger": "names"])
        } catch {
            guard case .configuration = error else { return }
            // A file has gone bad since, which the watch has told: what names lead to waits for it.
            self.logger.warning("upstream names: the named files cannot be compiled now")
        }
    }
}

extension Configuration {
    /// Every name that an upstream is looked up by.
    var upstreamNames: Set<HostName> { Set(self.tenants.flatMap(\.upstreamNames)) }
}

extension Configuration.Tenant {
    /// The names that upstreams are looked up by.
    var upstreamNames: [HostName] {
        self.services.flatMap(\.upstreams).compactMap { upstream in
            if case .name(let name, _) = upstream.target { name } else { nil }
        }
    }
}
