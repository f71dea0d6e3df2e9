// A tenant's certificates by the names that they carry.

package import StraitCore

/// A certificate chain with its key, as PEM.
package struct CertificatePEM: Sendable {
    /// The certificate and its intermediates, the leaf first.
    package let chain: [UInt8]
    /// The private key of the leaf, without a passphrase.
    package let key: [UInt8]

    /// See the properties.
    package init(chain: [UInt8], key: [UInt8]) {
        self.chain = chain
        self.key = key
    }
}

/// A certificate whose key is sealed until a worker makes its first context with it.
package protocol SealedCertificate: Sendable {
    /// The last second of its validity, since 1970.
    var notAfter: Int64 { get }
    /// The chain and its key; asked by workers, on any thread, without waiting.
    ///
    /// - Throws: ``CertificateNotOpened`` where the key cannot be had.
    func open() throws(CertificateNotOpened) -> CertificatePEM
}

/// Why a sealed key cannot be had: a sentence for the operator, without a secret.
package struct CertificateNotOpened: Error, Hashable, Sendable {
    /// Without a full stop.
    package let reason: String

    /// See the property.
    package init(reason: String) { self.reason = reason }
}

/// One certificate chain with its key: as PEM, or sealed.
package final class CertificatePlan: Sendable {
    private enum Source {
        case plain(CertificatePEM)
        case sealed(any SealedCertificate)
    }
    private let source: Source

    /// Takes the files as they were read; whether they fit, the compiler has checked.
    package init(chainPEM: [UInt8], keyPEM: [UInt8]) {
        self.source = .plain(CertificatePEM(chain: chainPEM, key: keyPEM))
    }

    /// Takes what a registry has; whether it fits was checked before it came there.
    package init(sealed: any SealedCertificate) { self.source = .sealed(sealed) }

    /// Of what a registry has: the last second of its validity, since 1970.
    package var notAfter: Int64? {
        if case .sealed(let certificate) = self.source { certificate.notAfter } else { nil }
    }

    /// The chain and its key.
    ///
    /// - Throws: ``CertificateNotOpened`` where the key is sealed and cannot be had.
    package func open() throws(CertificateNotOpened) -> CertificatePEM {
        switch self.source {
        case .plain(let certificate): certificate
        case .sealed(let certificate): try certificate.open()
        }
    }
}

/// Certificates that carry the same names: one per key type at most (ECDSA and RSA side by side).
package final class CertificateSet: Sendable {
    /// Of all certificates and keys.
    package let id: ContentDigest
    /// The names that it carries literally.
    package let names: [HostName]
    /// The parents of the wildcards: `example.com` for `*.example.com`.
    package let wildcards: [HostName]
    /// Side by side, one per key type; the handshake picks what the downstream can verify.
    package let certificates: [CertificatePlan]

    /// One set; see the properties.
    package init(
        id: ContentDigest, names: [HostName], wildcards: [HostName], certificates: [CertificatePlan]
    ) {
        self.id = id
        self.names = names
        self.wildcards = wildcards
        self.certificates = certificates
    }
}

/// Finds the certificates for a name: exact before wildcard (one label).
package struct CertificateTable: Sendable {
    /// The sets, in the order of the configuration.
    package let sets: [CertificateSet]

    /// A table that looks through `sets` in this order.
    package init(sets: [CertificateSet]) { self.sets = sets }

    /// The set for `name`, or nil when none carries it.
    package func set(for name: HostName) -> CertificateSet? {
        if let exact = self.sets.first(where: { $0.names.contains(name) }) { return exact }
        guard let dot = name.bytes.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let parent = name.bytes[(dot + 1)...]
        return self.sets.first { set in
            set.wildcards.contains { $0.bytes.elementsEqual(parent) }
        }
    }
}
