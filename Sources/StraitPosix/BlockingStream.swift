// Short exchanges of a program with one peer: it waits, because it has nothing else to do. Never in
// a worker.

internal import Glibc
package import StraitCore

/// A stream socket whose one owner sends and receives in turn and waits for each.
package struct BlockingStream: ~Copyable {
    private var socket: OwnedDescriptor
    private let timeoutMilliseconds: Int32

    /// Connects to `address`.
    ///
    /// - Parameters:
    ///   - address: Where to.
    ///   - timeoutMilliseconds: For connecting and for each wait after it; -1 waits for ever.
    /// - Throws: ``PosixError`` of the call that failed.
    package init(
        connectingTo address: SocketAddress, timeoutMilliseconds: Int32
    ) throws(PosixError) {
        let number = try Self.connected(to: address, timeoutMilliseconds: timeoutMilliseconds)
        self.socket = OwnedDescriptor(owning: number)
        self.timeoutMilliseconds = timeoutMilliseconds
    }

    /// The descriptor, still owned by this stream.
    package var descriptor: Int32 { self.socket.number }

    /// Gives the descriptor away; the caller owns it now.
    package consuming func release() -> Int32 { self.socket.release() }

    /// Sends all of `bytes`.
    package func send(_ bytes: [UInt8]) throws(PosixError) {
        try writeAll(bytes[...], to: self.socket.number, milliseconds: self.timeoutMilliseconds)
    }

    /// Receives what has come, at most `bytesMax` bytes; nothing at the end.
    package func receive(bytesMax: Int) throws(PosixError) -> [UInt8] {
        try Self.wait(
            self.socket.number, for: Int16(POLLIN), milliseconds: self.timeoutMilliseconds)
        return try readSome(self.socket.number, bytesMax: bytesMax)
    }

    /// Waits until there is something to receive, or room to send.
    package func wait(forWriting: Bool) throws(PosixError) {
        try Self.wait(
            self.socket.number, for: Int16(forWriting ? POLLOUT : POLLIN),
            milliseconds: self.timeoutMilliseconds)
    }

    /// A connected descriptor that the caller owns.
    private static func connected(
        to address: SocketAddress, timeoutMilliseconds: Int32
    ) throws(PosixError) -> Int32 {
        let (descriptor, start) = try Sockets.connect(to: address)
        guard case .underWay = start else { return descriptor }
        do throws(PosixError) {
            try Self.wait(descriptor, for: Int16(POLLOUT), milliseconds: timeoutMilliseconds)
            if let error = Sockets.pendingError(descriptor) { throw error }
            return descriptor
        } catch {
            Sockets.close(descriptor)
            throw error
        }
    }

    /// Waits until `descriptor` is ready for `events`, or has failed.
    static func wait(
        _ descriptor: Int32, for events: Int16, milliseconds: Int32
    ) throws(PosixError) {
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        while true {
            let count = unsafe poll(&entry, 1, milliseconds)
            if count > 0 { return }
            guard count == 0 || errno == EINTR else { throw PosixError("poll") }
            if count == 0 { throw PosixError(call: "poll", number: ETIMEDOUT) }
        }
    }
}

/// Joins a stream to an input and an output, such as standard input and output, keeping
/// half-closes.
///
/// The end of the input becomes a FIN on the stream while the other direction goes on; the end of
/// the stream closes the output. Returns when both directions have ended or the stream has failed.
/// A stream that ends before its first byte ends both directions at once and leaves the output
/// open: whoever reads it may go away at its end, so the caller first says why there is nothing.
///
/// One thread a direction, so that a reader that stalls holds up nothing but its own direction.
///
/// - Parameters:
///   - input: Read from until its end; stays open.
///   - output: Written to; closed when the stream ends, if any byte came.
///   - stream: A non-blocking socket; stays open.
/// - Returns: Whether any byte came from the stream.
/// - Throws: ``PosixError`` where no thread is to be had.
package func joinStreams(input: Int32, output: Int32, stream: Int32) throws(PosixError) -> Bool {
    let upward = try Thread.spawn(name: "strait-input") {
        copyInput(input, to: stream)
        Sockets.shutdownWrite(stream)
    }
    let hasBytes = copyStream(stream, to: output)
    if hasBytes {
        Sockets.close(output)
    } else {
        _ = shutdown(stream, Int32(SHUT_RDWR))  // wakes the other thread
    }
    upward.join()
    return hasBytes
}

/// Copies until the input's end, or until the stream is gone in both directions.
private func copyInput(_ input: Int32, to stream: Int32) {
    while true {
        var entries = [
            pollfd(fd: input, events: Int16(POLLIN), revents: 0),
            pollfd(fd: stream, events: 0, revents: 0),
        ]
        let count = unsafe poll(&entries, 2, -1)
        guard count >= 0 || errno == EINTR else { return }
        guard count > 0 else { continue }
        if entries[1].revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 { return }
        guard entries[0].revents != 0 else { continue }
        do throws(PosixError) {
            let bytes = try readSome(input, bytesMax: transferBytes)
            guard !bytes.isEmpty else { return }
            try writeAll(bytes[...], to: stream, milliseconds: -1)
        } catch {
            return  // the other direction reports how the stream ended
        }
    }
}

/// Copies until the stream's end, and tells whether any byte came.
private func copyStream(_ stream: Int32, to output: Int32) -> Bool {
    var hasBytes = false
    do throws(PosixError) {
        while true {
            try BlockingStream.wait(stream, for: Int16(POLLIN), milliseconds: -1)
            let bytes = try readSome(stream, bytesMax: transferBytes)
            guard !bytes.isEmpty else { return hasBytes }
            hasBytes = true
            try writeAll(bytes[...], to: output, milliseconds: -1)
        }
    } catch {
        // The stream was reset, or nobody reads the output: either way nobody is left to write for.
        _ = shutdown(stream, Int32(SHUT_RDWR))
        return hasBytes
    }
}

/// How much is moved at once.
private let transferBytes = 64 * 1024

/// Reads what is there, at most `bytesMax` bytes; nothing at the end.
///
/// Blocks only where the descriptor does.
func readSome(_ descriptor: Int32, bytesMax: Int) throws(PosixError) -> [UInt8] {
    var failure: PosixError?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
        while true {
            let received = unsafe read(descriptor, buffer.baseAddress, bytesMax)
            if received >= 0 {
                count = received
                return
            }
            guard errno == EINTR || errno == EAGAIN else { break }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, -1)
        }
        failure = PosixError("read")
        count = 0
    }
    if let failure { throw failure }
    return bytes
}

/// Writes all of `bytes`, waiting where the descriptor is full.
func writeAll(
    _ bytes: ArraySlice<UInt8>, to descriptor: Int32, milliseconds: Int32
) throws(PosixError) {
    var rest = bytes
    while !rest.isEmpty {
        let written = unsafe rest.withUnsafeBytes { buffer in
            unsafe write(descriptor, buffer.baseAddress, buffer.count)
        }
        if written >= 0 {
            rest = rest.dropFirst(written)
            continue
        }
        switch errno {
        case EINTR: continue
        case EAGAIN:
            try BlockingStream.wait(descriptor, for: Int16(POLLOUT), milliseconds: milliseconds)
        default: throw PosixError("write")
        }
    }
}
