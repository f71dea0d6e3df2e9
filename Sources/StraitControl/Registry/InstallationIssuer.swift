// The installation's authority where it works: taken up from the registry, or made there first, and
// asked for certificates.

internal import Foundation
internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitStore

/// Why the authority does not sign.
struct IssuingFailure: Error {
    /// A sentence for the operator, without a secret.
    let reason: String
}

/// Signs for tenants; one at a time.
actor InstallationIssuer {
    private let store: any Store
    private let keys: RegistryKeys
    /// The authority, and the revision that wrote its row.
    private struct Known {
        let authority: InstallationAuthority
        let condition: StoreCondition
    }

    private var known: Known?
    /// How often it was forgotten.
    private var generation: UInt64 = 0

    init(store: any Store, keys: RegistryKeys) {
        self.store = store
        self.keys = keys
    }

    /// The authority; made where the registry has none.
    ///
    /// - Throws: ``IssuingFailure`` where its key cannot be opened: another one is not made then,
    ///   as people trust the one that is there.
    func authority(now: Int64) async throws(IssuingFailure) -> InstallationAuthority {
        try await self.taken(now: now).authority
    }

    /// The authority, with the condition that a commit has which depends on it.
    func authorityAndCondition(
        now: Int64
    ) async throws(IssuingFailure) -> (InstallationAuthority, StoreCondition) {
        let known = try await self.taken(now: now)
        return (known.authority, known.condition)
    }

    private func taken(now: Int64) async throws(IssuingFailure) -> Known {
        if let known { return known }
        let generation = self.generation
        do {
            let key = try RegistryKey.installationAuthority()
            if try await self.store.row(key) == nil { try await self.make(key, now: now) }
            guard let row = try await self.store.row(key) else {
                throw IssuingFailure(reason: "the row \(key) is not there")
            }
            let document = try AuthorityDocument(json: row.value)
            let secret = try self.keys.keyring.open(
                document.sealedKey, for: SealedPlace(.authority, row: key.description))
            let authority = try InstallationAuthority(
                certificatePEM: document.certificatePEM, keyPEM: secret.privateKeyPEM)
            let known = Known(
                authority: authority, condition: .unchanged(key, since: row.changed))
            // Else it may be another one by now.
            if self.generation == generation { self.known = known }
            return known
        } catch let failure as IssuingFailure {
            throw failure
        } catch {
            throw IssuingFailure(reason: Self.text(error))
        }
    }

    /// Takes the authority up anew when it is next asked for: the registry has another one.
    func forget() {
        self.known = nil
        self.generation += 1
    }

    private func make(_ key: RowKey, now: Int64) async throws {
        let authority = try InstallationAuthority.create(now: now)
        let sealed = try self.keys.keyring.seal(
            authority.key, for: SealedPlace(.authority, row: key.description))
        let document = AuthorityDocument(
            certificatePEM: authority.certificatePEM, sealedKey: sealed)
        do throws(StoreError) {
            _ = try await self.store.commit([.put(key, document.json)], if: [.absent(key)])
        } catch {
            // Another router was first: its authority is everybody's.
            guard case .conflict = error else { throw error }
        }
    }

    /// The certificate of the authority as PEM, whether its key can be opened or not; nil where
    /// there is none yet.
    func certificatePEM() async throws(StoreError) -> [UInt8]? {
        if let known { return known.authority.certificatePEM }
        let row = try await self.store.row(try RegistryKey.installationAuthority())
        do throws(JSONProblem) {
            return try row.map { row throws(JSONProblem) in
                try AuthorityDocument(json: row.value).certificatePEM
            }
        } catch {
            throw .corrupted("authority/installation is no authority")
        }
    }

    /// Seals the authority's key anew where an older key has sealed it.
    func sealAnew() async throws {
        let key = try RegistryKey.installationAuthority()
        guard let row = try await self.store.row(key) else { return }
        var document = try AuthorityDocument(json: row.value)
        guard try !self.keys.keyring.isCurrent(document.sealedKey) else { return }
        let place = SealedPlace(.authority, row: key.description)
        document.sealedKey = try self.keys.keyring.seal(
            try self.keys.keyring.open(document.sealedKey, for: place), for: place)
        let entry = AuditEntry("strait", "seal", key.description, before: nil, after: nil)
        _ = try await self.store.commit(
            [.put(key, document.json)] + Registry.auditWrites(entry),
            if: [.unchanged(key, since: row.changed)])
        self.forget()
    }

    /// A certificate for names, sealed for a row; and that the authority is still this one, for the
    /// commit that has it.
    func issue(
        _ names: [Configuration.HostPattern], row: RowKey, now: Int64
    ) async throws(IssuingFailure) -> (CertificateDocument, StoreCondition) {
        let known = try await self.taken(now: now)
        do {
            let bundle = try known.authority.issue(
                for: names.compactMap { CertificateName($0.description) }, now: now)
            let document = try CertificateDocument(
                bundle, source: .installation, row: row, keys: self.keys)
            return (document, known.condition)
        } catch {
            throw IssuingFailure(reason: Self.text(error))
        }
    }

    private static func text(_ error: any Error) -> String {
        (error as? StoreError)?.text ?? "the installation's authority: \(error)"
    }
}

extension CertificateDocument {
    /// A certificate with its key, as a row has it.
    init(
        _ bundle: CertificateBundle, source: Source, row: RowKey, keys: RegistryKeys
    ) throws(SealingError) {
        self.init(
            chainPEM: bundle.chainPEM,
            sealedKey: try keys.sealed(bundle.key, row: row.description),
            names: bundle.names.compactMap { Configuration.HostPattern($0.description) },
            notBefore: bundle.notBefore, notAfter: bundle.notAfter, keyType: bundle.keyType,
            fingerprint: bundle.fingerprint, source: source)
    }
}
