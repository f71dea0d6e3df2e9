// A chain and a key that somebody wants to use for host names: taken in one form, or refused with
// everything that is wrong.
//
// Stricter than what loads them (OpenSSL takes text around, certificates in any order behind the
// leaf, and names of strangers), because whoever uploads is there to mend it. Pure: the time is a
// parameter, and who owns a name is asked.

private import Foundation
internal import StraitCore
private import StraitTLS
internal import SwiftASN1
internal import X509

/// The check of an upload.
package enum CertificateUpload {
    /// Checks a chain and the key of its leaf.
    ///
    /// How the certificates belong together, and what the leaf says, is judged where all of them
    /// can be read; those with RSA keys below 2048 bits or of unknown algorithms cannot.
    ///
    /// - Parameters:
    ///   - chainPEM: Certificates, the leaf first, each signed by the next.
    ///   - keyPEM: PKCS#8, SEC1 or PKCS#1, unencrypted.
    ///   - now: Seconds since 1970.
    ///   - owns: Whether the tenant may have certificates with this name.
    /// - Returns: What can be stored and shown, the key as PKCS#8.
    /// - Throws: ``CertificateRefusal`` with every problem.
    package static func check(
        chainPEM: [UInt8], keyPEM: SecretBytes, now: Int64?,
        owns: (CertificateName) -> Bool
    ) throws(CertificateRefusal) -> CertificateBundle {
        var check = UploadCheck(now: now)
        check.readChain(chainPEM)
        check.readKey(keyPEM)
        for member in check.members { check.judge(member) }
        let leaf = check.arrange()
        let names = leaf.map { check.judgeLeaf($0, owns: owns) } ?? []
        guard check.problems.isEmpty, let leaf, let certificate = leaf.certificate,
            let key = check.keyDER
        else { throw CertificateRefusal(problems: check.problems) }
        let bundle = CertificateBundle(
            leaf: certificate, chain: check.members.map(\.der), key: key, names: names)
        do throws(TLSSetupError) {
            // OpenSSL has the last word, as the workers load it so: it minds what X509 does not,
            // such as a name that is no UTF-8.
            _ = try TLSCertificateFacts(
                chainPEM: bundle.chainPEM, keyPEM: bundle.keyPEM.revealed)
        } catch {
            check.report(
                .notLoadable, .chain, found: quoted(error.message),
                expected: "what OpenSSL loads, too", remedy: "have it issued anew")
            throw CertificateRefusal(problems: check.problems)
        }
        return bundle
    }
}

/// A certificate of an upload.
struct UploadedMember {
    /// Counted from 1.
    let position: Int
    let der: [UInt8]
    /// Nil where X509 cannot read it.
    let certificate: Certificate?
    /// Nil where it is no certificate at all.
    let outline: CertificateOutline?

    /// Where problems of it are.
    var part: CertificateProblem.Part { .certificate(self.position) }
}

/// One check under way: what was read so far, and what is wrong with it.
struct UploadCheck {
    let now: Int64?
    private(set) var problems: [CertificateProblem] = []
    private(set) var members: [UploadedMember] = []
    /// PKCS#8; nil where there is no usable key.
    private(set) var keyDER: SecretBytes?
    /// Of the key; nil where there is no usable key.
    private(set) var publicKey: Certificate.PublicKey?

    init(now: Int64?) { self.now = now }

    mutating func report(
        _ code: CertificateProblem.Code, _ part: CertificateProblem.Part, found: String,
        expected: String, remedy: String
    ) {
        self.problems.append(
            CertificateProblem(code, part, found: found, expected: expected, remedy: remedy))
    }

    // MARK: Reading

    mutating func readChain(_ text: [UInt8]) {
        guard let blocks = self.blocks(text, of: .chain, bytesMax: Limits.uploadedChainBytesMax)
        else { return }
        let certificates = blocks.filter { $0.label == "CERTIFICATE" }
        guard (1...Limits.uploadedCertificatesMax).contains(certificates.count) else {
            self.report(
                certificates.isEmpty ? .certificateMissing : .tooManyCertificates, .chain,
                found: "\(certificates.count) certificates",
                expected: "1 to \(Limits.uploadedCertificatesMax)",
                remedy: "give the leaf and what leads to its authority, no bundle of authorities")
            return
        }
        self.members = certificates.enumerated().map { index, block in
            UploadedMember(
                position: index + 1, der: block.der ?? [],
                certificate: block.der.flatMap {
                    do { return try Certificate(derEncoded: $0) } catch { return nil }
                }, outline: block.der.flatMap(CertificateOutline.init))
        }
    }

    mutating func readKey(_ text: SecretBytes) {
        guard
            let blocks = self.blocks(
                text.revealed, of: .key, bytesMax: Limits.uploadedKeyBytesMax)
        else { return }
        let keys = blocks.filter { $0.label.hasSuffix("PRIVATE KEY") }
        guard keys.count == 1, let block = keys.first else {
            self.report(
                keys.isEmpty ? .keyMissing : .tooManyKeys, .key, found: "\(keys.count) keys",
                expected: "the private key of the leaf", remedy: "give that one key")
            return
        }
        guard block.label != "ENCRYPTED PRIVATE KEY", !block.isEncrypted else {
            self.report(
                .keyEncrypted, .key, found: "a key under a pass phrase",
                expected: "an unencrypted key, which is sealed where it is stored",
                remedy: "decrypt it with: openssl pkey -in KEY -out PLAIN")
            return
        }
        self.readKey(block)
    }

    private mutating func readKey(_ block: PEMBlock) {
        let der = block.der ?? []
        do {
            let key = try Certificate.PrivateKey(
                pemDocument: PEMDocument(type: block.label, derBytes: der))
            self.keyDER = SecretBytes(try pkcs8(key))
            self.publicKey = key.publicKey
        } catch {
            let bits =
                block.label == "RSA PRIVATE KEY"
                ? CertificateOutline.modulusBits(pkcs1: der, at: 1)
                : CertificateOutline.modulusBits(pkcs8: der)
            guard let bits, (1..<CertificateOutline.modulusBitsMin).contains(bits) else {
                self.report(
                    .keyUnreadable, .key, found: "what is none of the keys that are known",
                    expected: "RSA, ECDSA (P-256, P-384, P-521) or Ed25519, in PKCS#8, SEC1 or "
                        + "PKCS#1",
                    remedy: "see what it is with: openssl pkey -in KEY -noout -text")
                return
            }
            self.reportWeakKey(.key, bits: bits)
        }
    }

    /// The blocks of a text; nil where it is too large or has none.
    private mutating func blocks(
        _ text: [UInt8], of part: CertificateProblem.Part, bytesMax: Int
    ) -> [PEMBlock]? {
        guard text.count <= bytesMax else {
            self.report(
                .tooLarge, part, found: "\(text.count) bytes",
                expected: "at most \(bytesMax)", remedy: "give nothing but what is asked for")
            return nil
        }
        let pem = PEMText(text)
        if let label = pem.unfinished {
            self.report(
                .notPEM, part, found: "a block \(quoted(label)) without its end",
                expected: "BEGIN and END with the same words", remedy: "give the whole file")
        }
        guard !pem.blocks.isEmpty || pem.unfinished != nil else {
            self.report(
                .notPEM, part, found: text.isEmpty ? "nothing" : "\(text.count) bytes without PEM",
                expected: "PEM: text that starts with -----BEGIN",
                remedy: "convert DER or PKCS#12 with openssl x509, openssl pkey or openssl pkcs12")
            return nil
        }
        if let line = pem.strayLine {
            self.report(
                .strayText, part, found: "text outside of every block, first in line \(line)",
                expected: "nothing between the blocks", remedy: "take that text out")
        }
        self.reportStrayBlocks(pem.blocks, of: part)
        return pem.blocks
    }

    private mutating func reportStrayBlocks(
        _ blocks: [PEMBlock], of part: CertificateProblem.Part
    ) {
        let isChain = part == .chain
        if isChain, blocks.contains(where: { $0.label.hasSuffix("PRIVATE KEY") }) {
            self.report(
                .keyInChain, part, found: "a private key among the certificates",
                expected: "certificates alone: they are shown to everybody",
                remedy: "give the key as the key")
        }
        let stray = blocks.first {
            isChain
                ? $0.label != "CERTIFICATE" && !$0.label.hasSuffix("PRIVATE KEY")
                : $0.label != "EC PARAMETERS" && !$0.label.hasSuffix("PRIVATE KEY")
        }
        guard let stray else { return }
        self.report(
            .strayBlock, part, found: "a block \(quoted(stray.label))",
            expected: isChain ? "blocks \"CERTIFICATE\"" : "a block \"PRIVATE KEY\"",
            remedy: "take that block out")
    }

    mutating func reportWeakKey(_ part: CertificateProblem.Part, bits: Int) {
        self.report(
            .weakKey, part, found: "an RSA key of \(bits) bits",
            expected: "\(CertificateOutline.modulusBitsMin) bits or more, or ECDSA with P-256",
            remedy: "make a new key and have a certificate issued for it")
    }
}

/// A key as PKCS#8 in DER, RFC 5958 §2; RSA keys come as PKCS#1.
private func pkcs8(_ key: Certificate.PrivateKey) throws -> [UInt8] {
    let document = try key.serializeAsPEM()
    guard document.discriminator == "RSA PRIVATE KEY" else { return document.derBytes }
    var serializer = DER.Serializer()
    try serializer.appendConstructedNode(identifier: .sequence) { coder in
        try coder.serialize(0)
        try coder.appendConstructedNode(identifier: .sequence) { coder in
            try coder.serialize(ASN1ObjectIdentifier.rsaKey)
            try coder.serialize(ASN1Null())
        }
        try coder.serialize(ASN1OctetString(contentBytes: document.derBytes[...]))
    }
    return serializer.serializedBytes
}
