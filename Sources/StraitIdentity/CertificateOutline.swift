// The algorithms of a certificate or a key, read where X509 reads nothing at all because it does
// not know them: what is too weak can then be named.

internal import SwiftASN1

/// Which algorithms a certificate uses.
struct CertificateOutline: Sendable {
    /// What it is signed with.
    let signature: ASN1ObjectIdentifier
    /// What kind of key it is about.
    let key: ASN1ObjectIdentifier
    /// The curve of an elliptic key.
    let curve: ASN1ObjectIdentifier?
    /// The length of the modulus of an RSA key.
    let modulusBits: Int?

    /// Nil where it is no certificate; RFC 5280 §4.1.
    init?(der: [UInt8]) {
        do {
            let root = try DER.parse(der)
            guard let parts = Self.children(root), parts.count == 3,
                let algorithm = Self.children(parts[1])?.first,
                var fields = Self.children(parts[0])
            else { return nil }
            let isVersion = ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific)
            if fields.first?.identifier == isVersion { fields.removeFirst() }
            // Serial number, signature, issuer, validity, subject, key.
            guard fields.count > 5, let keyParts = Self.children(fields[5]), keyParts.count == 2,
                let keyAlgorithm = Self.children(keyParts[0]), let kind = keyAlgorithm.first
            else { return nil }
            self.signature = try ASN1ObjectIdentifier(derEncoded: algorithm)
            self.key = try ASN1ObjectIdentifier(derEncoded: kind)
            guard self.key != .rsaKey else {
                let bits = try ASN1BitString(derEncoded: keyParts[1])
                self.modulusBits = Self.modulusBits(pkcs1: Array(bits.bytes), at: 0)
                self.curve = nil
                return
            }
            self.modulusBits = nil
            self.curve = try keyAlgorithm.dropFirst().first.flatMap {
                $0.identifier == .objectIdentifier
                    ? try ASN1ObjectIdentifier(derEncoded: $0) : nil
            }
        } catch {
            return nil
        }
    }

    /// The length of the modulus that is member `index` of a PKCS#1 sequence: 0 of a public key,
    /// 1 of a private one (RFC 8017 appendix A.1).
    static func modulusBits(pkcs1: [UInt8], at index: Int) -> Int? {
        do {
            guard let parts = self.children(try DER.parse(pkcs1)), parts.count > index,
                parts[index].identifier == .integer,
                case .primitive(let bytes) = parts[index].content
            else { return nil }
            let magnitude = bytes.drop { $0 == 0 }
            return magnitude.count * 8 - (magnitude.first?.leadingZeroBitCount ?? 0)
        } catch {
            return nil
        }
    }

    /// The same for a key in PKCS#8, RFC 5958 §2.
    static func modulusBits(pkcs8: [UInt8]) -> Int? {
        do {
            guard let parts = self.children(try DER.parse(pkcs8)), parts.count > 2,
                let algorithm = self.children(parts[1])?.first,
                try ASN1ObjectIdentifier(derEncoded: algorithm) == .rsaKey,
                case .primitive(let bytes) = parts[2].content
            else { return nil }
            return self.modulusBits(pkcs1: Array(bytes), at: 1)
        } catch {
            return nil
        }
    }

    private static func children(_ node: ASN1Node) -> [ASN1Node]? {
        guard case .constructed(let nodes) = node.content else { return nil }
        return Array(nodes)
    }
}

extension CertificateOutline {
    /// Whether the signature rests on MD2, MD4, MD5 or SHA-1.
    var isSignatureWeak: Bool { Self.weakSignatures.contains(self.signature) }

    /// Whether the key is RSA with less than 2048 bits.
    var isKeyWeak: Bool { self.modulusBits.map { $0 < Self.modulusBitsMin } ?? false }

    /// Whether the key is RSA with more bits than ``modulusBitsMax``.
    var isKeySlow: Bool { self.modulusBits.map { $0 > Self.modulusBitsMax } ?? false }

    /// Whether X509 can verify with both.
    var isSupported: Bool {
        let isKey =
            switch self.key {
            case .rsaKey, .ed25519: true
            case .ellipticKey: self.curve.map { Self.curves.contains($0) } ?? false
            default: false
            }
        return isKey && Self.signatures.contains(self.signature)
    }

    /// What is usual since 2014; CA/Browser Forum Baseline Requirements §6.1.5.
    static let modulusBitsMin = 2048
    /// What authorities issue at most.
    ///
    /// Time to sign grows by the third power, and a worker's other
    /// tenants wait for it: 16,384 bits take 60 times as long as 4096.
    static let modulusBitsMax = 4096

    /// With RSA (RFC 8017 appendix C), ECDSA (RFC 3279 §2.2.3) and DSA (§2.2.2).
    private static let weakSignatures: Set<ASN1ObjectIdentifier> = [
        [1, 2, 840, 113549, 1, 1, 2], [1, 2, 840, 113549, 1, 1, 3], [1, 2, 840, 113549, 1, 1, 4],
        [1, 2, 840, 113549, 1, 1, 5], [1, 2, 840, 10045, 4, 1], [1, 2, 840, 10040, 4, 3],
    ]

    /// RSA PKCS#1 with SHA-2, ECDSA with SHA-2, Ed25519.
    private static let signatures: Set<ASN1ObjectIdentifier> = [
        [1, 2, 840, 113549, 1, 1, 11], [1, 2, 840, 113549, 1, 1, 12],
        [1, 2, 840, 113549, 1, 1, 13], [1, 2, 840, 10045, 4, 3, 2], [1, 2, 840, 10045, 4, 3, 3],
        [1, 2, 840, 10045, 4, 3, 4], .ed25519,
    ]

    /// P-256, P-384, P-521.
    private static let curves: Set<ASN1ObjectIdentifier> = [
        [1, 2, 840, 10045, 3, 1, 7], [1, 3, 132, 0, 34], [1, 3, 132, 0, 35],
    ]
}

extension ASN1ObjectIdentifier {
    /// RFC 3279 §2.3.1.
    static let rsaKey: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 1, 1]
    /// RFC 5480 §2.1.1.
    static let ellipticKey: ASN1ObjectIdentifier = [1, 2, 840, 10045, 2, 1]
    /// RFC 8410 §3.
    static let ed25519: ASN1ObjectIdentifier = [1, 3, 101, 112]
}
