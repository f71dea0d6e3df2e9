// The installation's own certificate authority: it makes host names, operators and tenants'
// administrators certificates at once, so that everything works from the first minute.
//
// No clock and no file: the time is a parameter, and whoever made an authority keeps it. Profile:
// RFC 5280 §4; one key type (ECDSA with P-256), which every program of today verifies.

internal import Crypto
internal import Foundation
package import StraitCore
internal import SwiftASN1
internal import X509

/// A certificate authority with its private key.
package struct InstallationAuthority: Sendable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    /// Whose authority it is; the host of ``OperatorIdentity/uri``.
    package let installation: HostName
    /// Its certificate, DER.
    package let certificateDER: [UInt8]
    let certificate: Certificate
    let identifier: SubjectKeyIdentifier
    let signingKey: P256.Signing.PrivateKey

    // MARK: Making one

    /// Makes a new one with a key of its own, good for ten years.
    ///
    /// - Parameters:
    ///   - installation: The installation's name; nil for a random one below `strait.internal`,
    ///     which no public DNS has.
    ///   - now: Seconds since 1970.
    /// - Returns: The authority; ``certificateDER`` and ``key`` are what to keep of it.
    /// - Throws: ``IdentityError/refused(_:)`` for a time without a year of four digits.
    package static func create(
        installation: HostName? = nil, now: Int64
    ) throws(IdentityError) -> InstallationAuthority {
        let name = if let installation { installation } else { try Self.randomInstallation() }
        let period = try Self.period(now: now, validity: Limits.authorityValidity)
        let key = P256.Signing.PrivateKey()
        do {
            let identifier = SubjectKeyIdentifier(hash: .init(key.publicKey))
            // Different for each key: who knows an old and a new authority takes the right one.
            let subject = try DistinguishedName {
                OrganizationName("Strait")
                CommonName("Strait authority \(hexadecimal(identifier.keyIdentifier.prefix(8)))")
            }
            let certificate = try Certificate(
                version: .v3, serialNumber: Self.randomSerialNumber(),
                publicKey: .init(key.publicKey), notValidBefore: period.start,
                notValidAfter: period.end, issuer: subject, subject: subject,
                extensions: Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    identifier
                    SubjectAlternativeNames([.uniformResourceIdentifier(Self.uri(of: name))])
                }, issuerPrivateKey: .init(key))
            return try InstallationAuthority(
                certificateDER: derBytes(certificate),
                key: SecretBytes(Array(key.derRepresentation)))
        } catch let error as IdentityError {
            throw error
        } catch {
            throw .unusable("the authority cannot be made: \(error)")
        }
    }

    /// Takes up one that was made before.
    ///
    /// - Parameters:
    ///   - certificateDER: ``certificateDER``.
    ///   - key: ``key``: PKCS#8, DER.
    /// - Throws: ``IdentityError/unusable(_:)`` where they do not belong together, or are not what
    ///   ``create(installation:now:)`` makes.
    package init(certificateDER: [UInt8], key: SecretBytes) throws(IdentityError) {
        let certificate = try readCertificate(certificateDER, what: "the authority's certificate")
        do {
            self.signingKey = try P256.Signing.PrivateKey(derRepresentation: key.revealed)
        } catch {
            throw .unusable("the authority's key is no P-256 key in PKCS#8")
        }
        let publicKey = Certificate.PublicKey(self.signingKey.publicKey)
        guard certificate.publicKey == publicKey else {
            throw .unusable("the authority's key does not belong to its certificate")
        }
        guard certificate.issuer == certificate.subject,
            publicKey.isValidSignature(certificate.signature, for: certificate),
            Self.maySign(certificate)
        else { throw .unusable("the authority's certificate is none of an authority's own") }
        do {
            guard let identifier = try certificate.extensions.subjectKeyIdentifier,
                let names = try certificate.extensions.subjectAlternativeNames,
                names.count == 1, case .uniformResourceIdentifier(let uri)? = names.first,
                let installation = Self.installation(uri: uri)
            else { throw IdentityError.unusable("the authority's certificate names nobody") }
            self.identifier = identifier
            self.installation = installation
        } catch {
            throw .unusable("the authority's certificate does not say whose it is")
        }
        self.certificate = certificate
        self.certificateDER = certificateDER
    }

    /// The same, from PEM.
    package init(certificatePEM: [UInt8], keyPEM: SecretBytes) throws(IdentityError) {
        do {
            let certificate = try PEMDocument(
                pemString: String(decoding: certificatePEM, as: UTF8.self))
            let key = try PEMDocument(pemString: String(decoding: keyPEM.revealed, as: UTF8.self))
            guard certificate.discriminator == "CERTIFICATE", key.discriminator == "PRIVATE KEY"
            else { throw IdentityError.unusable("not a certificate and a key in PKCS#8") }
            try self.init(certificateDER: certificate.derBytes, key: SecretBytes(key.derBytes))
        } catch let error as IdentityError {
            throw error
        } catch {
            throw .unusable("the authority is no PEM certificate with a PEM key in PKCS#8")
        }
    }

    // MARK: Reading

    /// Its certificate as PEM: what others trust.
    package var certificatePEM: [UInt8] { pemText(self.certificateDER, label: "CERTIFICATE") }

    /// Its key, PKCS#8 in DER: to be sealed.
    package var key: SecretBytes { SecretBytes(Array(self.signingKey.derRepresentation)) }

    /// Its key as PEM, PKCS#8.
    package var keyPEM: SecretBytes {
        SecretBytes(pemText(self.key.revealed, label: "PRIVATE KEY"))
    }

    /// The first and the last second of its validity, since 1970.
    package var notBefore: Int64 { Int64(self.certificate.notValidBefore.timeIntervalSince1970) }

    /// See ``notBefore``.
    package var notAfter: Int64 { Int64(self.certificate.notValidAfter.timeIntervalSince1970) }

    /// Its name, without its key.
    package var description: String { "authority of \(self.installation)" }

    /// The same.
    package var debugDescription: String { self.description }

    /// Without children, as the key is one of them.
    package var customMirror: Mirror { Mirror(self, unlabeledChildren: EmptyCollection<Never>()) }

    // MARK: Parts

    private static func uri(of installation: HostName) -> String {
        "strait://\(installation)/authority"
    }

    private static func installation(uri: String) -> HostName? {
        guard uri.hasPrefix("strait://"), uri.hasSuffix("/authority"),
            let name = HostName(String(uri.dropFirst(9).dropLast(10))),
            self.uri(of: name) == uri
        else { return nil }
        return name
    }

    private static func randomInstallation() throws(IdentityError) -> HostName {
        let label = hexadecimal(randomBytes(8))
        guard let name = HostName("\(label).strait.internal") else {
            throw .unusable("no name for the installation")
        }
        return name
    }
}

extension InstallationAuthority {
    /// From an hour before `now`, for clocks that are behind, to `validity` after it.
    static func period(
        now: Int64, validity: Duration
    ) throws(IdentityError) -> (start: Date, end: Date) {
        // Years of four digits, RFC 5280 §4.1.2.5.2.
        guard (Limits.certificateBackdatingSeconds...timeMax).contains(now) else {
            throw .refused("a time of \(now) seconds since 1970")
        }
        guard (Limits.certificateValidityMin...Limits.authorityValidity).contains(validity) else {
            throw .refused("a certificate is good for a minute to ten years")
        }
        return (
            Date(timeIntervalSince1970: Double(now - Limits.certificateBackdatingSeconds)),
            Date(timeIntervalSince1970: Double(now + validity.components.seconds))
        )
    }

    /// 128 random bits, the first one 0 so that it is positive, and not 0; RFC 5280 §4.1.2.2.
    static func randomSerialNumber() -> Certificate.SerialNumber {
        var bytes = randomBytes(16)
        bytes[0] = bytes[0] & 0x7F | 0x40
        return Certificate.SerialNumber(bytes: bytes)
    }

    private static func randomBytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    private static func maySign(_ certificate: Certificate) -> Bool {
        do {
            guard case .isCertificateAuthority? = try certificate.extensions.basicConstraints
            else { return false }
            return try certificate.extensions.keyUsage?.keyCertSign ?? false
        } catch {
            return false
        }
    }

    /// The end of the year 9900, with room behind it.
    private static let timeMax: Int64 = 250_250_000_000
}

/// Reads DER; `what` is its name in messages.
func readCertificate(
    _ der: [UInt8], what: String
) throws(IdentityError) -> Certificate {
    do {
        return try Certificate(derEncoded: der)
    } catch {
        throw .unusable("\(what) cannot be read")
    }
}

/// A certificate as DER.
func derBytes(_ certificate: Certificate) throws -> [UInt8] {
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    return serializer.serializedBytes
}
