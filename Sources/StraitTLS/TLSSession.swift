// One TLS connection: handshake, reading and writing on a socket that somebody else owns and polls.
//
// Every call puts descriptor and replayed bytes into the channel, calls OpenSSL, and sends what
// OpenSSL has written in one piece; what the socket does not take stays here (`pending`). No call
// ever blocks.

private import COpenSSL
private import CStrait
private import Glibc

/// One TLS connection over a descriptor that is given with each call.
///
/// Stays on the thread of its channel and its context.
@safe package struct TLSSession: ~Copyable {
    /// Owned, freed once in `deinit`; never nil, never shared, used on one thread.
    let ssl: OpaquePointer
    /// Kept for the protocols that its callback reads.
    private let context: TLSContext
    /// Bytes read before the session began; empty once OpenSSL has them.
    private var replay: [UInt8]
    private var replayOffset = 0
    /// Records that the socket did not take, from `pendingOffset` on.
    private var pending: [UInt8] = []
    private var pendingOffset = 0
    /// How many of the pending bytes answer the peer's own messages and were not asked for by us.
    private var pendingAnswers = 0
    /// The last call saw the socket empty.
    private var isSocketEmpty = false
    /// The ticket of TLS 1.3, some 250 bytes, which goes with the next bytes.
    ///
    /// After the handshake nobody waits for it, and a send of its own costs as much as the answer:
    /// so they share one.
    private var ticket: [UInt8] = []
    /// What ended a read that had bytes to give first.
    private var ending: Ending?

    private enum Ending {
        case outcome(TLSReadOutcome)
        case failure(TLSFailure)
    }

    /// A connection that was accepted.
    ///
    /// - Parameters:
    ///   - serverContext: Made for downstreams, on this thread.
    ///   - replay: What was read from the socket before, the ClientHello first.
    ///   - channel: This thread's.
    /// - Throws: ``TLSSetupError`` when memory is short.
    package init(
        serverContext: TLSContext, replay: Span<UInt8>, channel: borrowing TLSChannel
    ) throws(TLSSetupError) {
        precondition(serverContext.isServer, "a context for downstreams")
        unsafe self.ssl = try Self.make(serverContext, channel)
        self.context = serverContext
        self.replay = unsafe replay.withUnsafeBufferPointer { unsafe Array($0) }
        unsafe SSL_set_accept_state(self.ssl)
    }

    /// A connection that was dialled.
    ///
    /// - Parameters:
    ///   - clientContext: Made for upstreams, on this thread.
    ///   - serverName: Sent as SNI; nil sends none. Not an address, RFC 6066 §3.
    ///   - verifyName: The DNS name that the certificate must carry.
    ///   - verifyAddress: The IP address, as text, that the certificate must carry.
    ///   - applicationProtocols: Offered in this order; empty offers none.
    ///   - channel: This thread's.
    /// - Throws: ``TLSSetupError`` naming the value that OpenSSL does not take.
    package init(
        clientContext: TLSContext, serverName: String?, verifyName: String?,
        verifyAddress: String?, applicationProtocols: [[UInt8]], channel: borrowing TLSChannel
    ) throws(TLSSetupError) {
        precondition(!clientContext.isServer, "a context for upstreams")
        let ssl = unsafe try Self.make(clientContext, channel)
        let problem = unsafe Self.configure(
            ssl, serverName: serverName, verifyName: verifyName, verifyAddress: verifyAddress,
            applicationProtocols: applicationProtocols)
        if let problem {
            unsafe SSL_free(ssl)
            throw problem
        }
        unsafe SSL_set_connect_state(ssl)
        unsafe self.ssl = ssl
        self.context = clientContext
        self.replay = []
    }

    deinit { unsafe SSL_free(self.ssl) }

    // MARK: Progress

    /// Goes on with the handshake as far as it gets without waiting.
    ///
    /// After `done`, read once before waiting for an edge: the peer's first bytes may be here
    /// already.
    package mutating func handshake(
        descriptor: Int32, channel: inout TLSChannel
    ) throws(TLSFailure) -> TLSStep {
        self.begin(descriptor, channel)
        let result = unsafe SSL_do_handshake(self.ssl)
        let end = result == 1 ? .progress : self.end(of: result, channel)
        if case .progress = end { self.holdTicket(channel) }
        let sent = self.finish(descriptor, channel)
        switch end {
        case .progress: break
        case .wantsRead where self.pending.isEmpty: return .wantsRead
        case .wantsRead: break
        case .closeNotify, .streamEnd: throw .closedEarly
        case .failure(let failure): throw failure
        }
        if let sent { throw sent }
        return self.pending.isEmpty ? .done : .wantsWrite
    }

    /// Decrypts until the buffer is full or nothing more is there.
    ///
    /// What ends the connection is reported by the call after the one that gave the last bytes.
    ///
    /// `endMayHaveCome` is false where the event that led here told of no FIN and no error. Then a
    /// receive that brings less than asked for is taken for the last (epoll(7), edge-triggered),
    /// which saves one system call per message; a FIN that comes later has an edge of its own.
    package mutating func read(
        into buffer: inout MutableSpan<UInt8>, descriptor: Int32, channel: inout TLSChannel,
        endMayHaveCome: Bool = true
    ) throws(TLSFailure) -> TLSReadOutcome {
        if let ending = self.ending.take() {
            switch ending {
            case .outcome(let outcome): return outcome
            case .failure(let failure): throw failure
            }
        }
        guard !buffer.isEmpty else { return .wantsRead }
        self.begin(descriptor, channel)
        unsafe channel.state.pointee.trustsShortReceives = !endMayHaveCome
        let (count, end) = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe self.decrypt(into: bytes, channel)
        }
        let answered = unsafe channel.state.pointee.output.count
        let sendFailure = self.finish(descriptor, channel)
        let outcome = self.outcome(of: end, answered: answered, sendFailure: sendFailure)
        guard count == 0 else {
            // A full buffer ended nothing, and an empty socket is announced by an edge.
            switch outcome {
            case nil, .outcome(.wantsRead): break
            case .outcome, .failure: self.ending = outcome
            }
            return .bytes(count)
        }
        switch outcome {
        case nil: return .wantsRead
        case .outcome(let outcome): return outcome
        case .failure(let failure): throw failure
        }
    }

    /// Encrypts all of `bytes` and sends what the socket takes; the rest is pending.
    ///
    /// - Returns: How many bytes were taken: all, or 0 while earlier ones are pending.
    package mutating func write(
        _ bytes: Span<UInt8>, descriptor: Int32, channel: inout TLSChannel
    ) throws(TLSFailure) -> Int {
        guard try self.flush(descriptor: descriptor, channel: &channel) == .done else { return 0 }
        guard !bytes.isEmpty else { return 0 }
        self.begin(descriptor, channel)
        self.sendTicketFirst(channel)
        var taken = 0
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe SSL_write_ex(self.ssl, buffer.baseAddress, buffer.count, &taken)
        }
        let end = result == 1 ? .progress : self.end(of: result, channel)
        let sent = self.finish(descriptor, channel)
        switch end {
        case .progress: break
        case .wantsRead: throw .failed(.other("the handshake is not done"))
        case .closeNotify, .streamEnd: throw .reset
        case .failure(let failure): throw failure
        }
        if let sent { throw sent }
        return taken
    }

    /// Sends what is pending.
    package mutating func flush(
        descriptor: Int32, channel: inout TLSChannel
    ) throws(TLSFailure) -> TLSStep {
        guard !self.pending.isEmpty else { return .done }
        if let failure = self.sendPending(descriptor) { throw failure }
        return self.pending.isEmpty ? .done : .wantsWrite
    }

    /// Tells the peer that we are done writing; reading goes on.
    ///
    /// The kernel keeps it for the FIN, so that both leave in one packet: on ``TLSStep/done`` the
    /// caller shuts the socket down or closes it at once.
    package mutating func sendCloseNotify(
        descriptor: Int32, channel: inout TLSChannel
    ) throws(TLSFailure) -> TLSStep {
        self.begin(descriptor, channel)
        self.sendTicketFirst(channel)
        if unsafe SSL_is_init_finished(self.ssl) == 1 {
            _ = unsafe SSL_shutdown(self.ssl)
        }
        if let sent = self.finish(descriptor, channel, beforeEnd: true) { throw sent }
        return self.pending.isEmpty ? .done : .wantsWrite
    }

    /// Whether records wait for the socket to become writable.
    package var hasPendingOutput: Bool { !self.pending.isEmpty }

    /// Whether another read may bring something that no edge will announce.
    package var hasBufferedInput: Bool {
        if self.ending != nil || self.replayOffset < self.replay.count { return true }
        return unsafe !self.isSocketEmpty && SSL_has_pending(self.ssl) == 1
    }
}

// MARK: - One call into OpenSSL

/// How a call into OpenSSL ended.
private enum CallEnd {
    case progress, wantsRead, closeNotify, streamEnd
    case failure(TLSFailure)
}

extension TLSSession {
    /// Receives in a row, in one call, that bring messages without data (KeyUpdate) alone; whoever
    /// sends more means to keep the worker busy.
    private static let receivesWithoutDataMax = 16
    /// Answers to the peer's own messages (KeyUpdate) that may wait while the peer does not read.
    private static let pendingAnswersMax = 16 * 1024

    /// Puts the channel at this connection's service.
    private mutating func begin(_ descriptor: Int32, _ channel: borrowing TLSChannel) {
        let state = unsafe channel.state
        precondition(
            unsafe SSL_get_rbio(self.ssl) == channel.bio, "a connection stays with its channel")
        unsafe state.pointee.descriptor = descriptor
        unsafe swap(&state.pointee.replay, &self.replay)
        unsafe state.pointee.replayOffset = self.replayOffset
        unsafe state.pointee.isSocketEmpty = false
        unsafe state.pointee.trustsShortReceives = false
        unsafe state.pointee.wasShort = false
        unsafe state.pointee.hasEnded = false
        unsafe state.pointee.receiveError = 0
        unsafe state.pointee.alertSent = nil
        // SSL_get_error reads the thread's queue; a stale entry would be blamed on this peer.
        ERR_clear_error()
    }

    /// Keeps the ticket back that ends a handshake of TLS 1.3: what the server writes after the
    /// peer's Finished is nothing else.
    private mutating func holdTicket(_ channel: borrowing TLSChannel) {
        guard self.context.givesTickets, self.pending.isEmpty,
            unsafe SSL_version(self.ssl) == TLS1_3_VERSION
        else { return }
        // Of its own size: the channel's array has room for much more.
        unsafe self.ticket += channel.state.pointee.output
        unsafe channel.state.pointee.output.removeAll(keepingCapacity: true)
    }

    /// Puts the ticket before what OpenSSL is about to write.
    private mutating func sendTicketFirst(_ channel: borrowing TLSChannel) {
        guard !self.ticket.isEmpty else { return }
        unsafe channel.state.pointee.output.append(contentsOf: self.ticket)
        self.ticket = []
    }

    /// Takes back what is this connection's, and sends what OpenSSL has written.
    private mutating func finish(
        _ descriptor: Int32, _ channel: borrowing TLSChannel, beforeEnd: Bool = false
    ) -> TLSFailure? {
        let state = unsafe channel.state
        unsafe swap(&state.pointee.replay, &self.replay)
        unsafe self.replayOffset = state.pointee.replayOffset
        unsafe self.isSocketEmpty = state.pointee.isSocketEmpty
        if !self.replay.isEmpty, self.replayOffset == self.replay.count {
            self.replay = []
            self.replayOffset = 0
        }
        defer { unsafe state.pointee.output.removeAll(keepingCapacity: true) }
        guard self.pending.isEmpty else {
            unsafe self.pending.append(contentsOf: state.pointee.output)
            return self.sendPending(descriptor)
        }
        guard unsafe !state.pointee.output.isEmpty else { return nil }
        switch unsafe Self.send(state.pointee.output[...], descriptor, beforeEnd: beforeEnd) {
        case .failure(let failure): return failure
        case .success(let sent):
            let all = unsafe state.pointee.output.count
            if sent < all { unsafe self.pending = Array(state.pointee.output[sent...]) }
            return nil
        }
    }

    private mutating func sendPending(_ descriptor: Int32) -> TLSFailure? {
        switch Self.send(self.pending[self.pendingOffset...], descriptor) {
        case .failure(let failure): return failure
        case .success(let sent):
            self.pendingOffset += sent
            guard self.pendingOffset == self.pending.count else { return nil }
            self.pending = []
            self.pendingOffset = 0
            self.pendingAnswers = 0
            return nil
        }
    }

    /// How many bytes the socket took; 0 when it is full.
    ///
    /// `beforeEnd`: the FIN follows at once.
    private static func send(
        _ bytes: ArraySlice<UInt8>, _ descriptor: Int32, beforeEnd: Bool = false
    ) -> Result<Int, TLSFailure> {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT) | (beforeEnd ? Int32(MSG_MORE) : 0)
        while true {
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(descriptor, buffer.baseAddress, buffer.count, flags)
            }
            if sent >= 0 { return .success(sent) }
            let error = errno
            if error == EINTR { continue }
            return error == EAGAIN ? .success(0) : .failure(.of(errno: error))
        }
    }

    /// Reads until the buffer is full (`progress`) or OpenSSL has nothing more to give.
    private func decrypt(
        into bytes: UnsafeMutableRawBufferPointer, _ channel: borrowing TLSChannel
    ) -> (Int, CallEnd) {
        guard let base = bytes.baseAddress else { return (0, .wantsRead) }
        var count = 0
        var withoutData = 0
        while count < bytes.count {
            var got = 0
            let result = unsafe SSL_read_ex(self.ssl, base + count, bytes.count - count, &got)
            if result == 1 {
                count += got
                withoutData = 0
                continue
            }
            let end = self.end(of: result, channel)
            // A message that is no data (KeyUpdate) ends the call, too, where it is the last of a
            // receive, whatever the socket has behind it.
            guard case .wantsRead = end, unsafe !channel.state.pointee.isSocketEmpty else {
                return (count, end)
            }
            withoutData += 1
            guard withoutData <= Self.receivesWithoutDataMax else {
                return (count, .failure(.failed(.malformed("too many messages without data"))))
            }
        }
        return (count, .progress)
    }

    /// What a read that ended so has to report; nil when only the buffer was full.
    private mutating func outcome(
        of end: CallEnd, answered: Int, sendFailure: TLSFailure?
    ) -> Ending? {
        if !self.pending.isEmpty { self.pendingAnswers += answered }
        switch end {
        case .failure(let failure): return .failure(failure)
        case .closeNotify: return .outcome(.closeNotify)
        case .streamEnd: return .outcome(.truncated)
        case .progress, .wantsRead: break
        }
        if let sendFailure { return .failure(sendFailure) }
        guard self.pendingAnswers <= Self.pendingAnswersMax else {
            return .failure(.failed(.malformed("too many key updates")))
        }
        if case .progress = end { return nil }
        return .outcome(.wantsRead)
    }

    /// Why a call did not succeed.
    private func end(of result: Int32, _ channel: borrowing TLSChannel) -> CallEnd {
        let state = unsafe channel.state
        switch unsafe SSL_get_error(self.ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_ZERO_RETURN: return .closeNotify
        case SSL_ERROR_SYSCALL:
            if unsafe state.pointee.hasEnded { return .streamEnd }
            return unsafe .failure(.of(errno: state.pointee.receiveError))
        default: return unsafe .failure(.of(self.ssl, alertSent: state.pointee.alertSent))
        }
    }

    private static func make(
        _ context: TLSContext, _ channel: borrowing TLSChannel
    ) throws(TLSSetupError) -> OpaquePointer {
        ERR_clear_error()
        guard let ssl = unsafe SSL_new(context.handle) else {
            throw TLSSetupError(OpenSSLErrors.drained("cannot make a TLS connection"))
        }
        unsafe BIO_up_ref(channel.bio)
        // Takes over one reference when both are the same.
        unsafe SSL_set_bio(ssl, channel.bio, channel.bio)
        return unsafe ssl
    }

    private static func configure(
        _ ssl: OpaquePointer, serverName: String?, verifyName: String?, verifyAddress: String?,
        applicationProtocols: [[UInt8]]
    ) -> TLSSetupError? {
        ERR_clear_error()
        if let serverName, unsafe cstrait_tls_set_server_name(ssl, serverName) != 1 {
            return TLSSetupError(OpenSSLErrors.drained("\(serverName) cannot be sent as SNI"))
        }
        if let verifyName {
            unsafe SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            guard unsafe SSL_set1_host(ssl, verifyName) == 1 else {
                return TLSSetupError(OpenSSLErrors.drained("\(verifyName) is not a name to verify"))
            }
        }
        if let verifyAddress {
            guard
                unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), verifyAddress) == 1
            else {
                return TLSSetupError(
                    OpenSSLErrors.drained("\(verifyAddress) is not an address to verify"))
            }
        }
        guard !applicationProtocols.isEmpty else { return nil }
        var list: [UInt8] = []
        for name in applicationProtocols {
            guard (1...255).contains(name.count) else {
                return TLSSetupError(
                    "an application protocol has 1 to 255 bytes, not \(name.count)")
            }
            list.append(UInt8(name.count))
            list += name
        }
        guard unsafe SSL_set_alpn_protos(ssl, list, UInt32(list.count)) == 0 else {
            return TLSSetupError(OpenSSLErrors.drained("the application protocols"))
        }
        return nil
    }
}
