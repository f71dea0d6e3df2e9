// Fields of an X509 as plain values.

private import COpenSSL
private import CStrait
private import Glibc

/// Reads fields of an `X509`, which each caller lends.
enum X509Reading {
    /// The longest common name that is believed, in bytes; X.520 allows 64 characters.
    private static let commonNameBytesMax: Int32 = 256

    /// The last common name of the subject.
    ///
    /// Nil where there is none, or one with a NUL or beyond the bound: such a name would be cut or
    /// lost on its way through records and PROXY headers, and then be somebody else's.
    static func commonName(_ certificate: OpaquePointer) -> String? {
        guard let name = unsafe X509_get_subject_name(certificate) else { return nil }
        var last: Int32 = -1
        while true {
            let next = unsafe X509_NAME_get_index_by_NID(name, NID_commonName, last)
            guard next >= 0 else { break }
            last = next
        }
        guard last >= 0, let entry = unsafe X509_NAME_get_entry(name, last) else { return nil }
        var text: UnsafeMutablePointer<UInt8>?
        let count = unsafe ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry))
        guard count >= 0, let start = unsafe text else { return nil }
        defer { unsafe CRYPTO_free(start, #file, #line) }
        let bytes = unsafe UnsafeBufferPointer(start: start, count: Int(count))
        guard count <= Self.commonNameBytesMax, unsafe !bytes.contains(0) else { return nil }
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    /// Whether a chain may end at this certificate, or go on from it.
    static func canVerify(_ certificate: OpaquePointer) -> Bool {
        unsafe X509_check_ca(certificate) != 0 || X509_self_signed(certificate, 0) == 1
    }

    static func subject(_ certificate: OpaquePointer) -> String {
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { return "" }
        defer { unsafe BIO_free(bio) }
        let name = unsafe X509_get_subject_name(certificate)
        guard unsafe X509_NAME_print_ex(bio, name, 0, cstrait_tls_name_flags()) >= 0 else {
            return ""
        }
        var text = [UInt8](repeating: 0, count: 4096)
        let count = unsafe BIO_read(bio, &text, Int32(text.count))
        return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
    }

    static func dnsNames(_ certificate: OpaquePointer) -> [String] {
        guard
            let names = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil)
        else { return [] }
        let list = OpaquePointer(names)
        defer { unsafe GENERAL_NAMES_free(list) }
        return unsafe (0..<max(0, OPENSSL_sk_num(list))).compactMap { index in
            var kind: Int32 = -1
            guard let member = unsafe OPENSSL_sk_value(list, index) else { return nil }
            let name = unsafe member.assumingMemoryBound(to: GENERAL_NAME.self)
            guard let value = unsafe GENERAL_NAME_get0_value(name, &kind), kind == GEN_DNS else {
                return nil
            }
            let string = unsafe value.assumingMemoryBound(to: ASN1_STRING.self)
            let bytes = unsafe UnsafeBufferPointer(
                start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
            return unsafe String(decoding: bytes, as: UTF8.self)
        }
    }

    static func keyType(_ key: OpaquePointer) -> String {
        switch unsafe EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_EC: "ec"
        case EVP_PKEY_RSA: "rsa"
        case EVP_PKEY_ED25519: "ed25519"
        default:
            unsafe EVP_PKEY_get0_type_name(key).map { unsafe String(cString: $0) } ?? "unknown"
        }
    }

    static func der(_ certificate: OpaquePointer) -> [UInt8] {
        let count = Int(unsafe i2d_X509(certificate, nil))
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var end = buffer.baseAddress
            initialized = Int(unsafe max(0, i2d_X509(certificate, &end)))
        }
    }

    /// Both ends; nil for times that cannot be read.
    static func validity(_ certificate: OpaquePointer) -> VerifiedChains.Validity? {
        guard let notBefore = unsafe Self.seconds(X509_get0_notBefore(certificate)),
            let notAfter = unsafe Self.seconds(X509_get0_notAfter(certificate))
        else { return nil }
        return VerifiedChains.Validity(notBefore: notBefore, notAfter: notAfter)
    }

    /// Seconds since 1970.
    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(unsafe timegm(&parts))
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
