// Both ends of one connection on one thread: ours as a router, ours as the dialler, over a socket
// pair.

import Glibc
import StraitTLS
import Testing

/// A connected pair of sockets, each with a TLS connection; both share one channel, as on a worker.
struct TestPair: ~Copyable {
    var channel: TLSChannel
    var router: TLSSession
    var dialler: TLSSession
    let routerDescriptor: Int32
    let diallerDescriptor: Int32

    init(
        router: TLSContext, dialler: TLSContext, serverName: String? = nil,
        verifyName: String? = nil, verifyAddress: String? = nil, protocols: [[UInt8]] = [],
        replay: [UInt8] = [], socketBufferBytes: Int32? = nil
    ) throws {
        let channel = try TLSChannel()
        let router = try TLSSession(serverContext: router, replay: replay.span, channel: channel)
        let dialler = try TLSSession(
            clientContext: dialler, serverName: serverName, verifyName: verifyName,
            verifyAddress: verifyAddress, applicationProtocols: protocols, channel: channel)
        (self.routerDescriptor, self.diallerDescriptor) = try socketPair(socketBufferBytes)
        self.channel = channel
        self.router = router
        self.dialler = dialler
    }

    deinit {
        close(self.routerDescriptor)
        close(self.diallerDescriptor)
    }

    mutating func stepRouter() throws(TLSFailure) -> TLSStep {
        try self.router.handshake(descriptor: self.routerDescriptor, channel: &self.channel)
    }

    mutating func stepDialler() throws(TLSFailure) -> TLSStep {
        try self.dialler.handshake(descriptor: self.diallerDescriptor, channel: &self.channel)
    }

    /// Goes on until both are done, or one fails.
    mutating func handshake() throws(TLSFailure) {
        for _ in 0..<200 {
            let dialler = try self.stepDialler()
            let router = try self.stepRouter()
            if dialler == .done, router == .done { return }
        }
        Issue.record("the handshake does not come to an end")
    }

    /// What each side threw while both went on to their end; nil: it was done, or waits for ever.
    mutating func failures() -> (router: TLSFailure?, dialler: TLSFailure?) {
        var router: TLSFailure?
        var dialler: TLSFailure?
        for _ in 0..<20 {
            if dialler == nil {
                do { _ = try self.stepDialler() } catch { dialler = error }
            }
            if router == nil {
                do { _ = try self.stepRouter() } catch { router = error }
            }
        }
        guard dialler == nil else { return (router, dialler) }
        // With TLS 1.3 the dialler is done before it is judged: the alert comes with its first
        // read.
        do { _ = try self.readDialler() } catch { dialler = error }
        return (router, dialler)
    }

    mutating func writeRouter(_ bytes: [UInt8]) throws(TLSFailure) -> Int {
        try self.router.write(
            bytes.span, descriptor: self.routerDescriptor, channel: &self.channel)
    }

    mutating func writeDialler(_ bytes: [UInt8]) throws(TLSFailure) -> Int {
        try self.dialler.write(
            bytes.span, descriptor: self.diallerDescriptor, channel: &self.channel)
    }

    mutating func readRouter(
        _ limit: Int = 65_536, endMayHaveCome: Bool = true
    ) throws(TLSFailure) -> Reading {
        var buffer = [UInt8](repeating: 0, count: limit)
        var span = buffer.mutableSpan
        let outcome = try self.router.read(
            into: &span, descriptor: self.routerDescriptor, channel: &self.channel,
            endMayHaveCome: endMayHaveCome)
        guard case .bytes(let count) = outcome else { return Reading(outcome, []) }
        return Reading(outcome, Array(buffer.prefix(count)))
    }

    mutating func readDialler(_ limit: Int = 65_536) throws(TLSFailure) -> Reading {
        var buffer = [UInt8](repeating: 0, count: limit)
        var span = buffer.mutableSpan
        let outcome = try self.dialler.read(
            into: &span, descriptor: self.diallerDescriptor, channel: &self.channel)
        guard case .bytes(let count) = outcome else { return Reading(outcome, []) }
        return Reading(outcome, Array(buffer.prefix(count)))
    }
}

/// What one read brought.
struct Reading: Equatable {
    var outcome: TLSReadOutcome
    var bytes: [UInt8]

    init(_ outcome: TLSReadOutcome, _ bytes: [UInt8] = []) {
        self.outcome = outcome
        self.bytes = bytes
    }

    /// Bytes came, and these.
    static func text(_ text: String) -> Reading {
        Reading(.bytes(text.utf8.count), Array(text.utf8))
    }
}

/// Two connected, non-blocking stream sockets.
func socketPair(_ bufferBytes: Int32? = nil) throws -> (Int32, Int32) {
    var pair: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    try #require(socketpair(AF_UNIX, type, 0, &pair) == 0)
    if var bufferBytes {
        for descriptor in pair {
            let size = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bufferBytes, size)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bufferBytes, size)
        }
    }
    return (pair[0], pair[1])
}
