// A whole registry into this one, a part at a time, each until it is live.

internal import StraitConfig
internal import StraitCore
internal import StraitPosix

extension ControlPlane {
    /// Makes or changes a tenant with what is its own; what it has besides stays.
    ///
    /// - Parameters:
    ///   - name: The tenant's.
    ///   - json: As ``MovedTenant`` reads it.
    ///   - actor: Who asks, for the row of the change.
    ///   - manner: How far it goes before it is answered.
    /// - Returns: What it came to.
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func moveTenant(
        _ name: String, _ json: [UInt8], by actor: String, _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let moved: MovedTenant
        do { moved = try MovedTenant(json: json) } catch {
            throw .wrong([error.problem(of: name)])
        }
        return try await self.putTenant(
            name, moved.document, if: .none, by: actor, as: .operator, manner, with: moved)
    }

    /// Keeps ports for tenants that are to come.
    ///
    /// - Throws: ``RegistryRefusal`` where one is another tenant's; nothing was changed then.
    package func movePorts(
        _ ports: [MovedPort], by actor: String, _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, _) = try self.registryAndLive()
        let revision = try await registry.putPorts(
            ports, by: manner == .tried ? nil : actor, now: UInt64(clamping: wallClockSeconds()))
        return await self.written(revision, isNew: false, since: begin, manner)
    }

    /// Takes up another installation's authority, where nobody trusts the one that is here.
    ///
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func moveInstallation(
        _ installation: MovedInstallation, by actor: String, _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, _) = try self.registryAndLive()
        let revision = try await registry.putInstallation(
            installation, by: manner == .tried ? nil : actor)
        return await self.written(revision, isNew: false, since: begin, manner)
    }
}
