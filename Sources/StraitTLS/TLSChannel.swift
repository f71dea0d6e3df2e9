// The socket as OpenSSL sees it: one BIO per worker thread, shared by all of the thread's
// connections.
//
// A BIO per connection costs memory and a copy. Instead, before each call the descriptor and the
// replayed bytes are put into the channel; what OpenSSL writes is gathered there, and one send
// follows the call.

private import COpenSSL
private import CStrait
private import Glibc

/// A thread's way between OpenSSL and its sockets: the shared BIO and the gather buffer.
///
/// Born on its thread and used there only. May end before the connections that used it: the BIO
/// counts them.
@safe package struct TLSChannel: ~Copyable {
    /// One reference to the BIO, released in `deinit`; never nil.
    let bio: OpaquePointer
    /// Owned by the BIO, which frees it together with its last reference.
    let state: UnsafeMutablePointer<ChannelState>

    /// - Throws: ``TLSSetupError`` when memory is short.
    package init() throws(TLSSetupError) {
        guard let method = unsafe ChannelBIO.method, let bio = unsafe BIO_new(method) else {
            throw TLSSetupError(OpenSSLErrors.drained("cannot make a BIO"))
        }
        unsafe self.bio = bio
        unsafe self.state = UnsafeMutablePointer<ChannelState>.allocate(capacity: 1)
        unsafe self.state.initialize(to: ChannelState())
        unsafe BIO_set_data(bio, self.state)
        unsafe BIO_set_init(bio, 1)
    }

    deinit { unsafe BIO_free(self.bio) }
}

/// What the BIO's callbacks read and write during one call into OpenSSL.
struct ChannelState {
    /// The connection's descriptor; borrowed for the call.
    var descriptor: Int32 = -1
    /// Bytes that were read from the socket before, handed out first.
    var replay: [UInt8] = []
    /// How many of them have been handed out.
    var replayOffset = 0
    /// What OpenSSL has written during the call; its capacity stays.
    var output: [UInt8] = []
    /// The socket had nothing more, so that an edge will announce what comes.
    var isSocketEmpty = false
    /// Whether a receive that brought less than asked for means that the socket is empty.
    var trustsShortReceives = false
    /// The call's last receive brought less than asked for.
    var wasShort = false
    /// The peer has sent its FIN.
    var hasEnded = false
    /// `errno` of the receive that failed, or 0.
    var receiveError: Int32 = 0
    /// The alert that OpenSSL wrote during the call, or nil.
    var alertSent: UInt8?
}

/// The BIO's method table, made once for the process and never changed.
private enum ChannelBIO {
    nonisolated(unsafe) static let method: OpaquePointer? = {
        // BIO_TYPE_SOURCE_SINK with a number of its own; without BIO_TYPE_DESCRIPTOR, since
        // SSL_get_fd has no answer here.
        let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        guard let method = unsafe BIO_meth_new(type, "strait channel") else { return nil }
        unsafe BIO_meth_set_read_ex(method, straitChannelRead)
        unsafe BIO_meth_set_write_ex(method, straitChannelWrite)
        unsafe BIO_meth_set_ctrl(method, straitChannelControl)
        unsafe BIO_meth_set_destroy(method, straitChannelDestroy)
        return unsafe method
    }()
}

/// Hands out replayed bytes, then what the socket has.
///
/// 1: bytes came; 0: FIN; -1: nothing now, or broken.
@c private func straitChannelRead(
    _ bio: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ count: Int,
    _ taken: UnsafeMutablePointer<Int>?
) -> Int32 {
    guard let bio = unsafe bio, let buffer = unsafe buffer, let taken = unsafe taken,
        let state = unsafe channelState(of: bio)
    else { return -1 }
    unsafe cstrait_tls_clear_retry(bio)
    unsafe taken.pointee = 0
    let replayed = unsafe min(state.pointee.replay.count - state.pointee.replayOffset, count)
    if replayed > 0 {
        unsafe state.pointee.replay.withUnsafeBytes { bytes in
            let source = unsafe bytes.baseAddress.map { unsafe $0 + state.pointee.replayOffset }
            if let source = unsafe source { unsafe memcpy(buffer, source, replayed) }
        }
        unsafe state.pointee.replayOffset += replayed
        unsafe taken.pointee = replayed
        return 1
    }
    if unsafe state.pointee.trustsShortReceives && state.pointee.wasShort {
        unsafe state.pointee.isSocketEmpty = true
        unsafe cstrait_tls_set_retry_read(bio)
        return -1
    }
    while true {
        let received = unsafe recv(state.pointee.descriptor, buffer, count, Int32(MSG_DONTWAIT))
        if received > 0 {
            unsafe state.pointee.wasShort = received < count
            unsafe taken.pointee = received
            return 1
        }
        if received == 0 {
            unsafe state.pointee.hasEnded = true
            return 0
        }
        let error = errno
        if error == EINTR { continue }
        if error == EAGAIN {
            unsafe state.pointee.isSocketEmpty = true
            unsafe cstrait_tls_set_retry_read(bio)
        } else {
            unsafe state.pointee.receiveError = error
        }
        return -1
    }
}

/// Gathers, and never blocks; what was gathered is sent after the call, in one piece.
@c private func straitChannelWrite(
    _ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int,
    _ written: UnsafeMutablePointer<Int>?
) -> Int32 {
    guard let bio = unsafe bio, let bytes = unsafe bytes, let written = unsafe written,
        let state = unsafe channelState(of: bio)
    else { return -1 }
    unsafe cstrait_tls_clear_retry(bio)
    let source = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
    unsafe state.pointee.output.append(contentsOf: source)
    unsafe written.pointee = count
    return 1
}

/// Flushing is done after the call, and the FIN is not told (BIO_CTRL_EOF).
///
/// OpenSSL would answer the FIN with a fatal alert and refuse to write, but whoever has ended its
/// own direction may still read ours.
@c private func straitChannelControl(
    _ bio: OpaquePointer?, _ command: Int32, _ number: Int, _ pointer: UnsafeMutableRawPointer?
) -> Int {
    command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0
}

@c private func straitChannelDestroy(_ bio: OpaquePointer?) -> Int32 {
    guard let bio = unsafe bio, let state = unsafe channelState(of: bio) else { return 0 }
    unsafe BIO_set_data(bio, nil)
    unsafe state.deinitialize(count: 1)
    unsafe state.deallocate()
    return 1
}

/// The state behind a channel's BIO; nil while it is being made.
func channelState(of bio: OpaquePointer) -> UnsafeMutablePointer<ChannelState>? {
    unsafe BIO_get_data(bio)?.assumingMemoryBound(to: ChannelState.self)
}
