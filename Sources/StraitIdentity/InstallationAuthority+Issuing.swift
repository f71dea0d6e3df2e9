// What the installation's authority signs.

internal import Crypto
internal import Foundation
package import StraitCore
internal import SwiftASN1
internal import X509

extension InstallationAuthority {
    /// A certificate for host names, with a new key.
    ///
    /// The chain is the leaf alone: who trusts the authority has its certificate. It ends with the
    /// authority at the latest.
    ///
    /// - Parameters:
    ///   - names: At most ``Limits/certificateNamesMax``; what stands there twice counts once.
    ///   - addresses: IP addresses beside them, as many; one of both at least.
    ///   - now: Seconds since 1970.
    ///   - validity: A minute to ten years.
    /// - Returns: The certificate and its key; the authority keeps neither.
    /// - Throws: ``IdentityError/refused(_:)`` or ``IdentityError/notInForce(_:)``.
    package func issue(
        for names: [CertificateName], addresses: [IPAddress] = [], now: Int64,
        validity: Duration = Limits.certificateValidity
    ) throws(IdentityError) -> CertificateBundle {
        var known: Set<CertificateName> = []
        let names = names.filter { known.insert($0).inserted }
        let count = names.count + addresses.count
        guard (1...Limits.certificateNamesMax).contains(count) else {
            throw .refused("\(count) names; expected 1 to \(Limits.certificateNamesMax)")
        }
        // The first that fits: browsers do not read it, but people do.
        let common = names.map(\.description)
            .first { $0.utf8.count <= OperatorIdentity.commonNameMax }
        return try self.sign(
            subject: {
                guard let common else { return DistinguishedName() }
                return try DistinguishedName { CommonName(common) }
            },
            alternatives: names.map { .dnsName($0.description) }
                + addresses.map {
                    .ipAddress(ASN1OctetString(contentBytes: networkBytes($0)[...]))
                },
            usage: .serverAuth, names: names, now: now, validity: validity)
    }

    /// A client certificate for a person or program at the operator API, with a new key.
    ///
    /// - Throws: ``IdentityError/refused(_:)``, also for an identity of another installation, or
    ///   ``IdentityError/notInForce(_:)``.
    package func issue(
        to identity: OperatorIdentity, now: Int64,
        validity: Duration = Limits.certificateValidity
    ) throws(IdentityError) -> CertificateBundle {
        guard identity.installation == self.installation else {
            throw .refused("\(identity) is of another installation than \(self.installation)")
        }
        return try self.sign(
            subject: identity.subject, alternatives: [.uniformResourceIdentifier(identity.uri)],
            usage: .clientAuth, names: [], now: now, validity: validity)
    }

    private func sign(
        subject: () throws -> DistinguishedName, alternatives: [GeneralName],
        usage: ExtendedKeyUsage.Usage, names: [CertificateName], now: Int64, validity: Duration
    ) throws(IdentityError) -> CertificateBundle {
        guard (self.notBefore...self.notAfter).contains(now) else {
            throw .notInForce(
                "the \(self) is good from \(self.notBefore) to \(self.notAfter); now is \(now)")
        }
        let period = try Self.period(now: now, validity: validity)
        let key = P256.Signing.PrivateKey()
        do {
            let subject = try subject()
            // Critical where nothing else says whom it is about, RFC 5280 §4.2.1.6.
            let alternatives = try Certificate.Extension(
                SubjectAlternativeNames(alternatives), critical: subject.isEmpty)
            let leaf = try Certificate(
                version: .v3, serialNumber: Self.randomSerialNumber(),
                publicKey: .init(key.publicKey),
                notValidBefore: max(period.start, self.certificate.notValidBefore),
                notValidAfter: min(period.end, self.certificate.notValidAfter),
                issuer: self.certificate.subject, subject: subject,
                extensions: Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([usage])
                    alternatives
                    SubjectKeyIdentifier(hash: .init(key.publicKey))
                    AuthorityKeyIdentifier(keyIdentifier: self.identifier.keyIdentifier)
                }, issuerPrivateKey: .init(self.signingKey))
            return CertificateBundle(
                leaf: leaf, chain: [try derBytes(leaf)],
                key: SecretBytes(Array(key.derRepresentation)), names: names)
        } catch {
            throw .unusable("the certificate cannot be made: \(error)")
        }
    }
}

/// 4 or 16 bytes, RFC 5280 §4.2.1.6.
private func networkBytes(_ address: IPAddress) -> [UInt8] {
    let bytes = [address.high, address.low].flatMap { half in
        (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(56 - 8 * $0)) }
    }
    return address.isIPv4 ? Array(bytes.suffix(4)) : bytes
}
