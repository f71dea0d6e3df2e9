// Who asks the operator API, and what it may do.

internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitStore

/// Somebody at the operator API.
package struct Caller: Hashable, Sendable {
    /// What it may do.
    package enum Role: Hashable, Sendable {
        /// Everything.
        case `operator`
        /// Everything that concerns one tenant.
        case tenantAdministrator(tenant: String)

        /// For people: `operator`, `administrator of tenant acme`.
        package var text: String {
            switch self {
            case .operator: "operator"
            case .tenantAdministrator(let tenant): "administrator of tenant \(tenant)"
            }
        }
    }

    /// What audit rows have: `operator` at the socket, else the certificate's common name and role.
    package let name: String
    /// What it may do.
    package let role: Role
    /// SHA-256 of its certificate, 64 lower-case hexadecimal digits; nil at the socket.
    package let fingerprint: String?

    /// See the properties.
    package init(name: String, role: Role, fingerprint: String? = nil) {
        self.name = name
        self.role = role
        self.fingerprint = fingerprint
    }

    /// Whoever may open the operators' socket.
    package static let socket = Caller(name: "operator", role: .operator)

    /// The only tenant that it may touch and see; nil: all.
    package var tenant: String? {
        if case .tenantAdministrator(let tenant) = self.role { tenant } else { nil }
    }
}

/// What the operator API tells somebody of itself.
package struct WhoAsksAnswer: Codable, Hashable, Sendable {
    /// As audit rows have it.
    package var name: String
    /// `operator` or `administrator`.
    package var role: String
    /// Whose administrator it is.
    package var tenant: String?
    /// SHA-256 of its certificate; nil at the socket.
    package var fingerprint: String?

    /// What `caller` is told.
    package init(_ caller: Caller) {
        self.name = caller.name
        self.role = caller.tenant == nil ? "operator" : "administrator"
        self.tenant = caller.tenant
        self.fingerprint = caller.fingerprint
    }
}

/// Why somebody is nobody to the operator API.
package enum CallerRefusal: Error, Hashable, Sendable {
    /// The certificate says nothing that counts here, or is withdrawn; a sentence.
    case unknown(String)
    /// Whether it counts cannot be found out now; a sentence.
    case unavailable(String)
}

extension ControlPlane {
    /// Who shows a certificate that was verified with the installation's authority.
    ///
    /// Only those count that were issued here and not withdrawn since: their rows go with their
    /// tenant, so that one who administered a tenant that is gone is nobody to the next of that
    /// name.
    ///
    /// - Parameter certificateDER: As the operators' listener has verified it.
    /// - Returns: Who it is.
    /// - Throws: ``CallerRefusal``.
    package func caller(certificateDER: [UInt8]) async throws(CallerRefusal) -> Caller {
        let material = self.compiler.operators?.material
        guard let registry = self.registry, let installation = material?.installation
        else { throw .unavailable("this router has no authority") }
        let identity: OperatorIdentity
        do throws(IdentityError) {
            identity = try OperatorIdentity(
                certificateDER: certificateDER, verifiedBy: .installation,
                installation: installation)
        } catch {
            throw .unknown("\(error)")
        }
        let fingerprint = certificateFingerprint(certificateDER)
        let role = Caller.Role(identity.role)
        let known: IdentityDocument?
        do throws(StoreError) {
            known = try await registry.identity(fingerprint, of: role.tenant)
        } catch {
            throw .unavailable(error.text)
        }
        guard let known else {
            throw .unknown("the certificate was withdrawn, or is of a tenant that is gone")
        }
        // The handshake saw it good; the connection may be old.
        guard wallClockSeconds() <= known.notAfter else {
            throw .unknown("the certificate has expired")
        }
        return Caller(name: identity.description, role: role, fingerprint: fingerprint)
    }
}

extension Caller.Role {
    init(_ role: OperatorIdentity.Role) {
        switch role {
        case .operator: self = .operator
        case .tenantAdministrator(let tenant): self = .tenantAdministrator(tenant: tenant)
        }
    }

    /// What a verified certificate says of itself; nil: nothing that counts.
    ///
    /// It may be withdrawn: this bounds what it takes, and grants nothing.
    package static func claimed(certificateDER: [UInt8]) -> Caller.Role? {
        OperatorIdentity.claimedRole(certificateDER: certificateDER).map { Caller.Role($0) }
    }

    /// The only tenant that it concerns; nil: all.
    package var tenant: String? {
        if case .tenantAdministrator(let tenant) = self { tenant } else { nil }
    }
}
