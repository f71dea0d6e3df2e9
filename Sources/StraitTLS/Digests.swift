// Random bytes, digests and the derivation of ticket keys.

private import COpenSSL

/// Random bytes for keys.
package enum TLSRandom {
    /// `count` bytes from OpenSSL's generator for private values.
    package static func bytes(_ count: Int) -> [UInt8] {
        precondition(count >= 0 && count <= 1 << 20, "a sensible number of random bytes")
        var bytes = [UInt8](repeating: 0, count: count)
        let status = unsafe RAND_priv_bytes(&bytes, Int32(count))
        precondition(status == 1, "the system has no randomness")
        return bytes
    }
}

/// Digests.
package enum TLSDigest {
    /// SHA-256, 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let status = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        precondition(status == 1, "SHA-256 is always there")
        return digest
    }

    /// HMAC with SHA-256, RFC 2104; 32 bytes.
    package static func hmacSHA256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let result = unsafe HMAC(
            EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &digest, nil)
        precondition(unsafe result != nil, "HMAC with SHA-256 is always there")
        return digest
    }

    /// HKDF with SHA-256, RFC 5869: extract without salt, then expand.
    ///
    /// `count` is at most 8160 bytes (255 digests), RFC 5869 §2.3.
    package static func hkdfSHA256(secret: [UInt8], info: [UInt8], count: Int) -> [UInt8] {
        precondition(count >= 0 && count <= 255 * 32, "RFC 5869 §2.3")
        let key = Self.hmacSHA256(key: [UInt8](repeating: 0, count: 32), secret)
        var output: [UInt8] = []
        var block: [UInt8] = []
        var number: UInt8 = 1
        while output.count < count {
            block = Self.hmacSHA256(key: key, block + info + [number])
            output += block
            number &+= 1
        }
        return Array(output.prefix(count))
    }
}

/// Keys of session tickets: name (16), HMAC key (32) and AES key (32), as OpenSSL wants them.
package enum TLSTicketKey {
    /// The size of a key.
    package static let bytes = 80

    /// The key for `label` (tenant and policy): equal on every worker, and unrelated to any other
    /// label's.
    package static func derive(root: [UInt8], label: [UInt8]) -> [UInt8] {
        TLSDigest.hkdfSHA256(
            secret: root, info: Array("strait ticket key".utf8) + [0] + label, count: Self.bytes)
    }
}

/// The libssl that is linked, as it calls itself.
package func opensslVersionText() -> String {
    unsafe OpenSSL_version(OPENSSL_VERSION).map { unsafe String(cString: $0) } ?? "OpenSSL"
}
