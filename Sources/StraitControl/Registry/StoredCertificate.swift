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
            chain: chain, sealedKey: document.sealedKey, row: row, notAfter: document.notAfter,
            keys: keys)
    }
}

/// All of it in one piece of memory, as there may be a hundred thousand.
///
/// With the protocol's three words beside it, it takes no other piece.
private struct PackedCertificate: SealedCertificate {
    /// End of validity (8 bytes, big endian), row, chain, sealed key.
    private let bytes: [UInt8]
    private static let rowStart = 8
    private let rowCount: UInt32
    private let chainCount: UInt32
    private let keys: RegistryKeys

    init(chain: [UInt8], sealedKey: [UInt8], row: String, notAfter: Int64, keys: RegistryKeys) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            Self.rowStart + row.utf8.count + chain.count + sealedKey.count)
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: notAfter >> shift))
        }
        bytes += row.utf8
        bytes += chain
        bytes += sealedKey
        self.bytes = bytes
        // A row has at most 256 KiB.
        self.rowCount = UInt32(clamping: row.utf8.count)
        self.chainCount = UInt32(clamping: chain.count)
        self.keys = keys
    }

    var notAfter: Int64 {
        self.bytes[..<Self.rowStart].reduce(0) { $0 << 8 | Int64($1) }
    }

    func open() throws(CertificateNotOpened) -> CertificatePEM {
        let chainStart = Self.rowStart + Int(self.rowCount)
        let keyStart = chainStart + Int(self.chainCount)
        let row = String(decoding: self.bytes[Self.rowStart..<chainStart], as: UTF8.self)
        let chain = PackedChain.pem(self.bytes[chainStart..<keyStart])
        let key = try self.keys.openedPEM(Array(self.bytes[keyStart...]), row: row)
        return CertificatePEM(chain: chain, key: key)
    }
}
