// Bytes after the handshake: full sockets, ends of both kinds, forgeries, key updates.

import COpenSSL
import Glibc
import StraitTLS
import Testing

@Suite("TLS connection, transferring") struct TransferTests {
    let router: TLSServerSettings
    let dialler: TLSClientSettings

    init() throws {
        let authority = try TestAuthority("Test Authority")
        self.router = TLSServerSettings(
            certificates: [try authority.leaf("web", dns: ["www.example.com"]).pair])
        self.dialler = TLSClientSettings(authoritiesPEM: authority.pem)
    }

    func connected(socketBufferBytes: Int32? = nil) throws -> TestPair {
        var pair = try TestPair(
            router: TLSContext(server: self.router), dialler: TLSContext(client: self.dialler),
            socketBufferBytes: socketBufferBytes)
        try pair.handshake()
        return pair
    }

    static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test(
        "a megabyte goes each way through the smallest socket buffers",
        arguments: [1, 100, 16_384, 16_385, 65_536])
    func smallBuffers(chunk: Int) throws {
        var pair = try self.connected(socketBufferBytes: 1)
        let total = chunk == 1 ? 4096 : 1 << 20
        let sent = Self.pattern(total)
        var toRouter: [UInt8] = []
        var toDialler: [UInt8] = []
        var diallerOffset = 0
        var routerOffset = 0
        var sawPending = false
        var rounds = 0
        while toRouter.count < total || toDialler.count < total {
            rounds += 1
            try #require(rounds < 100_000, "it goes on")
            let diallerEnd = min(diallerOffset + chunk, total)
            diallerOffset += try pair.writeDialler(Array(sent[diallerOffset..<diallerEnd]))
            let routerEnd = min(routerOffset + chunk, total)
            routerOffset += try pair.writeRouter(Array(sent[routerOffset..<routerEnd]))
            if pair.dialler.hasPendingOutput && pair.router.hasPendingOutput { sawPending = true }
            let atRouter = try pair.readRouter(10_000)
            toRouter += atRouter.bytes
            let atDialler = try pair.readDialler(10_000)
            toDialler += atDialler.bytes
        }

        #expect(toRouter == sent)
        #expect(toDialler == sent)
        #expect(sawPending || chunk < 16_384)
        #expect(pair.dialler.hasPendingOutput == false)
    }

    @Test("while bytes are pending nothing more is taken, and a flush sends them")
    func pending() throws {
        var pair = try self.connected(socketBufferBytes: 1)
        let large = Self.pattern(200_000)
        #expect(try pair.writeRouter(large) == large.count)
        #expect(pair.router.hasPendingOutput == true)
        #expect(try pair.writeRouter([1]) == 0)
        #expect(try pair.flushRouter() == .wantsWrite)
        var got: [UInt8] = []
        var rounds = 0
        while got.count < large.count {
            rounds += 1
            try #require(rounds < 10_000)
            got += try pair.readDialler().bytes
            _ = try pair.flushRouter()
        }

        #expect(got == large)
        #expect(try pair.flushRouter() == .done)
        #expect(try pair.writeRouter([]) == 0)
    }

    @Test("close_notify ends one direction; the other goes on to its own")
    func closeNotify() throws {
        var pair = try self.connected()
        #expect(try pair.writeDialler(Array("last".utf8)) == 4)
        #expect(
            try pair.dialler.sendCloseNotify(
                descriptor: pair.diallerDescriptor, channel: &pair.channel) == .done)
        #expect(try pair.readRouter() == .text("last"))
        #expect(pair.router.hasBufferedInput == true)
        #expect(try pair.readRouter() == Reading(.closeNotify))
        #expect(try pair.readRouter() == Reading(.closeNotify))

        #expect(try pair.writeRouter(Array("answer".utf8)) == 6)
        #expect(try pair.readDialler() == .text("answer"))
        #expect(
            try pair.router.sendCloseNotify(
                descriptor: pair.routerDescriptor, channel: &pair.channel) == .done)
        #expect(try pair.readDialler() == Reading(.closeNotify))
    }

    @Test("a FIN without close_notify is truncated, and the other direction goes on")
    func truncated() throws {
        var pair = try self.connected()
        #expect(try pair.writeDialler(Array("last".utf8)) == 4)
        shutdown(pair.diallerDescriptor, Int32(SHUT_WR))
        #expect(try pair.readRouter() == .text("last"))
        #expect(try pair.readRouter() == Reading(.truncated))
        #expect(try pair.readRouter() == Reading(.truncated))

        #expect(try pair.writeRouter(Array("answer".utf8)) == 6)
        #expect(try pair.readDialler() == .text("answer"))
    }

    @Test("where no end can have come, a short receive is the last, and a later read sees the end")
    func shortReceive() throws {
        var pair = try self.connected()
        #expect(try pair.writeDialler(Array("last".utf8)) == 4)
        #expect(try pair.readRouter(endMayHaveCome: false) == .text("last"))
        #expect(try pair.readRouter(endMayHaveCome: false) == Reading(.wantsRead))
        let large = Self.pattern(100_000)
        #expect(try pair.writeDialler(large) == large.count)
        var got: [UInt8] = []
        while got.count < large.count {
            got += try pair.readRouter(10_000, endMayHaveCome: false).bytes
        }
        #expect(got == large)

        #expect(try pair.writeDialler(Array("last".utf8)) == 4)
        shutdown(pair.diallerDescriptor, Int32(SHUT_WR))
        #expect(try pair.readRouter(endMayHaveCome: false) == .text("last"))
        #expect(pair.router.hasBufferedInput == false)
        #expect(try pair.readRouter() == Reading(.truncated))
    }

    @Test("a record cut by a FIN is truncated too")
    func cutRecord() throws {
        var pair = try self.connected()
        let (near, far) = try socketPair()
        defer {
            close(near)
            close(far)
        }
        let bytes = Self.pattern(1000)
        _ = try pair.dialler.write(bytes.span, descriptor: near, channel: &pair.channel)
        var record = [UInt8](repeating: 0, count: 2000)
        let count = recv(far, &record, record.count, 0)
        try #require(count > 1000)
        #expect(send(pair.diallerDescriptor, record, count - 1, 0) == count - 1)
        shutdown(pair.diallerDescriptor, Int32(SHUT_WR))

        #expect(try pair.readRouter() == Reading(.truncated))
    }

    @Test("a record with any bit wrong is malformed, alert 20, and the peer learns it")
    func forged() throws {
        var pair = try self.connected()
        let forged: [UInt8] = [0x17, 3, 3, 0, 32] + [UInt8](repeating: 7, count: 32)
        #expect(send(pair.diallerDescriptor, forged, forged.count, 0) == forged.count)
        guard case .sentAlert(20, .malformed)? = pair.readFailure() else {
            Issue.record("not refused")
            return
        }
        #expect(throws: TLSFailure.peerAlert(20)) { try pair.readDialler() }
    }

    @Test("bytes come before the failure that follows them")
    func bytesFirst() throws {
        var pair = try self.connected()
        #expect(try pair.writeDialler(Array("good".utf8)) == 4)
        let forged: [UInt8] = [0x17, 3, 3, 0, 32] + [UInt8](repeating: 7, count: 32)
        #expect(send(pair.diallerDescriptor, forged, forged.count, 0) == forged.count)

        #expect(try pair.readRouter() == .text("good"))
        #expect(pair.router.hasBufferedInput == true)
        guard case .sentAlert(20, .malformed)? = pair.readFailure() else {
            Issue.record("not refused")
            return
        }
    }

    @Test("bytes that came together with the peer's Finished are announced as buffered")
    func readAhead() throws {
        var pair = try RawPair(TLSContext(server: self.router))
        _ = pair.peer.handshake()
        #expect(try pair.step() == .wantsRead)
        #expect(pair.peer.handshake() == SSL_ERROR_NONE)
        #expect(pair.peer.write(Array("early".utf8)) == 5)
        #expect(try pair.step() == .done)

        #expect(pair.router.hasBufferedInput == true)
        #expect(try pair.read(2) == .text("ea"))
        #expect(pair.router.hasBufferedInput == true)
        #expect(try pair.read() == .text("rly"))
        #expect(pair.router.hasBufferedInput == false)
        #expect(try pair.read() == Reading(.wantsRead))
    }

    @Test("half a record is nothing that another read could give")
    func halfRecord() throws {
        var pair = try self.connected()
        let half: [UInt8] = [0x17, 3, 3, 0, 64, 1, 2, 3]
        #expect(send(pair.diallerDescriptor, half, half.count, 0) == half.count)

        #expect(try pair.readRouter() == Reading(.wantsRead))
        #expect(pair.router.hasBufferedInput == false)
    }

    @Test("key updates are answered, and bytes go on")
    func keyUpdate() throws {
        var pair = try RawPair(TLSContext(server: self.router))
        try pair.handshake()
        for round in 0..<5 {
            #expect(SSL_key_update(pair.peer.ssl, SSL_KEY_UPDATE_REQUESTED) == 1)
            #expect(pair.peer.write(Array("round \(round)".utf8)) == 7)
            #expect(try pair.read() == .text("round \(round)"))
            #expect(try pair.write([UInt8(round)]) == 1)
            #expect(pair.peer.read() == [UInt8(round)])
        }
    }

    @Test(
        "a key update between records, wherever it lies, holds nothing back",
        arguments: [8600, 8637, 8638, 8645, 8660, 8664, 8665, 8700])
    func keyUpdateBetween(second: Int) throws {
        var pair = try RawPair(TLSContext(server: self.router))
        try pair.handshake()
        // Around 16,709 bytes, which is what one receive of the session takes.
        #expect(pair.peer.write(Self.pattern(8000)) == 8000)
        #expect(pair.peer.write(Self.pattern(second)) == second)
        #expect(SSL_key_update(pair.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
        #expect(pair.peer.write(Self.pattern(10_000)) == 10_000)

        // No edge follows: what has come must come out, as long as the session says there is more.
        var count = try pair.read().bytes.count
        while pair.router.hasBufferedInput { count += try pair.read().bytes.count }
        #expect(count == 18_000 + second)
    }

    @Test("data behind many key updates comes out")
    func keyUpdatesThenData() throws {
        var pair = try RawPair(TLSContext(server: self.router))
        try pair.handshake()
        for _ in 0..<150 {
            #expect(SSL_key_update(pair.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
            #expect(SSL_do_handshake(pair.peer.ssl) == 1)
        }
        #expect(pair.peer.write(Array("hello".utf8)) == 5)
        #expect(try pair.read() == .text("hello"))
    }

    @Test("a peer that asks for key updates and does not read is cut off, not remembered for ever")
    func keyUpdateFlood() throws {
        var pair = try RawPair(TLSContext(server: self.router))
        try pair.handshake()
        // The socket towards the peer is full, and the peer never reads.
        while pair.router.hasPendingOutput == false { _ = try pair.write(Self.pattern(65_536)) }
        var failure: TLSFailure?
        for _ in 0..<20_000 where failure == nil {
            _ = SSL_key_update(pair.peer.ssl, SSL_KEY_UPDATE_REQUESTED)
            _ = pair.peer.write([1])
            do { _ = try pair.read() } catch { failure = error }
        }

        #expect(failure == .failed(.malformed("too many key updates")))
    }

    @Test("renegotiation is refused")
    func renegotiation() throws {
        var options = RawPeer.Options()
        options.version = TLS1_2_VERSION
        var pair = try RawPair(TLSContext(server: self.router), options)
        try pair.handshake()
        #expect(SSL_renegotiate(pair.peer.ssl) == 1)
        _ = pair.peer.handshake()
        #expect(try pair.read() == Reading(.wantsRead))
        _ = pair.peer.handshake()

        #expect(SSL_is_init_finished(pair.peer.ssl) == 0)
        #expect(try pair.write([1]) == 1)
    }

    @Test("writing to a peer that has gone is a reset, not a signal")
    func peerGone() throws {
        var pair = try self.connected()
        shutdown(pair.diallerDescriptor, Int32(SHUT_RDWR))
        #expect(throws: TLSFailure.reset) {
            for _ in 0..<3 { _ = try pair.writeRouter([1, 2, 3]) }
        }
    }
}

extension TestPair {
    mutating func flushRouter() throws(TLSFailure) -> TLSStep {
        try self.router.flush(descriptor: self.routerDescriptor, channel: &self.channel)
    }

    /// What the router's next read throws.
    mutating func readFailure() -> TLSFailure? {
        do { _ = try self.readRouter() } catch { return error }
        return nil
    }
}
