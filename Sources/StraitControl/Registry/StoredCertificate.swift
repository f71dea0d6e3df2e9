// A certificate of a registry as the compiler takes it: what it says, and the rest packed, its key
// still sealed.

internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitSnapshot
internal import StraitTLS

/// What a certificate says, and how a worker gets it.
package struct StoredCertificate: Sendable {
    /// What it carries.
    let names: CertificateNames
    /// The first and the last second of its validity, since 1970.
    let notBefore, notAfter: Int64
    /// `ec`, `rsa` or `ed25519`.
    let keyType: String
    /// Of the chain: a key that fits it is always the same one, however it is sealed.
    let chainDigest: [UInt8]
    /// What a worker opens.
    let sealed: any SealedCertificate

    /// Nil where the chain is none.
    ///
    /// - Parameters:
    ///   - document: What the row says.
    ///   - row: The row's name, for which the key was sealed.
    ///   - keys: Open the key when a worker wants it.
    init?(_ document: CertificateDocument, row: String, keys: RegistryKeys) {
        guard let chain = PackedChain.bytes(pem: document.chainPEM) else { return nil }
        self.names = CertificateNames(
            exact: document.names.filter { !$0.isWildcard }.map(\.name),
            wildcards: document.names.filter(\.isWildcard).map(\.name))
        self.notBefore = document.notBefore
        self.notAfter = document.notAfter
        self.keyType = document.keyType
        self.chainDigest = TLSDigest.sha256(chain)
        self.sealed = PackedCertificate(
            chain: chain, sealedKey: document.sealedKey, row: row, keys: keys)
    }
}

/// Row, chain and sealed key in one piece of memory: there may be a hundred thousand.
private struct PackedCertificate: SealedCertificate {
    /// Row, chain, sealed key.
    private let bytes: [UInt8]
    private let rowCount: UInt32
    private let chainCount: UInt32
    private let keys: RegistryKeys

    init(chain: [UInt8], sealedKey: [UInt8], row: String, keys: RegistryKeys) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(row.utf8.count + chain.count + sealedKey.count)
        bytes += row.utf8
        bytes += chain
        bytes += sealedKey
        self.bytes = bytes
        // A row has at most 256 KiB.
        self.rowCount = UInt32(clamping: row.utf8.count)
        self.chainCount = UInt32(clamping: chain.count)
        self.keys = keys
    }

    func open() throws(CertificateNotOpened) -> CertificatePEM {
        let chainStart = Int(self.rowCount)
        let keyStart = chainStart + Int(self.chainCount)
        let row = String(decoding: self.bytes[..<chainStart], as: UTF8.self)
        let chain = PackedChain.pem(self.bytes[chainStart..<keyStart])
        let key = try self.keys.openedPEM(Array(self.bytes[keyStart...]), row: row)
        return CertificatePEM(chain: chain, key: key)
    }
}
