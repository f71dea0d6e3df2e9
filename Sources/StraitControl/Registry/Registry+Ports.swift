// A tenant's rows and those of its ports, in one commit.

internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitStore

extension Registry {
    /// How often a commit is tried that loses a race over a port: each time another router has got
    /// one.
    private static let portAttempts = 5

    /// Commits with what gives a tenant the ports of `wish`, or takes all where there is none.
    ///
    /// - Parameters:
    ///   - writes: The tenant's own.
    ///   - conditions: Of these.
    ///   - tenant: Its name.
    ///   - wish: What it wants from now on.
    /// - Returns: The revision that has it.
    /// - Throws: ``StoreError``, or ``PortRefusal``.
    func commit(
        _ writes: [StoreWrite], if conditions: [StoreCondition], portsOf tenant: String,
        _ wish: PortWish?
    ) async throws -> UInt64 {
        guard let ports = self.ports else {
            return try await self.store.commit(writes, if: conditions)
        }
        var attempts = Self.portAttempts
        while true {
            let now = wallClockNanoseconds() / 1_000_000_000
            let change = try ports.plan(tenant, wish, now: now)
            do throws(StoreError) {
                let revision = try await self.store.commit(
                    writes + change.writes, if: conditions + change.conditions)
                ports.settle(change, revision: revision)
                return revision
            } catch {
                await ports.undo(change, self.store)
                attempts -= 1
                guard attempts > 0, case .conflict(let key, _) = error,
                    RegistryKey.port(of: key, ports.region) != nil
                else { throw error }
            }
        }
    }

    /// Gives tenants the ports that they want and have not: those that came before there were
    /// ranges, by another region's router, or as a row.
    ///
    /// - Parameter tenants: As they are compiled.
    /// - Returns: Why some do not get them, by tenant.
    /// - Throws: ``StoreError`` where the registry cannot be written.
    func leasePorts(
        of tenants: [Configuration.Tenant]
    ) async throws(StoreError) -> [String: PortRefusal] {
        guard let ports = self.ports else { return [:] }
        var refused: [String: PortRefusal] = [:]
        for tenant in tenants {
            let wish = ports.wish(of: tenant)
            let key = try RegistryKey.document(tenant.name)
            guard !ports.fulfils(wish) else { continue }
            do {
                // Gone meanwhile: it wants none.
                _ = try await self.commit([], if: [.present(key)], portsOf: tenant.name, wish)
            } catch let refusal as PortRefusal {
                refused[tenant.name] = refusal
            } catch StoreError.conflict(key, _) {
                continue
            } catch let error as StoreError {
                throw error
            } catch {
                throw .unavailable("\(error)")
            }
        }
        return refused
    }
}

extension RegistryRefusal {
    /// Why a tenant does not get its ports; empty where it is about something else.
    package var portText: String {
        if case .port(let refusal) = self { refusal.description } else { "" }
    }

    /// Whether ports are asked for that there never are, whatever others have.
    package var asksForTooMuch: Bool {
        if case .port(let refusal) = self { refusal.isOfTheDocument } else { false }
    }
}
