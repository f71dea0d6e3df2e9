// Operators and tenants' administrators: a row for each certificate that was issued to one. What
// has no row is good for nothing, so that removing it withdraws the certificate at once.

internal import Foundation
internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitStore

/// What a row says of a certificate that was issued to an operator or an administrator.
struct IdentityDocument: Codable, Hashable, Sendable {
    var name: String
    /// Seconds since 1970.
    var notBefore, notAfter: Int64
    /// Who issued it, as audit rows have it.
    var issuedBy: String
}

/// An operator or a tenant's administrator, as others see it.
package struct IdentityAnswer: Codable, Hashable, Sendable {
    /// SHA-256 of the certificate, 64 lower-case hexadecimal digits.
    package var fingerprint: String
    /// Its common name.
    package var name: String
    /// The first second of its validity, RFC 3339.
    package var notBefore: String
    /// The last one.
    package var notAfter: String
    /// Who issued it.
    package var issuedBy: String

    init(_ document: IdentityDocument, fingerprint: String) {
        func time(_ seconds: Int64) -> String {
            Timestamp(seconds: seconds).description
        }
        self.fingerprint = fingerprint
        self.name = document.name
        self.notBefore = time(document.notBefore)
        self.notAfter = time(document.notAfter)
        self.issuedBy = document.issuedBy
    }
}

/// All operators, or all administrators of a tenant.
package struct IdentityListAnswer: Codable, Hashable, Sendable {
    /// In the order of their fingerprints.
    package var identities: [IdentityAnswer]
}

/// A certificate with its key, which nobody keeps but who asked for it.
package struct IssuedIdentityAnswer: Codable, Hashable, Sendable {
    /// What others see of it.
    package var identity: IdentityAnswer
    /// `strait://INSTALLATION/operator`, or of a tenant's administrator.
    package var uri: String
    /// PEM.
    package var certificate: String
    /// PEM, PKCS#8.
    package var key: String
    /// PEM: what the router's own certificate is verified with.
    package var authority: String
}

/// What is asked for.
package struct IdentityRequest: Codable, Hashable, Sendable {
    /// Who it is, for people: 1 to 64 characters.
    package var name: String
    /// How long it is good; 30 days where it is not said.
    package var validSeconds: Int64?

    /// See the properties.
    package init(name: String, validSeconds: Int64? = nil) {
        self.name = name
        self.validSeconds = validSeconds
    }
}

extension Registry {
    /// What is known of a certificate; nil where it counts for nothing.
    func identity(
        _ fingerprint: String, of tenant: String?
    ) async throws(StoreError) -> IdentityDocument? {
        guard
            let row = try await self.store.row(try RegistryKey.identity(fingerprint, of: tenant))
        else { return nil }
        if let tenant {
            // One of that name was there before this one: its administrators are nobody.
            let document = try await self.store.row(try RegistryKey.document(tenant))
            guard let document, document.created <= row.created else { return nil }
        }
        do {
            return try AnswerJSON.decode(IdentityDocument.self, from: row.value)
        } catch {
            throw .corrupted("\(row.key) is no identity")
        }
    }

    /// Every operator, or every administrator of a tenant; at most ``Limits/identitiesMax``.
    package func identities(of tenant: String?) async throws(RegistryRefusal) -> IdentityListAnswer
    {
        if let tenant { _ = try await self.existing(tenant) }
        let rows = try await self.identityRows(of: tenant)
        return IdentityListAnswer(
            identities: rows.map { IdentityAnswer($0.document, fingerprint: $0.fingerprint) })
    }

    private func identityRows(
        of tenant: String?
    ) async throws(RegistryRefusal) -> [(fingerprint: String, document: IdentityDocument)] {
        let prefix = RegistryKey.identities(of: tenant)
        do {
            let page = try await self.store.page(
                prefix: prefix, after: nil, limit: Limits.identitiesMax)
            return page.rows.compactMap { row in
                // What cannot be read was written by a newer program; it is left out.
                let document = try? AnswerJSON.decode(IdentityDocument.self, from: row.value)
                return document.map { (String(row.key.description.dropFirst(prefix.count)), $0) }
            }
        } catch {
            throw .store(error)
        }
    }

    /// Issues a certificate to an operator, or to an administrator of a tenant.
    ///
    /// Those whose time is over make room.
    package func issueIdentity(
        _ request: IdentityRequest, of tenant: String?, by actor: String
    ) async throws(RegistryRefusal) -> IssuedIdentityAnswer {
        guard let issuer = self.issuer else { throw .store(.unavailable("no authority is there")) }
        let document = try await self.documentKey(of: tenant)
        let now = wallClockSeconds()
        let known = try await self.identityRows(of: tenant)
        let expired = known.filter { $0.document.notAfter < now }.prefix(Limits.storeWritesMax / 2)
        guard known.count - expired.count < Limits.identitiesMax else {
            throw .store(.refused("there are \(Limits.identitiesMax) already; withdraw one first"))
        }
        // In audit rows it stands before the role, in brackets: it must not look like one.
        guard !request.name.contains(where: { "()".contains($0) }), !request.name.contains("://"),
            request.name.first?.isWhitespace == false, request.name.last?.isWhitespace == false
        else {
            throw .store(.refused("a name has no brackets, no ://, and no blank at its ends"))
        }
        let longest = Limits.identityValidityMax.components.seconds
        guard request.validSeconds.map({ $0 <= longest }) != false else {
            throw .store(.refused("valid_seconds is at most \(longest)"))
        }
        let made: IssuedIdentity
        do throws(IssuingFailure) {
            made = try await issuer.issueIdentity(request, of: tenant, now: now)
        } catch {
            throw .store(.refused(error.reason))
        }
        let row = IdentityDocument(
            name: request.name, notBefore: made.bundle.notBefore, notAfter: made.bundle.notAfter,
            issuedBy: actor)
        let answer = IdentityAnswer(row, fingerprint: made.bundle.fingerprint)
        do throws(StoreError) {
            var writes = try expired.map { old throws(StoreError) in
                StoreWrite.delete(try RegistryKey.identity(old.fingerprint, of: tenant))
            }
            writes.append(
                .put(
                    try RegistryKey.identity(answer.fingerprint, of: tenant), try Self.json(row)))
            writes += try Self.audit(
                actor, "issue", answer, of: tenant, before: nil, after: answer)
            _ = try await self.store.commit(
                writes, if: (document.map { [.present($0)] } ?? []) + [made.condition])
        } catch {
            await self.forgetAuthority(because: error)
            throw .store(error)
        }
        return IssuedIdentityAnswer(
            identity: answer, uri: made.identity.uri,
            certificate: String(decoding: made.bundle.chainPEM, as: UTF8.self),
            key: String(decoding: made.bundle.keyPEM.revealed, as: UTF8.self),
            authority: String(decoding: made.authority, as: UTF8.self))
    }

    /// Withdraws a certificate: from now on who shows it is nobody.
    package func removeIdentity(
        _ fingerprint: String, of tenant: String?, by actor: String
    ) async throws(RegistryRefusal) -> UInt64 {
        guard fingerprint.utf8.count == 64, fingerprint.utf8.allSatisfy({ $0 > 47 && $0 < 103 })
        else { throw .absent("a fingerprint has 64 lower-case hexadecimal digits") }
        if let tenant { _ = try await self.existing(tenant) }
        do throws(StoreError) {
            let key = try RegistryKey.identity(fingerprint, of: tenant)
            let known = try await self.identity(fingerprint, of: tenant)
            if let known {
                let answer = IdentityAnswer(known, fingerprint: fingerprint)
                return try await self.store.commit(
                    [.delete(key)]
                        + Self.audit(
                            actor, "withdraw", answer, of: tenant, before: answer, after: nil),
                    if: [.present(key)])
            }
        } catch {
            throw .store(error)
        }
        throw .absent("nobody has the certificate \(fingerprint)")
    }

    /// The row that must be there while a tenant's administrators are; nil for operators.
    private func documentKey(of tenant: String?) async throws(RegistryRefusal) -> RowKey? {
        guard let tenant else { return nil }
        return try await self.existing(tenant).document?.key
    }

    private static func json(_ value: some Encodable) throws(StoreError) -> [UInt8] {
        do { return try AnswerJSON.encode(value) } catch { throw .refused("\(error)") }
    }

    private static func audit(
        _ actor: String, _ action: String, _ answer: IdentityAnswer, of tenant: String?,
        before: IdentityAnswer?, after: IdentityAnswer?
    ) throws(StoreError) -> [StoreWrite] {
        func text(_ answer: IdentityAnswer?) throws(StoreError) -> String? {
            guard let answer else { return nil }
            return String(decoding: try Self.json(answer), as: UTF8.self)
        }
        let entry = AuditEntry(
            actor, action, RegistryKey.identities(of: tenant) + answer.fingerprint,
            before: try text(before), after: try text(after))
        return try Self.auditWrites(entry)
    }
}

/// What was issued, before it is committed.
private struct IssuedIdentity {
    let identity: OperatorIdentity
    let bundle: CertificateBundle
    /// Whose it is, as PEM.
    let authority: [UInt8]
    /// That this is still the authority.
    let condition: StoreCondition
}

extension InstallationIssuer {
    /// A certificate for an operator, or an administrator of a tenant.
    fileprivate func issueIdentity(
        _ request: IdentityRequest, of tenant: String?, now: Int64
    ) async throws(IssuingFailure) -> IssuedIdentity {
        let (authority, condition) = try await self.authorityAndCondition(now: now)
        do {
            let identity = try OperatorIdentity(
                commonName: request.name,
                role: tenant.map { .tenantAdministrator(tenant: $0) } ?? .operator,
                installation: authority.installation)
            let validity = request.validSeconds.map { Duration.seconds($0) }
            let bundle = try authority.issue(
                to: identity, now: now, validity: validity ?? Limits.identityValidity)
            return IssuedIdentity(
                identity: identity, bundle: bundle, authority: authority.certificatePEM,
                condition: condition)
        } catch {
            throw IssuingFailure(reason: "\(error)")
        }
    }
}
