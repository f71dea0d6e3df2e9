// A whole registry out of its rows, and into those of another.

internal import Foundation
internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitRouting
package import StraitStore

extension Registry {
    // MARK: Out

    /// What is to be written of tenants behind `name`, at most `limit` of them, each as the JSON
    /// that ``MovedTenant`` reads; and the rows that nobody can read, which are left out.
    package func movedTenants(
        after name: String?, limit: Int
    ) async throws(StoreError) -> (items: [String], unreadable: [String], next: String?) {
        let found = try await self.tenants(after: name, limit: limit)
        var items: [String] = []
        var unreadable: [String] = []
        for tenant in found.tenants {
            if let item = try tenant.movedJSON(&unreadable) { items.append(item) }
        }
        return (items, unreadable, found.hasMore ? found.tenants.last?.name : nil)
    }

    /// Ports of all regions behind `last`, which is a `next`, of at most `limit` rows; `now` in
    /// seconds since 1970.
    package func movedPorts(
        after last: String?, limit: Int, now: UInt64 = UInt64(clamping: wallClockSeconds())
    ) async throws(StoreError) -> MovedPorts {
        let page = try await self.store.page(
            prefix: RegistryKey.allPorts,
            after: try last.map { text throws(StoreError) in
                try RowKey(RegistryKey.allPorts + text)
            }, limit: limit)
        let ports = page.rows.compactMap { row -> MovedPort? in
            // A row stays when its quarantine ends.
            guard let place = RegistryKey.portPlace(row.key), let content = PortRow(row.value),
                content.until ?? .max > now
            else { return nil }
            return MovedPort(
                region: place.region, port: place.port, tenant: content.tenant,
                kind: content.kind,
                until: content.until.map {
                    Timestamp(seconds: Int64(clamping: $0)).description
                })
        }
        return MovedPorts(ports: ports, next: page.next(behind: RegistryKey.allPorts))
    }

    /// The installation's authority.
    ///
    /// - Throws: ``RegistryRefusal/absent(_:)`` where there is none yet.
    package func movedInstallation() async throws(RegistryRefusal) -> MovedInstallation {
        do {
            let key = try RegistryKey.installationAuthority()
            guard let row = try await self.store.row(key) else {
                throw RegistryRefusal.absent("there is no installation's authority yet")
            }
            let document = try AuthorityDocument(json: row.value)
            return MovedInstallation(
                certificate: String(decoding: document.certificatePEM, as: UTF8.self),
                sealedKey: Data(document.sealedKey).base64EncodedString())
        } catch let refusal as RegistryRefusal {
            throw refusal
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.corrupted("authority/installation is no authority"))
        }
    }

    // MARK: In

    /// The rows of what a tenant brings beside its document, its keys sealed by this registry's.
    ///
    /// - Throws: ``RegistryRefusal`` where something of it is not taken.
    func rows(
        of moved: MovedTenant, named name: String, process: Configuration
    ) async throws(RegistryRefusal) -> [StoreWrite] {
        guard !moved.certificates.isEmpty || !moved.authorities.isEmpty else { return [] }
        let before = try await self.current(name, .none)
        let certificates = Set(moved.certificates.map(\.name) + before.certificateNames)
        let authorities = Set(moved.authorities.map(\.name) + before.authorityNames)
        guard max(certificates.count, authorities.count) <= Self.uploadsMax else {
            throw .store(
                .refused("a tenant has at most \(Self.uploadsMax) certificates and authorities"))
        }
        let reading = moved.document.tenant(
            named: name, certificates: certificates.sorted(), process: process)
        guard let tenant = reading.tenant else { throw .wrong(reading.problems) }
        var writes: [StoreWrite] = []
        for certificate in moved.certificates {
            writes.append(try self.row(of: certificate, tenant))
        }
        for authority in moved.authorities {
            try Self.checkName(authority.name, isCertificate: false)
            try Self.checkAuthorities(Array(authority.certificates.utf8))
            let key = try Self.stored { () throws(StoreError) in
                try RegistryKey.authority(authority.name, of: name)
            }
            writes.append(.put(key, Array(authority.certificates.utf8)))
        }
        return writes
    }

    private func row(
        of moved: MovedCertificate, _ tenant: Configuration.Tenant
    ) throws(RegistryRefusal) -> StoreWrite {
        try Self.checkName(moved.name, isCertificate: true)
        guard let keys = self.keys else { throw .store(.unavailable("there is no key for keys")) }
        let key = try Self.stored { () throws(StoreError) in
            try RegistryKey.certificate(moved.name, of: tenant.name)
        }
        let secret: SecretBytes
        do throws(SealingError) {
            secret = try keys.keyring.open(
                Array(Data(base64Encoded: moved.sealedKey) ?? Data()),
                for: SealedPlace(.certificate, row: key.description))
        } catch {
            throw .store(.refused("certificate \"\(moved.name)\": its key is \(error)"))
        }
        do throws(RegistryRefusal) {
            let document = try Self.checked(
                chain: Array(moved.chain.utf8), secret.privateKeyPEM, of: tenant, row: key, keys,
                isMoved: true)
            return .put(key, document.json)
        } catch {
            guard case .badCertificate(var problems) = error else { throw error }
            for index in problems.indices {
                problems[index].path = "\(moved.name): \(problems[index].path)"
            }
            throw .badCertificate(problems)
        }
    }

    /// Keeps ports for tenants that are to come: each is in quarantine for its own, which nobody
    /// else is given and which it takes up when it comes.
    ///
    /// - Returns: The revision that has them; the newest one where there was nothing to do.
    /// - Throws: ``RegistryRefusal`` where one is another tenant's; nothing was changed then.
    func putPorts(
        _ moved: [MovedPort], by actor: String?, now: UInt64
    ) async throws(RegistryRefusal) -> UInt64 {
        guard (1...Limits.movedPortsMax).contains(moved.count) else {
            throw .store(.refused("\(moved.count) ports; expected 1 to \(Limits.movedPortsMax)"))
        }
        let end =
            now
            + (self.ports?.quarantineSeconds
                ?? UInt64(Limits.portQuarantine.components.seconds))
        do {
            var writes: [StoreWrite] = []
            var conditions: [StoreCondition] = []
            var rows: [(key: RowKey, row: PortRow)] = []
            for port in moved {
                let key = try self.key(of: port)
                var row = try Self.row(of: port)
                let until = min(row.until ?? end, end)
                guard until > now else { continue }
                row.until = until
                let old = try await self.store.row(key)
                if let old {
                    guard let content = PortRow(old.value) else {
                        throw RegistryRefusal.inUse("\(key) cannot be read, and is left as it is")
                    }
                    // It has it already, or a quarantine of its own.
                    let isOwn = content.tenant == port.tenant
                    if isOwn, content.until ?? .max >= until { continue }
                    guard isOwn || content.until ?? .max <= now else {
                        throw RegistryRefusal.inUse(
                            "port \(port.port) of region \"\(port.region)\" is tenant "
                                + "\"\(content.tenant)\"'s")
                    }
                }
                writes.append(.put(key, try AnswerJSON.encode(row)))
                conditions.append(old.map { .unchanged(key, since: $0.changed) } ?? .absent(key))
                rows.append((key, row))
            }
            guard !writes.isEmpty else { return try await self.store.revision() }
            writes += try Self.auditWrites(
                AuditEntry(
                    actor ?? "", "import", "ports", before: nil,
                    after: String(decoding: try AnswerJSON.encode(moved), as: UTF8.self)))
            guard actor != nil else {
                try await self.store.tryCommit(writes, if: conditions)
                return try await self.store.revision()
            }
            let revision = try await self.store.commit(writes, if: conditions)
            self.ports?.moved(rows, revision: revision)
            return revision
        } catch let refusal as RegistryRefusal {
            throw refusal
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.refused("\(error)"))
        }
    }

    private func key(of moved: MovedPort) throws -> RowKey {
        guard RegisteredFile.isName(moved.region), RegisteredFile.isName(moved.tenant),
            PortKind(moved.kind) != nil, moved.port > 0
        else {
            throw RegistryRefusal.store(
                .refused("port \(moved.port) of tenant \"\(moved.tenant)\" is no lease"))
        }
        if let ports, ports.region == moved.region, !ports.ranges.allowed.contains(moved.port) {
            throw RegistryRefusal.store(
                .refused("port \(moved.port) is in no range of region \"\(moved.region)\""))
        }
        return try RegistryKey.port(moved.port, moved.region)
    }

    private static func row(of moved: MovedPort) throws -> PortRow {
        guard let kind = PortKind(moved.kind) else { throw StoreError.refused("no kind") }
        let until = try moved.until.map { text in
            guard let seconds = TimeText.parse(text) else {
                throw RegistryRefusal.store(
                    .refused("port \(moved.port): until is no time like 2026-11-20T12:04:31Z"))
            }
            return seconds
        }
        return PortRow(PortLease(tenant: moved.tenant, kind: kind), until: until)
    }

    /// Takes up another installation's authority in the place of this one's, which nobody trusts
    /// yet.
    ///
    /// - Returns: The revision that has it.
    /// - Throws: ``RegistryRefusal`` where its key cannot be opened, or somebody trusts the one
    ///   that is there.
    func putInstallation(
        _ moved: MovedInstallation, by actor: String?
    ) async throws(RegistryRefusal) -> UInt64 {
        guard let keys = self.keys else { throw .store(.unavailable("there is no key for keys")) }
        do {
            let key = try RegistryKey.installationAuthority()
            let place = SealedPlace(.authority, row: key.description)
            let old = try await self.store.row(key)
            let certificate = Array(moved.certificate.utf8)
            if let old, try AuthorityDocument(json: old.value).certificatePEM == certificate {
                return old.changed
            }
            for prefix in [RegistryKey.tenants, RegistryKey.identities(of: nil)]
            where try await !self.store.page(prefix: prefix, after: nil, limit: 1).rows.isEmpty {
                throw RegistryRefusal.inUse(
                    "tenants or operators have certificates of the authority that is here: import "
                        + "into an empty registry, or leave `installation` out")
            }
            let secret = try keys.keyring.open(
                Array(Data(base64Encoded: moved.sealedKey) ?? Data()), for: place)
            _ = try InstallationAuthority(
                certificatePEM: certificate, keyPEM: secret.privateKeyPEM)
            let document = AuthorityDocument(
                certificatePEM: certificate,
                sealedKey: try keys.keyring.seal(secret, for: place))
            let entry = AuditEntry(
                actor ?? "", "import", key.description, before: nil, after: moved.certificate)
            let writes = [.put(key, document.json)] + (try Self.auditWrites(entry))
            let condition: StoreCondition =
                old.map { .unchanged(key, since: $0.changed) } ?? .absent(key)
            guard actor != nil else {
                try await self.store.tryCommit(writes, if: [condition])
                return old?.changed ?? 0
            }
            let revision = try await self.store.commit(writes, if: [condition])
            await self.issuer?.forget()
            return revision
        } catch let refusal as RegistryRefusal {
            throw refusal
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.refused("the installation's authority: \(error)"))
        }
    }
}

extension RegisteredTenant {
    /// Nil where there is no document; rows that nobody can read are left out, and named.
    fileprivate func movedJSON(_ unreadable: inout [String]) throws(StoreError) -> String? {
        guard let document = self.document else { return nil }
        var certificates: [MovedCertificate] = []
        for name in self.certificateNames {
            let key = try RegistryKey.certificate(name, of: self.name)
            guard let row = self.row(key) else { continue }
            let content: CertificateDocument
            do throws(JSONProblem) {
                content = try CertificateDocument(json: row.value)
            } catch {
                unreadable.append(key.description)
                continue
            }
            certificates.append(
                MovedCertificate(
                    name: name, chain: String(decoding: content.chainPEM, as: UTF8.self),
                    sealedKey: Data(content.sealedKey).base64EncodedString()))
        }
        let authorities = try self.authorityNames.map { name throws(StoreError) in
            let row = self.row(try RegistryKey.authority(name, of: self.name))
            return MovedAuthorities(
                name: name, certificates: String(decoding: row?.value ?? [], as: UTF8.self))
        }
        do {
            let lists = [
                try AnswerJSON.encode(certificates), try AnswerJSON.encode(authorities),
            ].map { String(decoding: $0, as: UTF8.self) }
            let text = String(decoding: document.value, as: UTF8.self)
            return """
                {"document":\(text),"certificates":\(lists[0]),"authorities":\(lists[1])}
                """
        } catch {
            throw .corrupted("tenant/\(self.name) cannot be written: \(error)")
        }
    }
}
