// Two generations of ticket keys: one that tickets are made with, and the one before it, whose
// tickets are still good. RFC 5077 §4: AES-256-CBC, then HMAC-SHA-256 over all of it.
//
// OpenSSL keeps one key by itself, so that each change of keys would cost everybody a full
// handshake.

private import COpenSSL
private import Glibc

/// The ticket keys of one context.
struct TicketKeys {
    /// Cut into its parts: name 16, HMAC key 32, AES key 32.
    struct Key {
        let name: [UInt8]
        let authentication: [UInt8]
        let encryption: [UInt8]

        init(_ bytes: [UInt8]) {
            precondition(bytes.count == TLSTicketKey.bytes, "the context has looked at it")
            self.name = Array(bytes[..<16])
            self.authentication = Array(bytes[16..<48])
            self.encryption = Array(bytes[48...])
        }
    }

    /// The one that tickets are made with, then the one before it.
    private let keys: [Key]

    /// None.
    init() { self.keys = [] }

    /// Those of a context that gives tickets; none for any other.
    init(_ settings: TLSServerSettings) {
        guard settings.givesTickets else {
            self.keys = []
            return
        }
        self.keys = [settings.ticketKey, settings.previousTicketKey].filter { !$0.isEmpty }
            .map(Key.init)
    }

    /// The key that tickets are made with.
    fileprivate var current: Key? { self.keys.first }

    /// Which key has this name.
    fileprivate func index(of name: UnsafeBufferPointer<UInt8>) -> Int? {
        self.keys.firstIndex { key in unsafe name.elementsEqual(key.name) }
    }

    fileprivate subscript(index: Int) -> Key { self.keys[index] }

    /// Has the context, an SSL_CTX, take its keys from the TLSContext at `owner`.
    static func use(
        on context: OpaquePointer, of owner: UnsafeMutableRawPointer
    ) throws(TLSSetupError) {
        guard Self.ownerIndex >= 0,
            unsafe SSL_CTX_set_ex_data(context, Self.ownerIndex, owner) == 1,
            unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(context, straitTicketKey) == 1
        else { throw TLSSetupError(OpenSSLErrors.drained("the ticket keys")) }
    }

    /// Where an SSL_CTX keeps its TLSContext.
    fileprivate static let ownerIndex: Int32 = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil, nil)

    /// Fetched once for the process; looking it up for each ticket costs more than the ticket.
    fileprivate nonisolated(unsafe) static let cipher: OpaquePointer? =
        unsafe EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)

    /// The digest of the MAC, as EVP_MAC_init reads it; made once for the process, never freed.
    ///
    /// The strings stay where they are, because the parameters point to them. "digest" is
    /// OSSL_MAC_PARAM_DIGEST, openssl/core_names.h.
    fileprivate nonisolated(unsafe) static let parameters: UnsafeMutablePointer<OSSL_PARAM> = {
        let list = UnsafeMutablePointer<OSSL_PARAM>.allocate(capacity: 2)
        unsafe list.initialize(
            to: OSSL_PARAM_construct_utf8_string(strdup("digest"), strdup("SHA256"), 0))
        unsafe (list + 1).initialize(to: OSSL_PARAM_construct_end())
        return unsafe list
    }()
}

/// Prepares cipher and MAC for a ticket that is made (`encrypts` 1) or has come (0).
///
/// 1: go on; 2: go on, and make the peer a new one; 0: not ours, a full handshake; -1: an error.
@c private func straitTicketKey(
    _ ssl: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?, _ iv: UnsafeMutablePointer<UInt8>?,
    _ cipher: OpaquePointer?, _ mac: OpaquePointer?, _ encrypts: Int32
) -> Int32 {
    guard let ssl = unsafe ssl, let name = unsafe name, let iv = unsafe iv,
        let context = unsafe SSL_get_SSL_CTX(ssl),
        let owner = unsafe SSL_CTX_get_ex_data(context, TicketKeys.ownerIndex)
    else { return -1 }
    let keys = unsafe Unmanaged<TLSContext>.fromOpaque(owner).takeUnretainedValue().ticketKeys
    guard encrypts == 1 else {
        let written = unsafe UnsafeBufferPointer(start: UnsafePointer(name), count: 16)
        guard let index = unsafe keys.index(of: written) else { return 0 }
        let key = keys[index]
        guard
            unsafe EVP_DecryptInit_ex(cipher, TicketKeys.cipher, nil, key.encryption, iv) == 1,
            unsafe authenticate(mac, with: key)
        else { return -1 }
        return index == 0 ? 1 : 2
    }
    guard let key = keys.current, unsafe RAND_bytes(iv, 16) == 1,
        unsafe EVP_EncryptInit_ex(cipher, TicketKeys.cipher, nil, key.encryption, iv) == 1,
        unsafe authenticate(mac, with: key)
    else { return -1 }
    for index in key.name.indices { unsafe name[index] = key.name[index] }
    return 1
}

/// HMAC-SHA-256 with the key's part for it.
private func authenticate(_ mac: OpaquePointer?, with key: TicketKeys.Key) -> Bool {
    unsafe EVP_MAC_init(
        mac, key.authentication, key.authentication.count, TicketKeys.parameters) == 1
}
