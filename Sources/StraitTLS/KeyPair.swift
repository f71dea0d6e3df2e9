// A chain and the key that belongs to its first certificate.

private import COpenSSL

/// A chain, leaf first, with the leaf's key.
struct KeyPair: ~Copyable {
    let chain: CertificateList
    let key: PrivateKey

    private init(chain: consuming CertificateList, key: consuming PrivateKey) {
        self.chain = chain
        self.key = key
    }

    /// Reads both and checks that they belong together.
    static func read(
        chainPEM: [UInt8], keyPEM: [UInt8], chainName: String, keyName: String
    ) throws(TLSSetupError) -> KeyPair {
        let chain = try CertificateList.read(pem: chainPEM, what: chainName)
        let key = try PrivateKey(pem: keyPEM, what: keyName)
        guard unsafe X509_check_private_key(chain.member(0), key.handle) == 1 else {
            ERR_clear_error()
            throw TLSSetupError(
                "\(keyName) does not belong to the first certificate of \(chainName)")
        }
        return KeyPair(chain: chain, key: key)
    }
}
