// What OpenSSL calls instead of X509_verify_cert, on contexts that ask for certificates.

private import COpenSSL
private import Glibc

/// Verifies a downstream's chain, or remembers that it has been.
///
/// 1 and an error of X509_V_OK is success, as with X509_verify_cert.
@c func straitVerifyChain(_ store: OpaquePointer?, _ context: UnsafeMutableRawPointer?) -> Int32 {
    guard let store = unsafe store, let context = unsafe context else { return 0 }
    let ours = unsafe Unmanaged<TLSContext>.fromOpaque(context).takeUnretainedValue()
    guard let digest = unsafe digestOfChain(store) else { return unsafe X509_verify_cert(store) }
    if ours.verifiedChains.contains(digest, at: Int64(time(nil))) {
        unsafe X509_STORE_CTX_set_error(store, X509_V_OK)
        return 1
    }
    let status = unsafe X509_verify_cert(store)
    if status == 1, unsafe X509_STORE_CTX_get_error(store) == X509_V_OK,
        let validity = unsafe validityOfChain(store)
    {
        ours.verifiedChains.insert(digest, validity)
    }
    return status
}

/// The digest of everything that the peer has sent: its certificate and the others, in their order.
private func digestOfChain(_ store: OpaquePointer) -> [UInt8]? {
    guard let leaf = unsafe X509_STORE_CTX_get0_cert(store) else { return nil }
    // OpenSSL's list of what was sent begins with the leaf.
    let sent = unsafe X509_STORE_CTX_get0_untrusted(store)
    var digests = unsafe digestOfCertificate(leaf)
    for index in unsafe 0..<max(0, OPENSSL_sk_num(sent)) {
        guard let member = unsafe OPENSSL_sk_value(sent, index) else { return nil }
        digests += unsafe digestOfCertificate(OpaquePointer(member))
    }
    return TLSDigest.sha256(digests)
}

private func digestOfCertificate(_ certificate: OpaquePointer) -> [UInt8] {
    TLSDigest.sha256(unsafe X509Reading.der(certificate))
}

/// When every certificate of the chain that was built, up to the anchor, is valid.
private func validityOfChain(_ store: OpaquePointer) -> VerifiedChains.Validity? {
    let chain = unsafe X509_STORE_CTX_get0_chain(store)
    let count = unsafe OPENSSL_sk_num(chain)
    guard count > 0 else { return nil }
    var validity = VerifiedChains.Validity(notBefore: .min, notAfter: .max)
    for index in 0..<count {
        guard let member = unsafe OPENSSL_sk_value(chain, index) else { return nil }
        guard let one = unsafe X509Reading.validity(OpaquePointer(member)) else { return nil }
        validity.notBefore = max(validity.notBefore, one.notBefore)
        validity.notAfter = min(validity.notAfter, one.notAfter)
    }
    return validity
}
