// The type-length-value part of a PROXY v2 header, specification §2.2.

private import StraitCore

/// The types that are registered or ours, specification §2.2 and §2.2.7.
package enum ProxyTLVType {
    /// PP2_TYPE_ALPN: the identifier that was agreed on, 1 to 255 bytes.
    package static let applicationProtocol: UInt8 = 0x01
    /// PP2_TYPE_AUTHORITY: the host name that was asked for, 1 to 255 bytes.
    package static let authority: UInt8 = 0x02
    /// PP2_TYPE_CRC32C: over the whole header, 4 bytes.
    package static let crc32c: UInt8 = 0x03
    /// PP2_TYPE_NOOP: padding.
    package static let noOperation: UInt8 = 0x04
    /// PP2_TYPE_UNIQUE_ID: at most 128 bytes.
    package static let uniqueID: UInt8 = 0x05
    /// PP2_TYPE_SSL: 5 bytes, and TLVs of the types below.
    package static let tls: UInt8 = 0x20
    /// PP2_SUBTYPE_SSL_VERSION: as OpenSSL names it.
    package static let tlsVersion: UInt8 = 0x21
    /// PP2_SUBTYPE_SSL_CN: of the downstream's certificate.
    package static let tlsCommonName: UInt8 = 0x22
    /// PP2_SUBTYPE_SSL_CIPHER: as OpenSSL names it.
    package static let tlsCipher: UInt8 = 0x23
    /// PP2_SUBTYPE_SSL_CLIENT_CERT: the downstream's certificate, DER.
    package static let tlsCertificate: UInt8 = 0x28
    /// PP2_TYPE_NETNS: the name of a network namespace.
    package static let networkNamespace: UInt8 = 0x30
    /// Ours: the tenant's name.
    package static let tenant: UInt8 = 0xE5
    /// Ours: the region's name.
    package static let region: UInt8 = 0xE6
    /// Ours: which of the tenants that had that name, a decimal number; said to our own processes
    /// only.
    package static let incarnation: UInt8 = 0xE7
}

/// What a sender says of the TLS connection that it ended (type 0x20).
package struct ProxyTLSFacts: Hashable, Sendable {
    /// As OpenSSL names it: `TLSv1.3`.
    package var version: [UInt8]
    /// As OpenSSL names it: `TLS_AES_256_GCM_SHA384`.
    package var cipher: [UInt8]
    /// The common name of the downstream's certificate.
    package var commonName: [UInt8]
    /// The downstream's certificate, DER; said to our own processes only.
    package var certificate: [UInt8]
    /// Whether the downstream showed a certificate over this connection.
    package var hasClientCertificate: Bool
    /// Whether that certificate was found good.
    package var isVerified: Bool

    /// - Parameters:
    ///   - version: As OpenSSL names it; empty: not said.
    ///   - cipher: As OpenSSL names it; empty: not said.
    ///   - commonName: Of the downstream's certificate; empty: not said.
    ///   - certificate: Of the downstream, DER; empty: not said.
    ///   - hasClientCertificate: Whether the downstream showed a certificate.
    ///   - isVerified: Whether it was found good.
    package init(
        version: [UInt8] = [], cipher: [UInt8] = [], commonName: [UInt8] = [],
        certificate: [UInt8] = [], hasClientCertificate: Bool = false, isVerified: Bool = false
    ) {
        self.version = version
        self.cipher = cipher
        self.commonName = commonName
        self.certificate = certificate
        self.hasClientCertificate = hasClientCertificate
        self.isVerified = isVerified
    }
}

/// A list of TLVs in their wire form, without NOOP (0x04) and CRC32C (0x03), which belong to a
/// header.
///
/// Holds one array, which is empty and not allocated for a header without TLVs.
package struct ProxyTLVs: Hashable, Sendable {
    /// The TLVs one after the other, each whole.
    package private(set) var encoded: [UInt8] = []

    /// No TLVs.
    package init() {}

    /// Whether there are none.
    package var isEmpty: Bool { self.encoded.isEmpty }

    /// Appends a TLV; false, and nothing appended, when the header would grow beyond
    /// ``Limits/proxyV2BytesMax``.
    ///
    /// NOOP and CRC32C are the writer's business and not taken.
    @discardableResult
    package mutating func append(_ type: UInt8, _ value: some Collection<UInt8>) -> Bool {
        guard type != ProxyTLVType.noOperation, type != ProxyTLVType.crc32c else { return false }
        guard self.encoded.count + 3 + value.count <= Self.bytesMax else { return false }
        self.encoded.append(type)
        self.encoded.append(UInt8(truncatingIfNeeded: value.count >> 8))
        self.encoded.append(UInt8(truncatingIfNeeded: value.count))
        self.encoded.append(contentsOf: value)
        return true
    }

    /// Appends what is known of the downstream's TLS connection; false when it does not fit.
    @discardableResult
    package mutating func append(_ facts: ProxyTLSFacts) -> Bool {
        var parts = ProxyTLVs()
        if !facts.version.isEmpty { parts.append(ProxyTLVType.tlsVersion, facts.version) }
        if !facts.commonName.isEmpty { parts.append(ProxyTLVType.tlsCommonName, facts.commonName) }
        if !facts.cipher.isEmpty { parts.append(ProxyTLVType.tlsCipher, facts.cipher) }
        if !facts.certificate.isEmpty {
            parts.append(ProxyTLVType.tlsCertificate, facts.certificate)
        }
        // PP2_CLIENT_SSL, _CERT_CONN, _CERT_SESS; then 0 for a certificate that was found good.
        var value: [UInt8] = [facts.hasClientCertificate ? 0x07 : 0x01, 0, 0, 0, 0]
        if !(facts.hasClientCertificate && facts.isVerified) { value[4] = 1 }
        return self.append(ProxyTLVType.tls, value + parts.encoded)
    }

    /// Takes over one TLV that was checked, as it stands at `range`; NOOP and CRC32C are left out.
    mutating func keep(_ whole: Span<UInt8>, _ range: Range<Int>) {
        let type = whole[range.lowerBound]
        guard type != ProxyTLVType.noOperation, type != ProxyTLVType.crc32c else { return }
        for index in range { self.encoded.append(whole[index]) }
    }

    /// The value of the first TLV of `type`.
    package func value(_ type: UInt8) -> ArraySlice<UInt8>? {
        self.first { $0.type == type }?.value
    }

    /// What the sender says of the TLS connection that it ended.
    package var tls: ProxyTLSFacts? {
        guard let value = self.value(ProxyTLVType.tls), value.count >= 5 else { return nil }
        guard value[value.startIndex] & 1 == 1 else { return nil }
        var parts = ProxyTLVs()
        parts.encoded = Array(value.dropFirst(5))
        let hasCertificate = value[value.startIndex] & 0x06 != 0
        return ProxyTLSFacts(
            version: Array(parts.value(ProxyTLVType.tlsVersion) ?? []),
            cipher: Array(parts.value(ProxyTLVType.tlsCipher) ?? []),
            commonName: Array(parts.value(ProxyTLVType.tlsCommonName) ?? []),
            certificate: Array(parts.value(ProxyTLVType.tlsCertificate) ?? []),
            hasClientCertificate: hasCertificate,
            isVerified: hasCertificate && value.dropFirst().prefix(4).allSatisfy { $0 == 0 })
    }

    /// A header's 16 bytes and its largest addresses, of IPv6, and a CRC32C take the rest.
    private static let bytesMax = Limits.proxyV2BytesMax - 16 - 36 - 7
}

extension ProxyTLVs: Sequence {
    /// One TLV.
    package struct Element: Hashable, Sendable {
        /// Of ``ProxyTLVType``, or of somebody else's.
        package let type: UInt8
        /// The value, of any length.
        package let value: ArraySlice<UInt8>
    }

    /// Walks the TLVs in order.
    package struct Iterator: IteratorProtocol {
        private var rest: ArraySlice<UInt8>

        fileprivate init(_ encoded: [UInt8]) { self.rest = encoded[...] }

        /// The next TLV; nil at the end.
        package mutating func next() -> Element? {
            guard self.rest.count >= 3 else { return nil }
            let start = self.rest.startIndex
            let length = Int(self.rest[start + 1]) << 8 | Int(self.rest[start + 2])
            guard self.rest.count >= 3 + length else { return nil }
            let element = Element(
                type: self.rest[start], value: self.rest[(start + 3)..<(start + 3 + length)])
            self.rest = self.rest[(start + 3 + length)...]
            return element
        }
    }

    /// An iterator at the first TLV.
    package func makeIterator() -> Iterator { Iterator(self.encoded) }
}
