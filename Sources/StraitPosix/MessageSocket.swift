// Messages between two processes of ours that may carry open descriptors (unix(7), SCM_RIGHTS).

internal import CStrait
internal import Glibc

/// What one message brought.
package struct DescriptorMessage: Sendable {
    /// The message, 1 to ``MessageSocket/bytesMax`` bytes.
    package var bytes: [UInt8]
    /// Descriptors that came with it, closed on exec; the caller owns them now.
    package var descriptors: [Int32]
}

/// One end of a pair of sockets that keep messages whole (SOCK_SEQPACKET).
///
/// One thread may receive while others send; both wait. Closed when nobody refers to it.
package final class MessageSocket: Sendable {
    /// A message has at most so many bytes.
    package static let bytesMax = 64 * 1024
    /// A message carries at most so many descriptors.
    package static let descriptorsMax = Int(CSTRAIT_DESCRIPTORS_MAX)

    /// The descriptor, still owned by this end.
    package let number: Int32

    /// Owns `number` from now on.
    package init(owning number: Int32) { self.number = number }

    deinit { Sockets.close(self.number) }

    /// Two ends that talk to each other, closed on exec.
    ///
    /// - Parameter sendTimeoutMilliseconds: How long a message may wait to be taken, then EAGAIN;
    ///   0: for ever.
    /// - Returns: The two ends.
    /// - Throws: ``PosixError`` where no descriptors are to be had.
    package static func pair(
        sendTimeoutMilliseconds: Int32 = 0
    ) throws(PosixError) -> (MessageSocket, MessageSocket) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw PosixError("socketpair")
        }
        var timeout = timeval(
            tv_sec: Int(sendTimeoutMilliseconds / 1000),
            tv_usec: Int(sendTimeoutMilliseconds % 1000) * 1000)
        let length = socklen_t(MemoryLayout<timeval>.size)
        for end in ends { _ = unsafe setsockopt(end, SOL_SOCKET, SO_SNDTIMEO, &timeout, length) }
        return (MessageSocket(owning: ends[0]), MessageSocket(owning: ends[1]))
    }

    /// Sends one message, with copies of `descriptors`, which stay the caller's.
    ///
    /// - Throws: EPIPE where the other end is gone, EMSGSIZE beyond the bounds, EAGAIN where it was
    ///   not taken in time.
    package func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(PosixError) {
        guard (1...Self.bytesMax).contains(bytes.count),
            descriptors.count <= Self.descriptorsMax
        else { throw PosixError(call: "sendmsg", number: EMSGSIZE) }
        while true {
            let sent = unsafe cstrait_send_descriptors(
                self.number, bytes, bytes.count, descriptors, Int32(descriptors.count))
            if sent >= 0 { return }
            guard errno == EINTR else { throw PosixError("sendmsg") }
        }
    }

    /// Waits for the next message; nil when the other end is gone.
    ///
    /// - Throws: EMSGSIZE where it was cut, because it was too large or descriptors were lacking.
    package func receive() throws(PosixError) -> DescriptorMessage? {
        var bytes: [UInt8] = Array(repeating: 0, count: Self.bytesMax)
        var descriptors: [Int32] = Array(repeating: -1, count: Self.descriptorsMax)
        var count: Int32 = 0
        var isCut: Int32 = 0
        while true {
            let received = unsafe cstrait_receive_descriptors(
                self.number, &bytes, bytes.count, &descriptors, &count, &isCut)
            guard received >= 0 else {
                if errno == EINTR { continue }
                if errno == ECONNRESET { return nil }
                throw PosixError("recvmsg")
            }
            let brought = Array(descriptors.prefix(Int(count)))
            guard isCut == 0 else {
                for number in brought { Sockets.close(number) }
                throw PosixError(call: "recvmsg", number: EMSGSIZE)
            }
            guard received > 0 else { return nil }
            return DescriptorMessage(
                bytes: Array(bytes.prefix(received)), descriptors: brought)
        }
    }

    /// Ends both directions: a thread that waits for a message gets the end.
    package func shutdown() { _ = Glibc.shutdown(self.number, Int32(SHUT_RDWR)) }
}
