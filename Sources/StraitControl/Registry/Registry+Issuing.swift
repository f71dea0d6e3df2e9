// What the installation's authority must issue, or take away, so that each name of a tenant has a
// certificate; as writes for the commit that makes it necessary.

internal import StraitConfig
internal import StraitCore
internal import StraitStore

/// What a change of a tenant does to its certificates of the installation's authority.
struct IssuedChange: Sendable {
    var writes: [StoreWrite] = []
    /// What the writes depend on.
    var conditions: [StoreCondition] = []
    /// Why what is missing could not be issued.
    var failure: String?
}

extension Registry {
    /// What must change so that the certificates of `reading` do for its tenant.
    ///
    /// A certificate stays as long as it carries what is needed and two thirds of its life are not
    /// over; the rest leaves time to mend what keeps the next one away.
    ///
    /// - Parameters:
    ///   - reading: The tenant as it is to be.
    ///   - renewed: The row of a certificate that is issued anew in any case.
    ///   - now: Seconds since 1970.
    /// - Returns: What is to be written beside the document.
    func issuing(
        for reading: RegisteredReading, renewing renewed: RowKey? = nil, now: Int64
    ) async -> IssuedChange {
        var change = IssuedChange()
        guard let tenant = reading.tenant, let issuer = self.issuer else { return change }
        var uploaded: Set<Configuration.HostPattern> = []
        var there: [RowKey: RegisteredCertificate] = [:]
        for certificate in reading.certificates {
            switch certificate.document.source {
            case .upload: uploaded.formUnion(certificate.document.names)
            case .installation: there[certificate.row.key] = certificate
            }
        }
        for wanted in CertificateNeeds(tenant: tenant, uploaded: uploaded).wanted() {
            do {
                let key = try RegistryKey.certificate(wanted.name, of: tenant.name)
                let old = there.removeValue(forKey: key)
                if let old, key != renewed, old.document.isGood(for: wanted.names, now: now) {
                    continue
                }
                let (document, condition) = try await issuer.issue(
                    wanted.names, row: key, now: now)
                change.writes.append(.put(key, document.json))
                if !change.conditions.contains(condition) { change.conditions.append(condition) }
            } catch let failure as IssuingFailure {
                change.failure = failure.reason
            } catch {
                change.failure = (error as? StoreError)?.text
            }
        }
        guard !there.isEmpty else { return change }
        change.writes += there.keys.sorted().map { .delete($0) }
        // They go because of what was uploaded, which must still be there then.
        change.conditions += reading.certificates.filter { $0.document.source == .upload }
            .map { .unchanged($0.row.key, since: $0.row.changed) }
        return change
    }
}

extension CertificateDocument {
    /// Whether it carries these names and no others, and is not to be renewed yet.
    fileprivate func isGood(for names: [Configuration.HostPattern], now: Int64) -> Bool {
        // A row may say any numbers.
        let (life, isOver) = self.notAfter.subtractingReportingOverflow(self.notBefore)
        guard !isOver, life > 0 else { return false }
        return Set(names) == Set(self.names) && now < self.notBefore + life / 3 * 2
    }
}

extension IssuedChange {
    /// Adds rows that come with the document; they are what nobody else changes meanwhile.
    mutating func take(_ moved: [StoreWrite], _ before: RegisteredTenant) {
        self.conditions.removeAll { condition in moved.contains { $0.key == condition.key } }
        for write in moved {
            self.conditions.append(
                before.row(write.key).map { .unchanged(write.key, since: $0.changed) }
                    ?? .absent(write.key))
        }
        self.writes += moved
    }

    /// What is wrong with a change, and why nothing was issued where that is the cause.
    func explained(
        _ problems: [ConfigurationProblem], of tenant: String
    ) -> [ConfigurationProblem] {
        guard let failure, problems.contains(where: { $0.severity == .error }) else {
            return problems
        }
        return problems + [
            ConfigurationProblem(
                .registryUnusable, file: "tenant/\(tenant)",
                place: SourcePlace(line: 0, column: 0, path: ""), found: failure,
                expected: "an installation's authority that can sign",
                remedy: "give the key-encryption key that sealed it, or upload a certificate")
        ]
    }
}
