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
    /// Of a core, what a look takes while there is nothing to do, and while there is: changes go on
    /// meanwhile.
    private static let upkeepShares = (reading: 0.04, issuing: 0.5)
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
            // Another router may have brought another one while this one did not follow.
            await self.registry?.issuer?.forget()
            await self.renewOperators()
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
        guard let registry = self.registry else { return false }
        var last: String?
        var done = UpkeepCount()
        while !Task.isCancelled {
            // A look takes its time: it may be another configuration than at its begin.
            guard self.stage == .serving, let process = self.live?.configuration else {
                return false
            }
            let begin = monotonicNow()
            let before = done.issued + done.sealed
            let batch = try await registry.tenants(after: last, limit: Self.upkeepBatch)
            for tenant in batch.tenants {
                try await registry.keep(tenant, process: process, &done)
            }
            last = batch.tenants.last?.name
            guard batch.hasMore else { break }
            let isIdle = done.issued + done.sealed == before
            let share = isIdle ? Self.upkeepShares.reading : Self.upkeepShares.issuing
            let spent = Duration.nanoseconds(monotonicNow().nanoseconds(since: begin))
            do { try await Task.sleep(for: spent * (1 / share - 1)) } catch { return true }
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
    /// Issues and seals anew what is due for a tenant, each certificate in a commit of its own.
    ///
    /// A tenant that is changed meanwhile is left to the next look: its change has done it. What
    /// is wrong with one is nobody else's trouble.
    func keep(
        _ tenant: RegisteredTenant, process: Configuration, _ done: inout UpkeepCount
    ) async throws(StoreError) {
        let reading = tenant.read(process: process)
        guard reading.tenant != nil else { return }
        let issued = await self.issuing(for: reading, now: wallClockSeconds())
        done.failure = issued.failure ?? done.failure
        do throws(StoreError) {
            // What goes comes last, so that names that were its own have another one by then.
            for write in issued.writes {
                try await self.commit(write, of: tenant, "issue", if: issued.conditions)
                done.issued += 1
            }
            for certificate in reading.certificates {
                let key = certificate.row.key
                guard !issued.writes.contains(where: { $0.key == key }),
                    let document = self.sealedAnew(certificate, &done)
                else { continue }
                try await self.commit(.put(key, document.json), of: tenant, "seal", if: [])
                done.sealed += 1
            }
        } catch {
            switch error {
            case .conflict: await self.forgetAuthority(because: error)
            case .refused(let why): done.failure = "tenant \(tenant.name): \(why)"
            case .compacted, .full, .locked, .corrupted, .unavailable, .cancelled: throw error
            }
        }
    }

    /// Commits what becomes of one certificate of a tenant, where neither has changed, with a row
    /// that tells of it.
    private func commit(
        _ write: StoreWrite, of tenant: RegisteredTenant, _ action: String,
        if conditions: [StoreCondition]
    ) async throws(StoreError) {
        guard let document = tenant.document else { return }
        let old = tenant.row(write.key)
        var new: StoredRow?
        if case .put(let key, let value) = write {
            new = StoredRow(key: key, value: value, created: 0, changed: 0)
        }
        let entry = AuditEntry(
            "strait", new == nil ? "delete" : action, write.key.description, before: old?.summary,
            after: new?.summary)
        let unchanged: [StoreCondition] = [
            .unchanged(document.key, since: document.changed),
            old.map { .unchanged(write.key, since: $0.changed) } ?? .absent(write.key),
        ]
        _ = try await self.store.commit(
            [write] + Self.auditWrites(entry), if: conditions + unchanged)
    }

    /// A certificate whose key is sealed with the newest key; nil where it is already, or cannot
    /// be.
    private func sealedAnew(
        _ certificate: RegisteredCertificate, _ done: inout UpkeepCount
    ) -> CertificateDocument? {
        var document = certificate.document
        do {
            guard let keys = self.keys, try !keys.keyring.isCurrent(document.sealedKey) else {
                return nil
            }
            document.sealedKey = try keys.resealed(
                document.sealedKey, row: certificate.row.key.description)
            return document
        } catch {
            done.failure = "\(error)"
            return nil
        }
    }
}
