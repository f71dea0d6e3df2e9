// The registry's keys and the installation's authority: opened and made at the start, and what they
// sealed and issued kept fresh.

internal import Foundation
internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
package import StraitStore

extension ControlPlane {
    /// Tenants that are looked through at a time.
    private static let upkeepBatch = 100
    /// From one look through all tenants to the next: certificates live for months.
    private static let upkeepInterval = Duration.seconds(6 * 3600)
    /// From the start to the first look, so that what is there is live before it changes.
    private static let upkeepDelay = Duration.seconds(5)
    /// How long to wait after a look that failed.
    private static let upkeepRetry = Duration.seconds(60)

    /// Makes the installation's authority where there is none, and says where it cannot sign.
    func prepareAuthority() async {
        guard let issuer = self.registry?.issuer else { return }
        do throws(IssuingFailure) {
            let authority = try await issuer.authority(now: wallClockSeconds())
            self.logger.info("installation \(authority.installation)")
        } catch {
            self.logger.error(
                """
                no certificate can be issued: \(error.reason); routing goes on, and where TLS ends \
                here with a key that cannot be opened either, it is refused
                """)
        }
    }

    /// Renews what the installation's authority has issued, issues what is missing, and seals
    /// with the newest key what an older one has sealed; until cancelled.
    func keepCertificates() async {
        guard self.registry?.keys != nil else { return }
        var wait = Self.upkeepDelay
        while !Task.isCancelled {
            do { try await Task.sleep(for: wait) } catch { return }
            do throws(StoreError) {
                let isDone = try await self.lookThroughCertificates()
                wait = isDone ? Self.upkeepInterval : Self.upkeepRetry
            } catch {
                self.logger.warning("certificates of the registry: \(error.text)")
                wait = Self.upkeepRetry
            }
        }
    }

    /// Looks through all tenants once, some at a time; false where this router does not serve.
    package func lookThroughCertificates() async throws(StoreError) -> Bool {
        guard let registry = self.registry, self.stage == .serving,
            let process = self.live?.configuration
        else { return false }
        var last: String?
        var done = UpkeepCount()
        while !Task.isCancelled {
            let batch = try await registry.tenants(after: last, limit: Self.upkeepBatch)
            for tenant in batch.tenants {
                try await registry.keep(tenant, process: process, &done)
            }
            last = batch.tenants.last?.name
            guard batch.hasMore else { break }
            await Task.yield()
        }
        do { try await registry.issuer?.sealAnew() } catch {
            self.logger.warning("authority/installation is not sealed anew: \(error)")
        }
        if done.issued + done.sealed > 0 {
            self.logger.notice(
                "registry: \(done.issued) certificates issued, \(done.sealed) keys sealed anew")
        }
        if let failure = done.failure {
            self.logger.error("certificates of the registry: \(failure)")
        }
        return true
    }
}

/// What a look through the tenants did.
struct UpkeepCount {
    var issued = 0
    var sealed = 0
    /// The last that went wrong.
    var failure: String?
}

extension Registry {
    /// Issues and seals anew what is due for a tenant.
    ///
    /// A tenant that is changed meanwhile is left to the next look: its change has done it.
    func keep(
        _ tenant: RegisteredTenant, process: Configuration, _ done: inout UpkeepCount
    ) async throws(StoreError) {
        let reading = tenant.read(process: process)
        guard let document = tenant.document, reading.tenant != nil else { return }
        let issued = await self.issuing(for: reading, now: wallClockSeconds())
        done.failure = issued.failure ?? done.failure
        var writes = issued.writes
        var conditions = issued.conditions
        var sealed = 0
        for certificate in reading.certificates {
            let key = certificate.row.key
            guard !writes.contains(where: { $0.key == key }) else { continue }
            do {
                guard let document = try self.sealedAnew(certificate) else { continue }
                writes.append(.put(key, document.json))
                if !conditions.contains(where: { $0.key == key }) {
                    conditions.append(.unchanged(key, since: certificate.row.changed))
                }
                sealed += 1
            } catch {
                done.failure = "\(error)"
            }
        }
        guard !writes.isEmpty else { return }
        conditions.append(.unchanged(document.key, since: document.changed))
        do {
            let count = writes.count - sealed
            if count > 0 {
                let names = issued.writes.map(\.key.description).joined(separator: " ")
                let entry = AuditEntry(
                    "strait", "issue", "tenant/\(tenant.name)", before: nil, after: names)
                writes.append(
                    .put(try RegistryKey.audit(entry.id), Array(try AnswerJSON.encode(entry))))
            }
            _ = try await self.store.commit(writes, if: conditions)
            done.issued += count
            done.sealed += sealed
        } catch let error as StoreError {
            guard case .conflict = error else { throw error }
        } catch {
            done.failure = "\(error)"
        }
    }

    /// A certificate whose key is sealed with the newest key; nil where it is already.
    private func sealedAnew(
        _ certificate: RegisteredCertificate
    ) throws -> CertificateDocument? {
        var document = certificate.document
        guard let keys = self.keys, try !keys.keyring.isCurrent(document.sealedKey) else {
            return nil
        }
        document.sealedKey = try keys.resealed(
            document.sealedKey, row: certificate.row.key.description)
        return document
    }
}
