// The file by which an operator's program says who it is: its certificate, the key, and the
// authority that the router's certificate is verified with. All PEM, in any order but that the
// operator's own certificate comes before the authority's.

internal import Foundation
internal import StraitCore
internal import SwiftASN1
internal import X509

/// An operator's certificate, its key, and whom it trusts.
package struct IdentityFile: Sendable {
    /// Who it says it is; whether a router agrees, only that one knows.
    package let identity: OperatorIdentity
    /// The last second of its validity, since 1970.
    package let notAfter: Int64
    /// PEM of the operator's certificate.
    package let certificatePEM: [UInt8]
    /// PEM of its key.
    package let keyPEM: SecretBytes
    /// PEM of the authorities that the router's certificate is verified with.
    package let authoritiesPEM: [UInt8]

    /// Reads a file's contents.
    ///
    /// - Throws: ``IdentityError/unusable(_:)`` where something of it is missing.
    package init(pem: SecretBytes) throws(IdentityError) {
        let documents: [PEMDocument]
        do {
            documents = try PEMDocument.parseMultiple(
                pemString: String(decoding: pem.revealed, as: UTF8.self))
        } catch {
            throw .unusable("it is no PEM")
        }
        let certificates = documents.filter { $0.discriminator == "CERTIFICATE" }
        guard let key = documents.first(where: { $0.discriminator.hasSuffix("PRIVATE KEY") }),
            let own = certificates.first, certificates.count > 1
        else {
            throw .unusable(
                "it has not a private key, a certificate and the authority's certificate")
        }
        self.identity = try OperatorIdentity(shownBy: own.derBytes)
        self.notAfter = Int64(
            try readCertificate(own.derBytes, what: "the certificate").notValidAfter
                .timeIntervalSince1970)
        self.certificatePEM = pemText(own.derBytes, label: "CERTIFICATE")
        self.keyPEM = SecretBytes(pemText(key.derBytes, label: key.discriminator))
        self.authoritiesPEM = certificates.dropFirst().flatMap {
            pemText($0.derBytes, label: "CERTIFICATE")
        }
    }
}

extension OperatorIdentity {
    /// What a certificate says of itself, whoever has signed it: for people.
    fileprivate init(shownBy der: [UInt8]) throws(IdentityError) {
        let certificate = try readCertificate(der, what: "the certificate")
        let names: SubjectAlternativeNames?
        do { names = try certificate.extensions.subjectAlternativeNames } catch { names = nil }
        guard let names, case .uniformResourceIdentifier(let uri)? = names.first,
            let rest = uri.firstRange(of: "strait://").map({ uri[$0.upperBound...] }),
            let installation = HostName(String(rest.prefix { $0 != "/" }))
        else { throw .unusable("the certificate is no operator's") }
        try self.init(
            certificateDER: der, verifiedBy: .installation, installation: installation)
    }
}
