// One SSL_CTX: certificates, authorities, protocols and tickets of one tenant and policy.
//
// Profile: Mozilla's "intermediate", version 5.7, without the DHE suites: TLS 1.2 with ECDHE and
// AEAD, and TLS 1.3; the cipher is chosen in our order, but ChaCha20 where the peer that dials puts
// it first, since it knows whether it has AES in hardware.

private import COpenSSL
private import CStrait

/// What connections of one tenant and policy, or to one kind of upstream, have in common.
///
/// Used on the thread that made it. Connections keep it alive.
@safe package final class TLSContext {
    /// Whether connections with it are accepted (true) or dialled.
    let isServer: Bool
    /// The protocols to choose from, in order of preference.
    let applicationProtocols: [[UInt8]]
    /// Whether downstreams are given tickets.
    let givesTickets: Bool
    /// Chains of downstreams that this context's authorities have been found to have signed.
    var verifiedChains = VerifiedChains()
    /// Keys of its tickets; empty where it gives none.
    let ticketKeys: TicketKeys
    private let owned: ContextHandle
    /// The SSL_CTX, borrowed.
    var handle: OpaquePointer { unsafe self.owned.handle }

    /// A context for downstreams.
    ///
    /// - Throws: ``TLSSetupError`` naming the chain, key or authorities that cannot be used.
    package init(server settings: TLSServerSettings) throws(TLSSetupError) {
        for name in settings.applicationProtocols where !(1...255).contains(name.count) {
            throw TLSSetupError("an application protocol has 1 to 255 bytes, not \(name.count)")
        }
        guard !settings.certificates.isEmpty else { throw TLSSetupError("no certificate is given") }
        let context = try ContextHandle.make(server: true)
        for (index, certificate) in settings.certificates.enumerated() {
            let suffix = settings.certificates.count > 1 ? " of certificate \(index + 1)" : ""
            try context.use(
                chainPEM: certificate.chainPEM, keyPEM: certificate.keyPEM, suffix: suffix)
        }
        if let authorities = settings.clientAuthoritiesPEM {
            try context.ask(
                authoritiesPEM: authorities, requires: settings.requiresClientCertificate)
        }
        try context.limitResumption(settings)
        self.isServer = true
        self.applicationProtocols = settings.applicationProtocols
        self.givesTickets = settings.givesTickets
        self.ticketKeys = TicketKeys(settings)
        self.owned = context
        // Connections keep the context alive, so that the callbacks find it.
        let pointer = unsafe Unmanaged.passUnretained(self).toOpaque()
        if settings.clientAuthoritiesPEM != nil {
            unsafe SSL_CTX_set_cert_verify_callback(self.handle, straitVerifyChain, pointer)
        }
        if self.givesTickets { unsafe try TicketKeys.use(on: self.handle, of: pointer) }
        if !settings.applicationProtocols.isEmpty {
            unsafe SSL_CTX_set_alpn_select_cb(self.handle, straitSelectProtocol, pointer)
        }
    }

    /// A context for upstreams.
    ///
    /// - Throws: ``TLSSetupError`` naming the chain, key or authorities that cannot be used.
    package init(client settings: TLSClientSettings) throws(TLSSetupError) {
        let context = try ContextHandle.make(server: false)
        switch (settings.chainPEM, settings.keyPEM) {
        case (nil, nil): break
        case (let chain?, let key?): try context.use(chainPEM: chain, keyPEM: key, suffix: "")
        case (_?, nil): throw TLSSetupError("a chain without its key")
        case (nil, _?): throw TLSSetupError("a key without its chain")
        }
        if settings.verifies { try context.verify(authoritiesPEM: settings.authoritiesPEM) }
        self.isServer = false
        self.applicationProtocols = []
        self.givesTickets = false
        self.ticketKeys = TicketKeys()
        self.owned = context
    }
}

/// Owns one `SSL_CTX` while it is made.
@safe private struct ContextHandle: ~Copyable {
    /// Never nil; one reference, released in `deinit`.
    let handle: OpaquePointer

    private init(owning handle: OpaquePointer) { unsafe self.handle = handle }

    deinit { unsafe SSL_CTX_free(self.handle) }

    /// An SSL_CTX with everything that all of ours have in common.
    static func make(server: Bool) throws(TLSSetupError) -> ContextHandle {
        ERR_clear_error()
        let method = unsafe server ? TLS_server_method() : TLS_client_method()
        guard let handle = unsafe SSL_CTX_new(method) else {
            throw TLSSetupError(OpenSSLErrors.drained("cannot make a TLS context"))
        }
        let context = unsafe ContextHandle(owning: handle)
        unsafe cstrait_tls_set_common_options(handle)
        unsafe cstrait_tls_set_modes(handle)
        unsafe cstrait_tls_disable_cache(handle)
        unsafe cstrait_tls_set_chain_bytes_max(handle, Self.peerChainBytesMax)
        unsafe SSL_CTX_set_security_level(handle, 2)
        unsafe SSL_CTX_set_verify_depth(handle, Self.chainDepthMax)
        unsafe SSL_CTX_set_info_callback(handle, straitNoteAlert)
        guard unsafe cstrait_tls_set_versions(handle) == 1,
            unsafe SSL_CTX_set_cipher_list(handle, Self.cipherList) == 1,
            unsafe SSL_CTX_set_ciphersuites(handle, Self.cipherSuites) == 1,
            unsafe cstrait_tls_set_groups(handle, Self.groupsHybrid) == 1
                || cstrait_tls_set_groups(handle, Self.groups) == 1
        else { throw TLSSetupError(OpenSSLErrors.drained("cannot set the TLS profile")) }
        ERR_clear_error()  // An older libssl does not know the hybrid group.
        return context
    }

    /// Shows this certificate, and checks that the key is its own.
    func use(chainPEM: [UInt8], keyPEM: [UInt8], suffix: String) throws(TLSSetupError) {
        let pair = try KeyPair.read(
            chainPEM: chainPEM, keyPEM: keyPEM, chainName: "the chain\(suffix)",
            keyName: "the key\(suffix)")
        guard let leaf = unsafe OPENSSL_sk_shift(pair.chain.handle) else {
            throw TLSSetupError("the chain\(suffix) is empty")
        }
        let certificate = unsafe Certificate(owning: OpaquePointer(leaf))
        let status = unsafe SSL_CTX_use_cert_and_key(
            self.handle, certificate.handle, pair.key.handle, pair.chain.handle, 0)
        guard status == 1 else {
            throw TLSSetupError(OpenSSLErrors.drained("the chain\(suffix) cannot be used"))
        }
    }

    /// Asks downstreams for a certificate that one of these authorities has signed.
    func ask(authoritiesPEM: [UInt8], requires: Bool) throws(TLSSetupError) {
        let authorities = try CertificateList.read(
            pem: authoritiesPEM, what: "the client authorities")
        try self.trust(authorities, what: "the client authorities")
        for index in 0..<authorities.count {
            guard unsafe SSL_CTX_add_client_CA(self.handle, authorities.member(index)) == 1 else {
                throw TLSSetupError(OpenSSLErrors.drained("the client authorities"))
            }
        }
        let mode = SSL_VERIFY_PEER | (requires ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
        unsafe SSL_CTX_set_verify(self.handle, mode, nil)
    }

    /// Verifies upstreams.
    func verify(authoritiesPEM: [UInt8]?) throws(TLSSetupError) {
        if let authoritiesPEM {
            let authorities = try CertificateList.read(pem: authoritiesPEM, what: "the authorities")
            try self.trust(authorities, what: "the authorities")
        } else {
            guard unsafe SSL_CTX_set_default_verify_paths(self.handle) == 1 else {
                throw TLSSetupError(OpenSSLErrors.drained("the system's authorities"))
            }
        }
        unsafe SSL_CTX_set_verify(self.handle, SSL_VERIFY_PEER, nil)
    }

    /// Each listed certificate is an anchor, whether or not it has signed itself.
    private func trust(_ authorities: borrowing CertificateList, what: String) throws(TLSSetupError)
    {
        guard let store = unsafe SSL_CTX_get_cert_store(self.handle) else {
            throw TLSSetupError("\(what): no store")
        }
        for index in 0..<authorities.count {
            guard unsafe X509_STORE_add_cert(store, authorities.member(index)) == 1 else {
                throw TLSSetupError(OpenSSLErrors.drained("\(what): certificate \(index + 1)"))
            }
        }
        unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
    }

    /// Tickets of this tenant and policy, or none at all.
    func limitResumption(_ settings: TLSServerSettings) throws(TLSSetupError) {
        guard settings.sessionContext.count <= 32 else {
            throw TLSSetupError("the session context has at most 32 bytes")
        }
        let context = settings.sessionContext
        guard
            unsafe SSL_CTX_set_session_id_context(self.handle, context, UInt32(context.count)) == 1
        else { throw TLSSetupError(OpenSSLErrors.drained("the session context")) }
        guard settings.givesTickets else {
            unsafe cstrait_tls_refuse_tickets(self.handle)
            guard unsafe SSL_CTX_set_num_tickets(self.handle, 0) == 1 else {
                throw TLSSetupError(OpenSSLErrors.drained("tickets"))
            }
            return
        }
        let keys = [settings.ticketKey, settings.previousTicketKey]
        for key in keys where !key.isEmpty && key.count != TLSTicketKey.bytes {
            throw TLSSetupError("a ticket key has \(TLSTicketKey.bytes) bytes, not \(key.count)")
        }
        unsafe SSL_CTX_set_timeout(self.handle, Int(settings.ticketLifetimeSeconds))
        guard unsafe SSL_CTX_set_num_tickets(self.handle, 1) == 1 else {
            throw TLSSetupError(OpenSSLErrors.drained("tickets"))
        }
    }

    private static let cipherList = """
        ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
        ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
        ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
        """
    private static let cipherSuites =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let groups = "X25519:P-256:P-384"
    /// From OpenSSL 3.5 on.
    private static let groupsHybrid = "X25519MLKEM768:" + Self.groups
    /// A peer's chain in the handshake; beyond: alert illegal_parameter.
    ///
    /// OpenSSL's own default is 100 KB.
    private static let peerChainBytesMax = 64 * 1024
    /// Authorities between a peer's certificate and an anchor.
    private static let chainDepthMax: Int32 = 8
}

/// RFC 7301 §3.2: the first of ours that was offered, else alert 120.
@c private func straitSelectProtocol(
    _ ssl: OpaquePointer?, _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ selectedCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?,
    _ offeredCount: UInt32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context = unsafe context, let selected = unsafe selected,
        let selectedCount = unsafe selectedCount
    else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let ours = unsafe Unmanaged<TLSContext>.fromOpaque(context).takeUnretainedValue()
    let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    for name in ours.applicationProtocols {
        var start = 0
        while start < list.count {
            let end = start + 1 + Int(unsafe list[start])
            guard end <= list.count else { break }
            if unsafe list[(start + 1)..<end].elementsEqual(name) {
                unsafe selected.pointee = list.baseAddress.map { unsafe $0 + start + 1 }
                unsafe selectedCount.pointee = unsafe list[start]
                return SSL_TLSEXT_ERR_OK
            }
            start = end
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Notes the alert that OpenSSL writes, which it tells nobody else.
@c private func straitNoteAlert(_ ssl: OpaquePointer?, _ type: Int32, _ value: Int32) {
    guard type & SSL_CB_ALERT != 0, type & SSL_CB_WRITE != 0, let bio = unsafe SSL_get_rbio(ssl),
        let state = unsafe channelState(of: bio)
    else { return }
    unsafe state.pointee.alertSent = UInt8(truncatingIfNeeded: value)
}
