// What is wrong with the certificates of an upload: each by itself, together, and the leaf.

private import Foundation
internal import StraitCore
internal import SwiftASN1
internal import X509

extension UploadCheck {
    // MARK: Each by itself

    mutating func judge(_ member: UploadedMember) {
        let problemsBefore = self.problems.count
        if let outline = member.outline {
            if outline.isKeyWeak {
                self.reportWeakKey(member.part, bits: outline.modulusBits ?? 0)
            }
            if member.part == .certificate(1), outline.isKeySlow {
                self.report(
                    .keyTooLarge, member.part,
                    found: "an RSA key of \(outline.modulusBits ?? 0) bits",
                    expected: "at most \(CertificateOutline.modulusBitsMax), or ECDSA with P-256",
                    remedy: "make a new key and have a certificate issued for it")
            }
            // Nobody asks who signed a root: it is trusted or not.
            let isRoot = member.certificate.map { $0.issuer == $0.subject } ?? false
            if outline.isSignatureWeak, !isRoot {
                self.report(
                    .weakSignature, member.part, found: "a signature over MD5 or SHA-1",
                    expected: "a signature over SHA-2",
                    remedy: "have the certificate issued anew")
            }
            if !outline.isSupported, member.certificate == nil,
                self.problems.count == problemsBefore
            {
                self.report(
                    .algorithmUnsupported, member.part,
                    found: "key \(outline.key) signed by \(outline.signature)",
                    expected: "RSA (PKCS#1 v1.5), ECDSA (P-256, P-384, P-521) or Ed25519",
                    remedy: "have the certificate issued with one of these")
            }
        }
        guard let certificate = member.certificate else {
            guard self.problems.count == problemsBefore else { return }
            self.report(
                .certificateUnreadable, member.part, found: "what is no certificate",
                expected: "X.509 in DER, as base64",
                remedy: "see what it is with: openssl x509 -in FILE -noout -text")
            return
        }
        self.judgeTime(certificate, member.part)
    }

    private mutating func judgeTime(_ certificate: Certificate, _ part: CertificateProblem.Part) {
        guard let now = self.now else { return }
        let first = Int64(certificate.notValidBefore.timeIntervalSince1970)
        let last = Int64(certificate.notValidAfter.timeIntervalSince1970)
        if now > last {
            self.report(
                .expired, part, found: "an end at \(certificate.notValidAfter.formatted(.iso8601))",
                expected: "a certificate that is valid now", remedy: "renew it")
        }
        if now < first {
            self.report(
                .notYetValid, part,
                found: "a beginning at \(certificate.notValidBefore.formatted(.iso8601))",
                expected: "a certificate that is valid now",
                remedy: "wait until then, or look at the clock of who issued it")
        }
    }

    // MARK: Together

    /// Finds the leaf and the way from it to its authority; nil where not all could be read.
    mutating func arrange() -> UploadedMember? {
        guard let first = self.members.first, self.members.allSatisfy({ $0.certificate != nil })
        else { return nil }
        var unused = self.withoutRepeated()
        // Which one it is, the key says; without a key the place.
        var leaf = first
        if let publicKey = self.publicKey {
            let fitting = unused.first { $0.certificate?.publicKey == publicKey }
            leaf = fitting ?? first
            if fitting == nil {
                self.report(
                    .keyMismatch, .key, found: "a key that belongs to no certificate of the chain",
                    expected: "the key of \(self.subject(first))",
                    remedy: "give the key that the certificate was requested with")
            }
        }
        unused.removeAll { $0.position == leaf.position }
        var path = [leaf]
        while let last = path.last, let next = self.issuer(of: last, among: unused) {
            unused.removeAll { $0.position == next.position }
            self.judgeIssuer(next)
            path.append(next)
        }
        for stranger in unused {
            self.report(
                .stranger, stranger.part, found: self.subject(stranger),
                expected: "the authority that signed a certificate before it",
                remedy: "take it out")
        }
        self.judgeOrder(path)
        return leaf
    }

    private mutating func withoutRepeated() -> [UploadedMember] {
        var known: Set<[UInt8]> = []
        return self.members.filter { member in
            if known.insert(member.der).inserted { return true }
            self.report(
                .repeated, member.part, found: "\(self.subject(member)) once more",
                expected: "each certificate once", remedy: "take it out")
            return false
        }
    }

    /// Who signed `member`; nil for a root, and where nobody of `others` did.
    private mutating func issuer(
        of member: UploadedMember, among others: [UploadedMember]
    ) -> UploadedMember? {
        guard let certificate = member.certificate, certificate.issuer != certificate.subject
        else { return nil }
        let named = others.filter { $0.certificate?.subject == certificate.issuer }
        let signer = named.first {
            $0.certificate?.publicKey.isValidSignature(certificate.signature, for: certificate)
                ?? false
        }
        if signer == nil, let impostor = named.first {
            self.report(
                .signatureWrong, member.part,
                found: "a signature that \(impostor.part), \(self.subject(impostor)), did not make",
                expected: "the authority's certificate with the key that signed",
                remedy: "give the authority's certificate that came with this one")
        }
        // One that only has the name is no stranger: what is wrong with it has been said.
        return signer ?? named.first
    }

    private mutating func judgeIssuer(_ member: UploadedMember) {
        guard let extensions = member.certificate?.extensions else { return }
        do {
            if case .isCertificateAuthority? = try extensions.basicConstraints,
                try extensions.keyUsage?.keyCertSign ?? true
            {
                return
            }
        } catch {
            // What cannot be read gives no right to sign: reported as if it were not there.
        }
        self.report(
            .issuerIsNoAuthority, member.part,
            found: "\(self.subject(member)), which may not sign others",
            expected: "an authority (basicConstraints CA, RFC 5280 §4.2.1.9)",
            remedy: "have the leaf signed by an authority")
    }

    private mutating func judgeOrder(_ path: [UploadedMember]) {
        let positions = path.map(\.position)
        guard positions != positions.sorted() else { return }
        let order = positions.map(String.init).joined(separator: ", ")
        guard let leaf = path.first, leaf.position == self.members.first?.position else {
            self.report(
                .leafNotFirst, .chain, found: "the leaf as certificate \(positions[0])",
                expected: "the leaf first", remedy: "put the certificates into the order \(order)")
            return
        }
        self.report(
            .chainOutOfOrder, .chain, found: "certificates whose signers come before them",
            expected: "each signed by the next",
            remedy: "put the certificates into the order \(order)")
    }

    // MARK: The leaf

    /// Its names that are host names.
    mutating func judgeLeaf(
        _ leaf: UploadedMember, owns: (CertificateName) -> Bool
    ) -> [CertificateName] {
        guard let extensions = leaf.certificate?.extensions else { return [] }
        do {
            if case .isCertificateAuthority? = try extensions.basicConstraints {
                self.report(
                    .leafIsAuthority, leaf.part,
                    found: "\(self.subject(leaf)), an authority's certificate",
                    expected: "a certificate for host names",
                    remedy: "have one issued by it; with openssl req -x509 say "
                        + "-addext basicConstraints=critical,CA:FALSE")
            }
            let usages = try extensions.extendedKeyUsage.map { Array($0) } ?? [.any]
            let signs = try extensions.keyUsage?.digitalSignature ?? true
            if !signs || !usages.contains(.serverAuth) && !usages.contains(.any) {
                self.report(
                    .wrongPurpose, leaf.part,
                    found: signs ? "a certificate for other uses" : "a key that may not sign",
                    expected: "keyUsage digitalSignature, extendedKeyUsage serverAuth",
                    remedy: "have it issued for TLS servers")
            }
            let alternatives = try extensions.subjectAlternativeNames.map { Array($0) } ?? []
            return self.judgeNames(alternatives, leaf.part, owns: owns)
        } catch {
            self.report(
                .certificateUnreadable, leaf.part, found: "an extension that cannot be read",
                expected: "extensions as RFC 5280 §4.2 has them",
                remedy: "have it issued anew")
            return []
        }
    }

    private mutating func judgeNames(
        _ alternatives: [GeneralName], _ part: CertificateProblem.Part,
        owns: (CertificateName) -> Bool
    ) -> [CertificateName] {
        let texts = alternatives.compactMap { name -> String? in
            guard case .dnsName(let text) = name else { return nil }
            return text
        }
        guard !texts.isEmpty else {
            self.report(
                .namesMissing, part, found: "no DNS name as an alternative name",
                expected: "subjectAltName with the host names (RFC 6125 §6.4.4)",
                remedy: "have it issued with them; the common name does not count")
            return []
        }
        guard texts.count <= Limits.certificateNamesMax else {
            self.report(
                .tooManyNames, part, found: "\(texts.count) DNS names",
                expected: "at most \(Limits.certificateNamesMax)",
                remedy: "spread the names over several certificates")
            return []
        }
        var names: [CertificateName] = []
        for text in texts {
            guard let name = CertificateName(text) else {
                self.report(
                    .nameUnusable, part, found: quoted(text),
                    expected: "a host name, or *. and one",
                    remedy: "have it issued without this name")
                continue
            }
            guard !names.contains(name) else { continue }
            names.append(name)
            guard !owns(name) else { continue }
            self.report(
                .nameNotOwned, part, found: quoted(text), expected: "names of this tenant",
                remedy: "add the name to the tenant first, or have the certificate issued without")
        }
        return names
    }

    private func subject(_ member: UploadedMember) -> String {
        member.certificate.map { quoted($0.subject) } ?? "\(member.part)"
    }
}
