// What certificates say, as plain values.

/// The certificate that a peer has shown.
package struct TLSPeerCertificate: Equatable, Sendable {
    /// The subject's last common name.
    package var subjectCommonName: String?
    /// SHA-256 of the DER, 64 lower-case hexadecimal digits.
    package var fingerprint: String
    /// The last second of its validity, in seconds since 1970.
    package var notAfter: Int64
    /// The whole certificate.
    package var der: [UInt8]

    /// - Parameter certificate: An `X509`, borrowed.
    init(_ certificate: OpaquePointer) {
        self.subjectCommonName = unsafe X509Reading.commonName(certificate)
        self.der = unsafe X509Reading.der(certificate)
        self.fingerprint = X509Reading.hexadecimal(TLSDigest.sha256(self.der))
        self.notAfter = unsafe X509Reading.validity(certificate)?.notAfter ?? 0
    }
}

/// What the first certificate of a chain says.
package struct TLSCertificateFacts: Equatable, Sendable {
    /// The subject, RFC 2253.
    package var subject: String
    /// The DNS names of the subject's alternative names, in their order.
    package var dnsNames: [String]
    /// The validity, both ends within it, in seconds since 1970.
    package var notBefore, notAfter: Int64
    /// `ec`, `rsa`, `ed25519`, or OpenSSL's name for another.
    package var keyType: String

    /// Reads a chain and its key, and checks that they belong together.
    ///
    /// - Throws: ``TLSSetupError`` saying which of the two is wrong, and how.
    package init(chainPEM: [UInt8], keyPEM: [UInt8]) throws(TLSSetupError) {
        let pair = try KeyPair.read(
            chainPEM: chainPEM, keyPEM: keyPEM, chainName: "the chain", keyName: "the key")
        guard let leaf = unsafe pair.chain.member(0) else {
            throw TLSSetupError("the chain is empty")
        }
        self.subject = unsafe X509Reading.subject(leaf)
        self.dnsNames = unsafe X509Reading.dnsNames(leaf)
        guard let validity = unsafe X509Reading.validity(leaf) else {
            throw TLSSetupError("the chain: the validity of certificate 1 cannot be read")
        }
        self.notBefore = validity.notBefore
        self.notAfter = validity.notAfter
        self.keyType = unsafe X509Reading.keyType(pair.key.handle)
    }

    /// Checks that a bundle of authorities can verify something.
    ///
    /// A certificate that signed itself is trusted as it is, whether it may sign others or not.
    ///
    /// - Throws: ``TLSSetupError`` naming the certificate that cannot be read, or, where none of
    ///   them may sign others (RFC 5280 §4.2.1.9), the first.
    package static func checkAuthorities(pem: [UInt8]) throws(TLSSetupError) {
        let list = try CertificateList.read(pem: pem, what: "the authorities")
        for index in 0..<list.count {
            guard let member = unsafe list.member(index) else { continue }
            if unsafe X509Reading.canVerify(member) { return }
        }
        let first = unsafe list.member(0).map { unsafe X509Reading.subject($0) } ?? ""
        throw TLSSetupError("no authority: the certificate of \(first) may not sign others")
    }
}
