// Every host name with its tenant, what it is there, and who uses it.

internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitStore

/// A host name or wildcard.
package struct NameListing: Codable, Hashable, Sendable {
    /// The name, with its `*.` where it is a wildcard.
    package var name: String
    /// Whose it is.
    package var tenant: String
    /// `primary`, `domain`, `alias`, `host`, `wildcard`; `unknown` where the document is wrong.
    package var kind: String
    /// Where it leads; nil where services lie beneath it.
    package var service: String?
    /// The revision of the registry that has it since.
    package var sinceRevision: UInt64?
    /// When an alias ends, RFC 3339; nil: it stays.
    package var until: String?
    /// Connections that came by an alias since this process knows it.
    package var connections: UInt64?
    /// When the last of them came, RFC 3339.
    package var lastUse: String?

    init(_ name: String, _ tenant: String, _ kind: String, service: String? = nil) {
        self.name = name
        self.tenant = tenant
        self.kind = kind
        self.service = service
    }
}

/// A part of the list of names.
package struct NamesAnswer: Codable, Hashable, Sendable {
    /// In the order of their bytes.
    package var names: [NameListing]
    /// The last of them, where there are more behind it.
    package var next: String?
}

extension ControlPlane {
    /// Names behind `after`, at most `limit` of them.
    package func nameListings(
        after: String?, limit: Int, of tenant: String?
    ) async throws(RegistryRefusal) -> NamesAnswer {
        guard let registry = self.registry else {
            let tenants = (self.live?.configuration.tenants ?? []).filter {
                tenant == nil || $0.name == tenant
            }
            if let tenant, tenants.isEmpty { throw .notFound(tenant) }
            return Self.part(tenants.flatMap { self.listings(of: $0) }, after, limit)
        }
        let found: RegisteredTenant
        do throws(StoreError) {
            guard let tenant else {
                return try await self.nameListings(after: after, limit: limit, of: registry)
            }
            found = try await registry.tenant(tenant)
            guard found.document == nil else {
                return Self.part(try await self.listings(of: found, registry), after, limit)
            }
        } catch {
            throw .store(error)
        }
        throw await registry.missing(found.name)
    }

    private static func part(
        _ names: [NameListing], _ after: String?, _ limit: Int
    ) -> NamesAnswer {
        let left = names.sorted { $0.name < $1.name }.filter { $0.name > after ?? "" }
        let part = Array(left.prefix(limit))
        return NamesAnswer(names: part, next: part.count < left.count ? part.last?.name : nil)
    }

    private func nameListings(
        after: String?, limit: Int, of registry: Registry
    ) async throws(StoreError) -> NamesAnswer {
        let page = try await registry.store.page(
            prefix: RegistryKey.names,
            after: try after.map { name throws(StoreError) in try RegistryKey.name(name) },
            limit: limit)
        var known: [String: [NameListing]] = [:]
        var names: [NameListing] = []
        for row in page.rows {
            let name = String(row.key.description.dropFirst(RegistryKey.names.count))
            let tenant = String(decoding: row.value, as: UTF8.self)
            if known[tenant] == nil {
                known[tenant] = self.listings(of: try await registry.tenant(tenant))
            }
            var listing =
                known[tenant]?.first { $0.name == name } ?? NameListing(name, tenant, "unknown")
            listing.sinceRevision = row.created
            names.append(listing)
        }
        return NamesAnswer(names: names, next: page.hasMore ? names.last?.name : nil)
    }

    /// Names of a tenant, each with the revision that has it since.
    private func listings(
        of tenant: RegisteredTenant, _ registry: Registry
    ) async throws(StoreError) -> [NameListing] {
        var names = self.listings(of: tenant)
        for index in names.indices {
            let row = try await registry.store.row(try RegistryKey.name(names[index].name))
            names[index].sinceRevision = row?.created
        }
        return names
    }

    private func listings(of tenant: RegisteredTenant) -> [NameListing] {
        guard let process = self.live?.configuration else { return [] }
        return tenant.read(process: process).tenant.map { self.listings(of: $0) } ?? []
    }

    private func listings(of tenant: Configuration.Tenant) -> [NameListing] {
        var names: [NameListing] = []
        for (index, domain) in tenant.domains.enumerated() {
            let kind = index == 0 ? "primary" : "domain"
            names.append(NameListing("\(domain.value)", tenant.name, kind))
        }
        let facts = (self.live?.tables.routes.tenantNumber(named: tenant.name))
            .flatMap { self.live?.tables.facts.element($0) }
        for alias in tenant.aliases {
            var listing = NameListing("\(alias.name.value)", tenant.name, "alias")
            listing.until = alias.until.map {
                Timestamp(seconds: Int64(clamping: $0)).description
            }
            let usage = facts?.aliases.first { $0.name == alias.name.value }?.usage
            listing.connections = usage?.connections
            listing.lastUse = usage?.lastUse.map { last in
                let ago = monotonicNow().nanoseconds(since: last)
                return Timestamp(nanoseconds: wallClockNanoseconds() - ago).description
            }
            names.append(listing)
        }
        for service in tenant.services {
            for host in service.hosts {
                names.append(
                    NameListing(
                        "\(host.value)", tenant.name, host.value.isWildcard ? "wildcard" : "host",
                        service: service.name))
            }
        }
        return names
    }
}
