// Certificates and keys in memory: each handle is owned by one value and freed once.

private import COpenSSL

/// Owns one `X509`.
@safe struct Certificate: ~Copyable {
    /// Never nil; one reference, released in `deinit`.
    let handle: OpaquePointer

    /// Takes over one reference.
    init(owning handle: OpaquePointer) { unsafe self.handle = handle }

    deinit { unsafe X509_free(self.handle) }
}

/// Owns one private key.
@safe struct PrivateKey: ~Copyable {
    /// Never nil; one reference, released in `deinit`.
    let handle: OpaquePointer

    /// Reads one key that is not encrypted; `what` is its name in messages.
    init(pem: [UInt8], what: String) throws(TLSSetupError) {
        let source = try PEMSource.open(pem, what: what)
        ERR_clear_error()
        guard let key = unsafe PEM_read_bio_PrivateKey(source.bio, nil, straitNoPassphrase, nil)
        else {
            throw TLSSetupError(
                OpenSSLErrors.drained("\(what) cannot be read as an unencrypted PEM key"))
        }
        unsafe self.handle = key
    }

    deinit { unsafe EVP_PKEY_free(self.handle) }
}

/// Owns a list of certificates, `STACK_OF(X509)`.
@safe struct CertificateList: ~Copyable {
    /// Never nil; it and its members are released in `deinit`.
    let handle: OpaquePointer
    /// How many there are.
    var count: Int { Int(unsafe OPENSSL_sk_num(self.handle)) }

    /// Takes over a list and its members.
    private init(owning handle: OpaquePointer) { unsafe self.handle = handle }

    /// Reads every certificate of a PEM text, 1 or more; `what` is the text's name in messages.
    static func read(pem: [UInt8], what: String) throws(TLSSetupError) -> CertificateList {
        let source = try PEMSource.open(pem, what: what)
        guard let empty = unsafe OPENSSL_sk_new_null() else {
            throw TLSSetupError(OpenSSLErrors.drained("\(what): no memory"))
        }
        let list = unsafe CertificateList(owning: empty)
        ERR_clear_error()
        while let certificate = unsafe PEM_read_bio_X509(source.bio, nil, straitNoPassphrase, nil) {
            guard unsafe OPENSSL_sk_push(list.handle, UnsafeRawPointer(certificate)) > 0 else {
                unsafe X509_free(certificate)
                throw TLSSetupError(OpenSSLErrors.drained("\(what): no memory"))
            }
        }
        let last = ERR_peek_last_error()
        let read = list.count
        guard OpenSSLErrors.reasonNumber(last) == PEM_R_NO_START_LINE else {
            throw TLSSetupError(
                OpenSSLErrors.drained("\(what): certificate \(read + 1) cannot be read"))
        }
        ERR_clear_error()
        guard read > 0 else { throw TLSSetupError("\(what): no PEM certificate found") }
        return list
    }

    /// The member at `index`, borrowed.
    func member(_ index: Int) -> OpaquePointer? {
        unsafe OPENSSL_sk_value(self.handle, Int32(index)).map { OpaquePointer($0) }
    }

    deinit {
        unsafe OPENSSL_sk_pop_free(self.handle) { member in
            unsafe X509_free(member.map { OpaquePointer($0) })
        }
    }
}

/// A PEM text as OpenSSL wants to read it.
@safe private struct PEMSource: ~Copyable {
    /// Owns a copy of the text, never nil.
    let bio: OpaquePointer

    private init(owning bio: OpaquePointer) { unsafe self.bio = bio }

    static func open(_ pem: [UInt8], what: String) throws(TLSSetupError) -> PEMSource {
        guard pem.count <= Self.bytesMax else {
            throw TLSSetupError("\(what): longer than \(Self.bytesMax) bytes")
        }
        guard let bio = unsafe BIO_new(BIO_s_mem()) else {
            throw TLSSetupError(OpenSSLErrors.drained("\(what): no memory"))
        }
        let source = unsafe PEMSource(owning: bio)
        let written = unsafe pem.withUnsafeBytes { bytes in
            unsafe BIO_write(bio, bytes.baseAddress, Int32(bytes.count))
        }
        guard Int(written) == pem.count || pem.isEmpty else {
            throw TLSSetupError(OpenSSLErrors.drained("\(what): no memory"))
        }
        return source
    }

    deinit { unsafe BIO_free(self.bio) }

    /// A bundle of all public authorities has some 250 KB.
    private static let bytesMax = 4 * 1024 * 1024
}

/// OpenSSL's own callback would ask at the terminal.
@c private func straitNoPassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isWriting: Int32,
    _ context: UnsafeMutableRawPointer?
) -> Int32 { -1 }
