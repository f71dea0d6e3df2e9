// A certificate with its chain and key, as the store keeps it and a worker loads it, whoever made
// it.

private import Crypto
private import Foundation
internal import SwiftASN1
internal import X509

/// A certificate that can be shown: chain, key, and what it says.
package struct CertificateBundle: Sendable, Equatable {
    /// DER, the leaf first, each signed by the next; a root may be absent (RFC 8446 §4.4.2).
    package let chain: [[UInt8]]
    /// The leaf's key, PKCS#8 in DER.
    package let key: SecretBytes
    /// The DNS names of the leaf, in its order; none in a certificate for a person.
    package let names: [CertificateName]
    /// The first and the last second of the leaf's validity, since 1970.
    package let notBefore, notAfter: Int64
    /// `ec`, `rsa` or `ed25519`.
    package let keyType: String
    /// SHA-256 of the leaf, 64 lower-case hexadecimal digits.
    package let fingerprint: String
    /// The leaf's serial number, lower-case hexadecimal digits, two for each byte.
    package let serialNumber: String
    /// Who signed the leaf, and whom it names, in the order of RFC 4514.
    package let issuer, subject: String

    /// Both are known to be good and to belong together.
    init(leaf: Certificate, chain: [[UInt8]], key: SecretBytes, names: [CertificateName]) {
        self.chain = chain
        self.key = key
        self.names = names
        self.notBefore = Int64(leaf.notValidBefore.timeIntervalSince1970)
        self.notAfter = Int64(leaf.notValidAfter.timeIntervalSince1970)
        self.keyType = leaf.publicKey.typeName
        self.fingerprint = certificateFingerprint(chain.first ?? [])
        self.serialNumber = hexadecimal(leaf.serialNumber.bytes)
        self.issuer = leaf.issuer.description
        self.subject = leaf.subject.description
    }

    /// The chain as PEM, leaf first.
    package var chainPEM: [UInt8] {
        self.chain.flatMap { pemText($0, label: "CERTIFICATE") }
    }

    /// The key as PEM, PKCS#8.
    package var keyPEM: SecretBytes { self.key.privateKeyPEM }
}

extension SecretBytes {
    /// A key in PKCS#8 as PEM.
    package var privateKeyPEM: SecretBytes {
        SecretBytes(pemText(self.revealed, label: "PRIVATE KEY"))
    }
}

extension Certificate.PublicKey {
    /// As `TLSCertificateFacts` says it.
    var typeName: String {
        if P256.Signing.PublicKey(self) != nil || P384.Signing.PublicKey(self) != nil
            || P521.Signing.PublicKey(self) != nil
        {
            return "ec"
        }
        return Curve25519.Signing.PublicKey(self) != nil ? "ed25519" : "rsa"
    }
}

/// SHA-256 of a certificate, 64 lower-case hexadecimal digits.
package func certificateFingerprint(_ der: [UInt8]) -> String {
    hexadecimal(SHA256.hash(data: der))
}

/// Two lower-case digits for each byte.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.reduce(into: "") { text, byte in
        text += byte < 16 ? "0" : ""
        text += String(byte, radix: 16)
    }
}

/// PEM with a line feed at its end, RFC 7468 §2.
func pemText(_ der: [UInt8], label: String) -> [UInt8] {
    Array((PEMDocument(type: label, derBytes: der).pemString + "\n").utf8)
}
