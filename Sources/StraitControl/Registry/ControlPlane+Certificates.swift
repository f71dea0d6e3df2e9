// What operators do to certificates and authorities, each until it is live.

internal import Foundation
internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitStore

/// A certificate as operators see it: facts and chain, never the key.
package struct CertificateAnswer: Codable, Hashable, Sendable {
    /// What operators call it.
    package var name: String
    /// The revision of the registry that wrote it last.
    package var revision: UInt64
    /// `upload` or `installation`.
    package var source: String
    /// The host names that it carries.
    package var names: [String]
    /// The first second of its validity, RFC 3339.
    package var notBefore: String
    /// The last one.
    package var notAfter: String
    /// `ec`, `rsa` or `ed25519`.
    package var keyType: String
    /// SHA-256 of the leaf, 64 lower-case hexadecimal digits.
    package var fingerprint: String
    /// PEM, the leaf first.
    package var chain: String

    init(_ certificate: RegisteredCertificate) {
        func time(_ seconds: Int64) -> String {
            Timestamp(seconds: seconds).description
        }
        let document = certificate.document
        self.name = certificate.name
        self.revision = certificate.row.changed
        self.source = document.source.rawValue
        self.names = document.names.map(\.description)
        self.notBefore = time(document.notBefore)
        self.notAfter = time(document.notAfter)
        self.keyType = document.keyType
        self.fingerprint = document.fingerprint
        self.chain = String(decoding: document.chainPEM, as: UTF8.self)
    }
}

/// All certificates of a tenant.
package struct CertificateListAnswer: Codable, Hashable, Sendable {
    /// In the order in which they are chosen from.
    package var certificates: [CertificateAnswer]
}

/// Authorities as operators see them.
package struct AuthorityAnswer: Codable, Hashable, Sendable {
    /// What operators call them.
    package var name: String
    /// The revision of the registry that wrote them last.
    package var revision: UInt64
    /// PEM.
    package var certificates: String
}

/// All authorities of a tenant.
package struct AuthorityListAnswer: Codable, Hashable, Sendable {
    /// By name.
    package var authorities: [AuthorityAnswer]
}

/// The installation's authority as operators see it.
package struct InstallationAuthorityAnswer: Codable, Hashable, Sendable {
    /// PEM: what to trust.
    package var certificate: String

    /// See the property.
    package init(certificate: String) { self.certificate = certificate }
}

extension ControlPlane {
    // MARK: Reading

    /// The certificates of a tenant.
    ///
    /// - Throws: ``RegistryRefusal``.
    package func certificates(
        of tenant: String
    ) async throws(RegistryRefusal) -> CertificateListAnswer {
        let (registry, live) = try self.registryAndLive()
        let found = try await registry.existing(tenant)
        return CertificateListAnswer(
            certificates: found.read(process: live.configuration).certificates
                .map { CertificateAnswer($0) })
    }

    /// One of them.
    ///
    /// - Throws: ``RegistryRefusal``.
    package func certificate(
        _ name: String, of tenant: String
    ) async throws(RegistryRefusal) -> CertificateAnswer {
        let all = try await self.certificates(of: tenant).certificates
        guard let found = all.first(where: { $0.name == name }) else {
            throw .absent("tenant \"\(tenant)\" has no certificate \"\(name)\"")
        }
        return found
    }

    /// The authorities of a tenant.
    ///
    /// - Throws: ``RegistryRefusal``.
    package func authorities(
        of tenant: String
    ) async throws(RegistryRefusal) -> AuthorityListAnswer {
        let (registry, _) = try self.registryAndLive()
        let found = try await registry.existing(tenant)
        return AuthorityListAnswer(
            authorities: found.rows.compactMap { row in
                RegistryKey.authority(of: row.key, tenant: tenant).map {
                    AuthorityAnswer(
                        name: $0, revision: row.changed,
                        certificates: String(decoding: row.value, as: UTF8.self))
                }
            })
    }

    /// One name of them.
    ///
    /// - Throws: ``RegistryRefusal``.
    package func authority(
        _ name: String, of tenant: String
    ) async throws(RegistryRefusal) -> AuthorityAnswer {
        let all = try await self.authorities(of: tenant).authorities
        guard let found = all.first(where: { $0.name == name }) else {
            throw .absent("tenant \"\(tenant)\" has no authorities \"\(name)\"")
        }
        return found
    }

    /// The certificate of the installation's authority, PEM.
    ///
    /// - Throws: ``RegistryRefusal``.
    package func installationAuthority() async throws(RegistryRefusal) -> String {
        let (registry, _) = try self.registryAndLive()
        do throws(StoreError) {
            guard let pem = try await registry.issuer?.certificatePEM() else {
                throw StoreError.unavailable("there is no installation's authority yet")
            }
            return String(decoding: pem, as: UTF8.self)
        } catch {
            throw .store(error)
        }
    }

    // MARK: Changes

    /// Takes a certificate in, or in place of the one of that name, and waits until every worker
    /// shows it.
    ///
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func putCertificate(
        _ name: String, of tenant: String, _ json: [UInt8], if precondition: Precondition,
        by actor: String, _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, change) = try self.change(
            of: tenant, if: precondition, by: manner == .tried ? nil : actor)
        let request: CertificateRequest
        do throws(JSONProblem) { request = try CertificateRequest(json: json) } catch {
            throw .wrong([error.problem(of: "\(tenant)/certificate/\(name)")])
        }
        let (revision, isNew) = try await registry.putCertificate(name, request, change)
        return await self.written(revision, isNew: isNew, since: begin, manner)
    }

    /// Takes a certificate out.
    ///
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func removeCertificate(
        _ name: String, of tenant: String, if precondition: Precondition, by actor: String,
        _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, change) = try self.change(
            of: tenant, if: precondition, by: manner == .tried ? nil : actor)
        let revision = try await registry.removeCertificate(name, change)
        return await self.written(revision, isNew: false, since: begin, manner)
    }

    /// Takes authorities in, or in place of those of that name.
    ///
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func putAuthority(
        _ name: String, of tenant: String, _ json: [UInt8], if precondition: Precondition,
        by actor: String, _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, change) = try self.change(
            of: tenant, if: precondition, by: manner == .tried ? nil : actor)
        let request: AuthorityRequest
        do throws(JSONProblem) { request = try AuthorityRequest(json: json) } catch {
            throw .wrong([error.problem(of: "\(tenant)/authority/\(name)")])
        }
        let (revision, isNew) = try await registry.putAuthority(
            name, request.certificatesPEM, change)
        return await self.written(revision, isNew: isNew, since: begin, manner)
    }

    /// Takes authorities out that nothing of the tenant names.
    ///
    /// - Throws: ``RegistryRefusal``; nothing was changed then.
    package func removeAuthority(
        _ name: String, of tenant: String, if precondition: Precondition, by actor: String,
        _ manner: WriteManner = .live
    ) async throws(RegistryRefusal) -> RegistryWrite {
        let begin = monotonicNow()
        let (registry, change) = try self.change(
            of: tenant, if: precondition, by: manner == .tried ? nil : actor)
        let revision = try await registry.removeAuthority(name, change)
        return await self.written(revision, isNew: false, since: begin, manner)
    }

    private func change(
        of tenant: String, if precondition: Precondition, by actor: String?
    ) throws(RegistryRefusal) -> (Registry, CertificateChange) {
        let (registry, live) = try self.registryAndLive()
        return (
            registry,
            CertificateChange(
                tenant: tenant, precondition: precondition, actor: actor,
                process: live.configuration
            ) { await self.problems(of: $0, maskingOthers: true) }
        )
    }
}
