// Certificates made for a test: an authority with a P-256 key, and leaves of any validity.

import COpenSSL
import StraitTLS

/// A chain and its key as PEM.
struct TestCertificate: Sendable {
    var chainPEM: [UInt8]
    var keyPEM: [UInt8]
    var pair: (chainPEM: [UInt8], keyPEM: [UInt8]) { (self.chainPEM, self.keyPEM) }
}

/// A certificate authority that lives as long as the test.
final class TestAuthority: @unchecked Sendable {
    enum KeyType { case ec, rsa, ed25519 }

    private let key: OpaquePointer
    private let certificate: OpaquePointer
    let name: String
    let pem: [UInt8]

    init(_ name: String) throws {
        self.name = name
        self.key = try Self.makeKey(.ec)
        let certificate = try Self.make(
            subject: name, issuer: name, key: self.key, signer: self.key,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "keyCertSign,cRLSign"),
            ], days: (-1, 3650))
        self.certificate = certificate
        self.pem = try Self.pem { PEM_write_bio_X509($0, certificate) }
    }

    deinit {
        X509_free(self.certificate)
        EVP_PKEY_free(self.key)
    }

    /// A leaf for these names, valid from and to so many days from now.
    func leaf(
        _ commonName: String, dns: [String] = [], addresses: [String] = [],
        keyType: KeyType = .ec, days: (Int, Int) = (-1, 30)
    ) throws -> TestCertificate {
        let key = try Self.makeKey(keyType)
        defer { EVP_PKEY_free(key) }
        let names = dns.map { "DNS:\($0)" } + addresses.map { "IP:\($0)" }
        let extensions = names.isEmpty ? [] : [(NID_subject_alt_name, names.joined(separator: ","))]
        let leaf = try Self.make(
            subject: commonName, issuer: self.name, key: key, signer: self.key,
            extensions: extensions, days: days)
        defer { X509_free(leaf) }
        return TestCertificate(
            chainPEM: try Self.pem { PEM_write_bio_X509($0, leaf) },
            keyPEM: try Self.pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) })
    }

    private static func makeKey(_ type: KeyType) throws -> OpaquePointer {
        switch type {
        case .ec: try made(EVP_PKEY_Q_keygen_ec())
        case .rsa: try made(EVP_PKEY_keygen(EVP_PKEY_RSA))
        case .ed25519: try made(EVP_PKEY_keygen(EVP_PKEY_ED25519))
        }
    }

    private static func make(
        subject: String, issuer: String, key: OpaquePointer, signer: OpaquePointer,
        extensions: [(Int32, String)], days: (Int, Int)
    ) throws -> OpaquePointer {
        let certificate = try made(X509_new())
        X509_set_version(certificate, 2)
        let serial = TLSRandom.bytes(8).reduce(Int64(0)) { $0 << 8 | Int64($1) } & Int64.max
        ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial)
        X509_gmtime_adj(X509_getm_notBefore(certificate), days.0 * 86_400)
        X509_gmtime_adj(X509_getm_notAfter(certificate), days.1 * 86_400)
        X509_set_pubkey(certificate, key)
        for (field, text) in [
            (X509_get_subject_name(certificate), subject),
            (X509_get_issuer_name(certificate), issuer),
        ] {
            X509_NAME_add_entry_by_txt(field, "CN", MBSTRING_UTF8, text, -1, -1, 0)
        }
        for (kind, value) in extensions {
            let made = try made(X509V3_EXT_conf_nid(nil, nil, kind, value))
            X509_add_ext(certificate, made, -1)
            X509_EXTENSION_free(made)
        }
        guard X509_sign(certificate, signer, EVP_sha256()) > 0 else { throw TLSSetupError("sign") }
        return certificate
    }

    private static func pem(_ write: (OpaquePointer) -> Int32) throws -> [UInt8] {
        let bio = try made(BIO_new(BIO_s_mem()))
        defer { BIO_free(bio) }
        guard write(bio) == 1 else { throw TLSSetupError("PEM") }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = BIO_read(bio, &bytes, Int32(bytes.count))
        return Array(bytes.prefix(Int(count)))
    }
}

/// The names of OpenSSL's MBSTRING_* are macros of macros.
private let MBSTRING_UTF8: Int32 = 0x1000

private func made<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw TLSSetupError("OpenSSL made nothing") }
    return value
}

private func EVP_PKEY_Q_keygen_ec() -> OpaquePointer? {
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1,
        EVP_PKEY_CTX_set_group_name(context, "P-256") == 1, EVP_PKEY_generate(context, &key) == 1
    else { return nil }
    return key
}

private func EVP_PKEY_keygen(_ type: Int32) -> OpaquePointer? {
    guard let context = EVP_PKEY_CTX_new_id(type, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_generate(context, &key) == 1 else {
        return nil
    }
    return key
}
