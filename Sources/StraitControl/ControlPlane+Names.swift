// Names of upstreams that lead elsewhere: the same configuration, compiled anew.

internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitStore

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
        if let registry = self.registry {
            return await self.applyNames(of: registry, onto: live)
        }
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

    /// The same for tenants of a registry: those whose names lead elsewhere are compiled.
    private func applyNames(of registry: Registry, onto live: CompiledConfiguration) async {
        let addresses = self.names.addresses
        var moved: [String] = []
        live.tables.facts.visit { _, facts in
            let now = facts.upstreamNames.map { addresses[$0] ?? [] }
            if now != facts.upstreamAddresses { moved.append(facts.name) }
        }
        var tenants: [RegisteredTenant] = []
        for name in moved {
            do throws(StoreError) {
                // What is refused, or cannot be read, is as it was in the copy.
                let isRefused = self.registryFacts.refused[name] != nil
                let kept = isRefused ? self.registrySnapshot?.registry : nil
                tenants.append(try await (kept ?? registry).tenant(name))
            } catch {
                // Where the copy cannot be read either, nothing moves.
                guard let kept = try? await self.registrySnapshot?.registry.tenant(name) else {
                    self.logger.warning(
                        "tenant \(name): \(error.text); its names lead where they did")
                    continue
                }
                tenants.append(kept)
            }
        }
        tenants.removeAll { $0.document == nil }
        guard !tenants.isEmpty, self.stage == .serving else { return }
        let refused = self.registryFacts.refused
        await self.carry(tenants, onto: live, since: monotonicNow())
        self.registryFacts.refused.merge(refused) { first, _ in first }
        self.logger.info(
            "revision \(self.newestRevision): names of \(tenants.count) tenants lead elsewhere",
            metadata: ["trigger": "names"])
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
