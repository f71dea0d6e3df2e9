// Certificates and authorities of tenants: how they come, change and go. Each change is one commit
// with what the installation's authority issues or takes back because of it, and a row that tells
// who did it, without the key.

internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitStore
internal import StraitTLS

/// One thing that is wrong with a certificate that was uploaded.
package struct UploadProblem: Codable, Hashable, Sendable {
    /// Which kind it is; for programs, and stays.
    package var code: String
    /// `chain`, `certificate 2` or `key`.
    package var path: String
    /// What is there.
    package var found: String
    /// What could be there.
    package var expected: String
    /// What to do.
    package var remedy: String

    init(_ problem: CertificateProblem) {
        self.code = problem.code.rawValue
        self.path = problem.part.description
        self.found = problem.found
        self.expected = problem.expected
        self.remedy = problem.remedy
    }

    init(_ code: String, _ path: String, found: String, expected: String, remedy: String) {
        self.code = code
        self.path = path
        self.found = found
        self.expected = expected
        self.remedy = remedy
    }
}

/// One change of a tenant's certificates or authorities.
struct CertificateChange {
    /// Whose they are.
    let tenant: String
    /// What must be true of the row.
    let precondition: Precondition
    /// Who asks; nil: it is only tried.
    let actor: String?
    /// Of this router.
    let process: Configuration
    /// Tries the change on what is live, and tells what is wrong.
    let check: @Sendable (RegisteredTenant) async -> [ConfigurationProblem]
}

extension Registry {
    /// Certificates that a tenant may upload, and as many authorities.
    ///
    /// Beyond: refused. With what is issued they all go in one commit.
    static let uploadsMax = 16

    /// A tenant that has a document.
    func existing(_ name: String) async throws(RegistryRefusal) -> RegisteredTenant {
        let tenant = try await self.current(name, .none)
        guard tenant.document != nil else { throw .notFound(name) }
        return tenant
    }

    // MARK: Certificates

    /// Takes a certificate in, or in place of the one of that name.
    ///
    /// - Returns: The revision that has it, and whether it is new.
    func putCertificate(
        _ name: String, _ request: CertificateRequest, _ change: CertificateChange
    ) async throws(RegistryRefusal) -> (revision: UInt64, isNew: Bool) {
        try Self.checkName(name, isCertificate: true)
        guard let keys = self.keys else { throw .store(.unavailable("there is no key for keys")) }
        let before = try await self.existing(change.tenant)
        let key = try Self.stored { () throws(StoreError) in
            try RegistryKey.certificate(name, of: change.tenant)
        }
        let old = before.row(key)
        try change.precondition.hold(for: old)
        guard old != nil || before.certificateNames.count < Self.uploadsMax else {
            throw .store(.refused("a tenant has at most \(Self.uploadsMax) certificates"))
        }
        let reading = before.read(process: change.process)
        guard let tenant = reading.tenant else { throw .wrong(reading.problems) }
        let document = try Self.checked(
            chain: request.chainPEM, SecretBytes(request.keyPEM), of: tenant, row: key, keys)
        let revision = try await self.commit(
            .put(key, document.json), on: before, old: old, change, audited: document.summary)
        return (revision, old == nil)
    }

    /// What is to be stored of a certificate that fits its key and its tenant.
    ///
    /// One that moves from another registry may be over, or have names that the tenant had once, as
    /// it had there: it is shown to nobody.
    ///
    /// - Throws: ``RegistryRefusal/badCertificate(_:)`` with every reason.
    static func checked(
        chain: [UInt8], _ key: SecretBytes, of tenant: Configuration.Tenant, row: RowKey,
        _ keys: RegistryKeys, isMoved: Bool = false
    ) throws(RegistryRefusal) -> CertificateDocument {
        let bundle: CertificateBundle
        do throws(CertificateRefusal) {
            bundle = try CertificateUpload.check(
                chainPEM: chain, keyPEM: key, now: isMoved ? nil : wallClockSeconds()
            ) { name in
                isMoved
                    || Configuration.HostPattern(name.description)
                        .map { CertificateNeeds.owns($0, tenant) } ?? false
            }
        } catch {
            throw .badCertificate(error.problems.map { UploadProblem($0) })
        }
        do throws(SealingError) {
            return try CertificateDocument(bundle, source: .upload, row: row, keys: keys)
        } catch {
            throw .store(.unavailable("the key cannot be sealed: \(error)"))
        }
    }

    /// Takes a certificate out.
    ///
    /// Where names need one then, the installation's authority issues it; so what that has issued
    /// is issued anew.
    func removeCertificate(
        _ name: String, _ change: CertificateChange
    ) async throws(RegistryRefusal) -> UInt64 {
        let before = try await self.existing(change.tenant)
        let key = try Self.stored { () throws(StoreError) in
            try RegistryKey.certificate(name, of: change.tenant)
        }
        guard let old = before.row(key) else {
            throw .absent("tenant \"\(change.tenant)\" has no certificate \"\(name)\"")
        }
        try change.precondition.hold(for: old)
        return try await self.commit(.delete(key), on: before, old: old, change, audited: nil)
    }

    // MARK: Authorities

    /// Takes authorities in, or in place of those of that name.
    ///
    /// - Returns: The revision that has them, and whether they are new.
    func putAuthority(
        _ name: String, _ pem: [UInt8], _ change: CertificateChange
    ) async throws(RegistryRefusal) -> (revision: UInt64, isNew: Bool) {
        try Self.checkName(name, isCertificate: false)
        try Self.checkAuthorities(pem)
        let before = try await self.existing(change.tenant)
        let key = try Self.stored { () throws(StoreError) in
            try RegistryKey.authority(name, of: change.tenant)
        }
        let old = before.row(key)
        try change.precondition.hold(for: old)
        guard old != nil || before.authorityNames.count < Self.uploadsMax else {
            throw .store(.refused("a tenant has at most \(Self.uploadsMax) authorities"))
        }
        let revision = try await self.commit(
            .put(key, pem), on: before, old: old, change,
            audited: String(decoding: pem, as: UTF8.self))
        return (revision, old == nil)
    }

    /// Takes authorities out that nothing of the tenant names.
    func removeAuthority(
        _ name: String, _ change: CertificateChange
    ) async throws(RegistryRefusal) -> UInt64 {
        let before = try await self.existing(change.tenant)
        let key = try Self.stored { () throws(StoreError) in
            try RegistryKey.authority(name, of: change.tenant)
        }
        guard let old = before.row(key) else {
            throw .absent("tenant \"\(change.tenant)\" has no authorities \"\(name)\"")
        }
        try change.precondition.hold(for: old)
        return try await self.commit(.delete(key), on: before, old: old, change, audited: nil)
    }

    static func checkAuthorities(_ pem: [UInt8]) throws(RegistryRefusal) {
        let bytesMax = Limits.uploadedChainBytesMax
        guard pem.count <= bytesMax else {
            throw .badCertificate([
                UploadProblem(
                    "too_large", "certificates", found: "\(pem.count) bytes",
                    expected: "at most \(bytesMax)", remedy: "give the authorities that are needed")
            ])
        }
        // It would be shown to everybody.
        guard !String(decoding: pem, as: UTF8.self).contains("PRIVATE KEY-----") else {
            throw .badCertificate([
                UploadProblem(
                    "key_in_chain", "certificates", found: "a private key",
                    expected: "certificates alone", remedy: "keep the key where it is used")
            ])
        }
        do throws(TLSSetupError) {
            try TLSCertificateFacts.checkAuthorities(pem: pem)
        } catch {
            throw .badCertificate([
                UploadProblem(
                    "not_loadable", "certificates", found: error.message,
                    expected: "one or more PEM certificates of authorities",
                    remedy: "give the certificate of who issues, not what was issued")
            ])
        }
    }

    // MARK: Both

    static func checkName(
        _ name: String, isCertificate: Bool
    ) throws(RegistryRefusal) {
        guard RegisteredFile.isName(name) else {
            throw .store(.refused("a name has 1 to 63 of a-z, 0-9, - and _"))
        }
        guard !isCertificate || !name.hasPrefix(CertificateNeeds.issuedPrefix) else {
            throw .store(
                .refused(
                    "names that begin with \(CertificateNeeds.issuedPrefix) are those of what the "
                        + "installation's authority issues; choose another"))
        }
    }

    static func stored<Value>(
        _ body: () throws(StoreError) -> Value
    ) throws(RegistryRefusal) -> Value {
        do throws(StoreError) { return try body() } catch { throw .store(error) }
    }

    private func commit(
        _ write: StoreWrite, on before: RegisteredTenant, old: StoredRow?,
        _ change: CertificateChange, audited: String?
    ) async throws(RegistryRefusal) -> UInt64 {
        var after = before.with([write])
        let reading = after.read(process: change.process)
        guard reading.tenant != nil else { throw .wrong(reading.problems) }
        let isRemoved = if case .delete = write { true } else { false }
        var issued = await self.issuing(
            for: reading, renewing: isRemoved ? write.key : nil, now: wallClockSeconds())
        // What was issued in the place of what goes is one write.
        if !issued.writes.contains(where: { $0.key == write.key }) { issued.writes.append(write) }
        after = after.with(issued.writes)
        let problems = issued.explained(await change.check(after), of: change.tenant)
        guard !problems.contains(where: { $0.severity == .error }) else { throw .wrong(problems) }
        do throws(StoreError) {
            let document = try RegistryKey.document(change.tenant)
            // The row itself is written by this very commit.
            var conditions = issued.conditions.filter { $0.key != write.key }
            conditions.append(
                old.map { .unchanged(write.key, since: $0.changed) } ?? .absent(write.key))
            if let changed = before.document?.changed {
                conditions.append(.unchanged(document, since: changed))
            }
            let entry = AuditEntry(
                change.actor ?? "", isRemoved ? "delete" : old == nil ? "create" : "change",
                write.key.description, before: old?.summary, after: audited)
            let writes = issued.writes + (try Self.auditWrites(entry))
            guard change.actor != nil else {
                try await self.store.tryCommit(writes, if: conditions)
                return old?.changed ?? 0
            }
            return try await self.store.commit(writes, if: conditions)
        } catch {
            throw await self.refusal(error, change.tenant, change.precondition)
        }
    }
}

extension AuditEntry {
    /// A change that is made now.
    init(
        _ actor: String, _ action: String, _ resource: String, before: String?, after: String?
    ) {
        let now = Timestamp(nanoseconds: wallClockNanoseconds())
        let random = String(UInt32.random(in: .min ... .max), radix: 36)
        self.init(
            id: "\(now.nanoseconds)-\(random)", time: now.description, actor: actor,
            action: action, resource: resource, before: before, after: after)
    }
}

extension StoredRow {
    /// What audit rows say of a certificate or of authorities: never a key, sealed or not.
    var summary: String {
        do throws(JSONProblem) {
            return try CertificateDocument(json: self.value).summary
        } catch {
            return self.key.description.contains("/authority/")
                ? String(decoding: self.value, as: UTF8.self) : ""
        }
    }
}

extension CertificateDocument {
    /// What audit rows say.
    var summary: String {
        var text = "{\"source\":\"\(self.source.rawValue)\",\"names\":["
        text += self.names.map { JSONString.quoted($0.description) }.joined(separator: ",")
        text += "],\"not_after\":\(self.notAfter),\"fingerprint\":"
        return text + JSONString.quoted(self.fingerprint) + "}"
    }
}

/// Seconds since 1970.
func wallClockSeconds() -> Int64 {
    Int64(clamping: wallClockNanoseconds() / 1_000_000_000)
}
