// How TLS goes on, and how it fails: closed sets, which the engine turns into close reasons.

/// How far a step came.
package enum TLSStep: Equatable, Sendable { case done, wantsRead, wantsWrite }

/// What reading brought.
package enum TLSReadOutcome: Equatable, Sendable {
    /// That many bytes are in the buffer, 1 or more. When they fill it, more may be waiting.
    case bytes(Int)
    /// The socket is empty; an edge will announce what comes.
    case wantsRead
    /// The peer has said that it is done writing.
    case closeNotify
    /// The peer's FIN came without close_notify: what was read may be cut short.
    case truncated
}

/// How a TLS connection failed.
package enum TLSFailure: Error, Equatable, Sendable {
    /// The connection was reset.
    case reset
    /// The FIN came before the handshake was done.
    case closedEarly
    /// The kernel's `errno` for any other failure of the socket.
    case socket(Int32)
    /// The peer ended it with this alert, RFC 8446 §6.2.
    case peerAlert(UInt8)
    /// We ended it with this alert.
    case sentAlert(UInt8, TLSFailureKind)
    /// We gave up without an alert.
    case failed(TLSFailureKind)
}

/// What was wrong with what the peer sent; texts are OpenSSL's reasons.
package enum TLSFailureKind: Equatable, Sendable {
    case versionUnsupported
    /// Protocols were offered, but none of ours.
    case noApplicationProtocol
    case noSharedCipher
    case certificateMissing
    case certificateExpired
    case certificateRejected(String)
    /// The upstream's certificate did not verify.
    case upstreamVerify(String)
    /// Bytes that are not TLS, or break its rules.
    case malformed(String)
    case other(String)
}
