// Names of services, `SERVICE.DOMAIN`, have no rows: they follow from documents. So that of two
// tenants that ask at once not both get one, commits depend on what would be in the way.

internal import StraitConfig
internal import StraitCore
internal import StraitStore

extension Registry {
    /// Conditions of one commit for this at most, fewer where others need the room; what is beyond
    /// is seen when the change is compiled, and the tenant refused then.
    private static let nameConditionsMax = 16

    /// How many conditions `coming` names, `others`, the document and ports leave.
    private static func room(_ coming: Int, _ others: Int) -> Int {
        let rest = Limits.storeWritesMax - coming - others - 1 - Limits.portsPerTenantMax
        return max(0, min(self.nameConditionsMax, rest))
    }

    /// What must still be true of other tenants when a tenant gets its names.
    ///
    /// - Parameters:
    ///   - tenant: As it will be.
    ///   - before: As it is.
    ///   - coming: Names of rows that it gets.
    ///   - others: How many conditions the commit has besides.
    ///   - process: The configuration of this router.
    /// - Returns: That nobody has the new names of its services as own names; and of who owns what
    ///   a new name lies beneath, that the services are as they are.
    /// - Throws: ``RegistryRefusal/nameTaken(_:by:)`` where one of those has the name.
    func conditions(
        onNamesOf tenant: Configuration.Tenant, before: Configuration.Tenant?,
        coming: Set<String>, besides others: Int, _ process: Configuration
    ) async throws(RegistryRefusal) -> [StoreCondition] {
        var conditions: [StoreCondition] = []
        let room = Self.room(coming.count, others)
        let own = tenant.claimedNames.union(before?.claimedNames ?? [])
        do {
            let services = tenant.serviceNames.subtracting(before?.serviceNames ?? [])
            for name in services.subtracting(own).sorted() {
                conditions.append(.absent(try RegistryKey.name(name)))
            }
            for name in coming.sorted() where conditions.count < room {
                guard let dot = name.firstIndex(of: "."), !name.hasPrefix("*") else { continue }
                let parent = String(name[name.index(after: dot)...])
                guard !own.contains(parent) else { continue }
                let key = try RegistryKey.name(parent)
                guard let row = try await self.store.row(key) else {
                    conditions.append(.absent(key))
                    continue
                }
                let owner = try await self.tenant(String(decoding: row.value, as: UTF8.self))
                guard let document = owner.document else { continue }
                if owner.read(process: process).tenant?.serviceNames.contains(name) == true {
                    throw RegistryRefusal.nameTaken(name, by: owner.name)
                }
                conditions.append(.unchanged(document.key, since: document.changed))
            }
        } catch let refusal as RegistryRefusal {
            throw refusal
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.unavailable("\(error)"))
        }
        return Array(conditions.prefix(room))
    }
}

extension Configuration.Tenant {
    /// `SERVICE.DOMAIN`, for each of both.
    fileprivate var serviceNames: Set<String> {
        Set(
            self.services.flatMap { service in
                self.domains.compactMap { HostName("\(service.name).\($0.value)")?.description }
            })
    }
}
