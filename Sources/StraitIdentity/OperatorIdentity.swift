// Who may use the operator API, as a client certificate says it.
//
// The role stands in the certificate's one alternative name, a URI (RFC 5280 §4.2.1.6) whose host
// is the installation's own name, so that a certificate of another installation says something
// else:
//
//     strait://INSTALLATION/operator
//     strait://INSTALLATION/tenant/TENANT/administrator
//
// The subject repeats it for people: the common name says who it is and goes into audit rows; the
// organisation (`strait:operator`, `strait:tenant-admin`) and its unit (the tenant) are never read.

private import Foundation
package import StraitCore
internal import X509

/// A person or program at the operator API, and what it may do.
package struct OperatorIdentity: Hashable, Sendable, CustomStringConvertible {
    /// What somebody may do.
    package enum Role: Hashable, Sendable {
        /// Everything.
        case `operator`
        /// Everything that concerns one tenant.
        case tenantAdministrator(tenant: String)
    }

    /// Whose authority a certificate was verified with; what it says counts within that alone.
    package enum Authority: Hashable, Sendable {
        /// The installation's own: any role.
        case installation
        /// The user authority of a tenant: administrators of this tenant, whatever it signs.
        case tenant(String)
    }

    /// Who it is, for people and audit rows: 1 to 64 characters, none of them a control character.
    package let commonName: String
    /// What it may do.
    package let role: Role
    /// Where.
    package let installation: HostName

    /// - Throws: ``IdentityError/refused(_:)`` where the name or the tenant is no name.
    package init(
        commonName: String, role: Role, installation: HostName
    ) throws(IdentityError) {
        guard Self.isCommonName(commonName) else {
            throw .refused(
                "a common name has 1 to \(Self.commonNameMax) characters, none of them a control "
                    + "character")
        }
        if case .tenantAdministrator(let tenant) = role, !Self.isTenantName(tenant) {
            throw .refused("\(quoted(tenant)) is no tenant's name")
        }
        self.commonName = commonName
        self.role = role
        self.installation = installation
    }

    /// Reads a client certificate that was verified, its validity and signature included, with the
    /// certificate of `authority`.
    ///
    /// - Throws: ``IdentityError/unusable(_:)`` where it says anything but one role of this
    ///   installation that `authority` can give.
    package init(
        certificateDER: [UInt8], verifiedBy authority: Authority, installation: HostName
    ) throws(IdentityError) {
        let certificate = try readCertificate(certificateDER, what: "the client certificate")
        let usages: ExtendedKeyUsage?
        let constraints: BasicConstraints?
        let alternatives: SubjectAlternativeNames?
        do {
            usages = try certificate.extensions.extendedKeyUsage
            constraints = try certificate.extensions.basicConstraints
            alternatives = try certificate.extensions.subjectAlternativeNames
        } catch {
            throw .unusable("an extension of the client certificate cannot be read")
        }
        if case .isCertificateAuthority? = constraints {
            throw .unusable("the client certificate is an authority's")
        }
        guard let usages, Array(usages) == [.clientAuth] else {
            throw .unusable("the client certificate is for something else than clients, too")
        }
        guard let alternatives, alternatives.count == 1,
            case .uniformResourceIdentifier(let uri)? = alternatives.first
        else { throw .unusable("the client certificate has not one URI as its alternative name") }
        let role = try Self.role(uri: uri, installation: installation)
        if case .tenant(let tenant) = authority, role != .tenantAdministrator(tenant: tenant) {
            throw .unusable("the authority of tenant \(tenant) cannot give \(quoted(uri))")
        }
        self.role = role
        self.installation = installation
        self.commonName = try Self.commonName(of: certificate)
    }

    /// What a certificate that was verified with an installation's authority says, whichever
    /// installation that is, and whether it was withdrawn or not; nil: nothing that counts.
    package static func claimedRole(certificateDER: [UInt8]) -> Role? {
        do {
            let certificate = try readCertificate(certificateDER, what: "the client certificate")
            guard
                case .uniformResourceIdentifier(let uri)? =
                    try certificate.extensions.subjectAlternativeNames?.first
            else { return nil }
            let host = uri.dropFirst("strait://".count).prefix { $0 != "/" }
            return try HostName(String(host)).map { try Self.role(uri: uri, installation: $0) }
        } catch {
            return nil  // what cannot be read says nothing
        }
    }

    /// As it stands in the certificate.
    package var uri: String { Self.uri(of: self.role, installation: self.installation) }

    /// `anna (strait://edge.example.com/operator)`.
    package var description: String { "\(self.commonName) (\(self.uri))" }

    /// The role that `uri` gives in `installation`; there is one spelling of each.
    static func role(uri: String, installation: HostName) throws(IdentityError) -> Role {
        let prefix = "strait://\(installation)/"
        guard uri.utf8.starts(with: prefix.utf8) else {
            throw .unusable("\(quoted(uri)) is of another installation than \(installation)")
        }
        let path = uri.utf8.dropFirst(prefix.utf8.count)
            .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        if path == ["operator"] { return .operator }
        guard path.count == 3, path[0] == "tenant", path[2] == "administrator",
            self.isTenantName(path[1])
        else { throw .unusable("\(quoted(uri)) is no role") }
        return .tenantAdministrator(tenant: path[1])
    }

    /// The subject, for people.
    func subject() throws -> DistinguishedName {
        switch self.role {
        case .operator:
            try DistinguishedName {
                OrganizationName("strait:operator")
                CommonName(self.commonName)
            }
        case .tenantAdministrator(let tenant):
            try DistinguishedName {
                OrganizationName("strait:tenant-admin")
                OrganizationalUnitName(tenant)
                CommonName(self.commonName)
            }
        }
    }

    private static func uri(of role: Role, installation: HostName) -> String {
        switch role {
        case .operator: "strait://\(installation)/operator"
        case .tenantAdministrator(let tenant):
            "strait://\(installation)/tenant/\(tenant)/administrator"
        }
    }

    private static func commonName(of certificate: Certificate) throws(IdentityError) -> String {
        let names = certificate.subject.flatMap { $0 }.filter {
            $0.type == .RDNAttributeType.commonName
        }
        guard names.count == 1, let name = String(names[0].value), self.isCommonName(name) else {
            throw .unusable("the client certificate has not one common name that can be shown")
        }
        return name
    }

    private static func isCommonName(_ text: String) -> Bool {
        (1...self.commonNameMax).contains(text.unicodeScalars.count)
            && text.unicodeScalars.allSatisfy(isShowable)
    }

    /// A DNS label in lower case, underscores allowed inside: a tenant's name as the configuration
    /// has it, which needs no escape in a URI.
    private static func isTenantName(_ text: String) -> Bool {
        let isEdge = { (byte: UInt8) in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard (1...63).contains(text.utf8.count), let first = text.utf8.first,
            let last = text.utf8.last, isEdge(first), isEdge(last)
        else { return false }
        return text.utf8.allSatisfy {
            isEdge($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
        }
    }

    /// `ub-common-name`, RFC 5280 appendix A.1.
    static let commonNameMax = 64
}
