// `handshake`: TLS handshakes with a terminating proxy, full, resumed or with a certificate of the
// downstream's own; each proves that it leads to the upstream by one echoed byte, then closes in
// order: close_notify and FIN, and the proxy's end of stream awaited. With `--seconds` it is a
// flood: as many as there is time for, then those that are open are finished.

private import COpenSSL
internal import Glibc

struct HandshakeLoad {
    private enum Phase {
        case handshaking
        case echoing
        case closing
    }

    private struct Slot {
        var descriptor: Int32 = -1
        var ssl: OpaquePointer?
        var phase = Phase.handshaking
        var byte: UInt8 = 0
    }

    private let target: sockaddr_in
    private let name: String
    private let context: TLSContext
    private let poller: Poller
    private let slots: UnsafeMutablePointer<Slot>
    private let concurrency: Int
    private let resumes: Bool
    /// The ticket that every resumed handshake offers; taken from the first full one.
    private var ticket: OpaquePointer?
    private var started = 0
    private var finished = 0
    private var resumed = 0
    private var resets = 0
    private var goal = 0
    /// No handshake is started after it; 0: only the goal counts.
    private var deadline: UInt64 = 0

    init(options: Options) throws(Failure) {
        self.target = try options.target()
        self.name = try options.required("name")
        self.context = try TLSContext(options: options)
        self.poller = try Poller()
        self.concurrency = try options.count("concurrency", standard: 16, limit: 9_000)
        self.slots = .allocate(capacity: self.concurrency)
        self.slots.initialize(repeating: Slot(), count: self.concurrency)
        self.resumes = options.flag("resume")
    }

    mutating func run(_ options: Options) throws(Failure) {
        let seconds = try options.count("seconds", standard: 0, limit: 600)
        let wanted = try options.count("count", standard: seconds > 0 ? 1 << 40 : nil)
        if self.resumes {
            try self.perform(1)
            guard self.ticket != nil else { throw Failure("the proxy gave no usable ticket") }
        }
        try self.perform(options.count("warmup", standard: 0))
        try Output.gate(options)
        let resumedBefore = self.resumed
        let resetsBefore = self.resets
        let before = self.finished
        if seconds > 0 { self.deadline = Clock.now() + UInt64(seconds) * 1_000_000_000 }
        let stopwatch = Stopwatch()
        try self.perform(wanted)
        let count = self.finished - before
        Output.emit(
            stopwatch.members + [
                ("units", .integer(count)),
                ("bytesSent", .integer(count)),
                ("bytesReceived", .integer(count)),
                ("resumed", .integer(self.resumed - resumedBefore)),
                ("resets", .integer(self.resets - resetsBefore)),
            ])
    }

    private mutating func perform(_ count: Int) throws(Failure) {
        self.goal += count
        for index in 0..<min(self.concurrency, count) { try self.start(index) }
        while self.finished < self.goal {
            let count = try self.poller.wait(for: self.unfinished())
            for position in 0..<count { try self.advance(self.poller.index(position)) }
        }
    }

    private func unfinished() -> String {
        let phases = (0..<self.concurrency).filter { self.slots[$0].ssl != nil }
            .map { "\(self.slots[$0].phase)" }.joined(separator: ", ")
        return "\(self.finished) of \(self.goal) handshakes; open: \(phases)"
    }

    private mutating func start(_ index: Int) throws(Failure) {
        let descriptor = try Socket.dial(self.target)
        let ssl = try self.context.open(descriptor, name: self.name, resume: self.ticket)
        self.slots[index] = Slot(
            descriptor: descriptor, ssl: ssl,
            byte: UInt8(truncatingIfNeeded: Pattern.mix(UInt64(self.started))))
        self.started += 1
        // The attempt sends the hello. On a busy machine it may already find the whole answer, of
        // which no event would tell any more.
        switch try TLSProgress(ssl, SSL_do_handshake(ssl), "handshake") {
        case .wantsRead, .ended:
            try self.poller.add(descriptor, index: index, Poller.readableEdge)
        case .wantsWrite:
            try self.poller.add(descriptor, index: index, Poller.bothEdge)
        case .done:
            try self.poller.add(descriptor, index: index, Poller.readableEdge)
            try self.established(index, ssl)
        }
    }

    private mutating func advance(_ index: Int) throws(Failure) {
        guard let ssl = self.slots[index].ssl else { return }
        switch self.slots[index].phase {
        case .handshaking: try self.handshake(index, ssl)
        case .echoing: try self.echo(index, ssl)
        case .closing: try self.awaitEnd(index, ssl)
        }
    }

    private mutating func handshake(_ index: Int, _ ssl: OpaquePointer) throws(Failure) {
        guard case .done = try TLSProgress(ssl, SSL_do_handshake(ssl), "handshake") else { return }
        try self.established(index, ssl)
    }

    /// The downstream's side is done; the byte tells whether the proxy's side agrees.
    private mutating func established(_ index: Int, _ ssl: OpaquePointer) throws(Failure) {
        guard (SSL_session_reused(ssl) == 1) == (self.ticket != nil) else {
            throw Failure(self.ticket == nil ? "resumed unasked" : "the ticket was not accepted")
        }
        self.resumed += self.ticket == nil ? 0 : 1
        guard SSL_write(ssl, &self.slots[index].byte, 1) == 1 else {
            throw Failure("SSL_write: \(TLSContext.lastError())")
        }
        self.slots[index].phase = .echoing
        try self.echo(index, ssl)
    }

    private mutating func echo(_ index: Int, _ ssl: OpaquePointer) throws(Failure) {
        var byte: UInt8 = 0
        switch try TLSProgress(ssl, SSL_read(ssl, &byte, 1), "SSL_read of the echo") {
        case .done: break
        case .ended: throw Failure("the proxy closed before the echo")
        case .wantsRead, .wantsWrite: return
        }
        guard byte == self.slots[index].byte else { throw Failure("the echo differs") }
        if self.resumes, self.ticket == nil { self.takeTicket(ssl) }
        SSL_shutdown(ssl)
        shutdown(self.slots[index].descriptor, Int32(SHUT_WR))
        self.slots[index].phase = .closing
        try self.awaitEnd(index, ssl)
    }

    private mutating func takeTicket(_ ssl: OpaquePointer) {
        guard let ticket = SSL_get1_session(ssl) else { return }
        guard SSL_SESSION_is_resumable(ticket) == 1 else { return SSL_SESSION_free(ticket) }
        self.ticket = ticket
    }

    private mutating func awaitEnd(_ index: Int, _ ssl: OpaquePointer) throws(Failure) {
        var scratch: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        while true {
            let count = recv(self.slots[index].descriptor, &scratch, 32, 0)
            if count > 0 { continue }
            if count < 0, errno == EAGAIN { return }
            guard count == 0 || errno == ECONNRESET else { throw .system("recv of the end") }
            self.resets += count == 0 ? 0 : 1
            break
        }
        SSL_free(ssl)
        close(self.slots[index].descriptor)
        self.slots[index].ssl = nil
        self.finished += 1
        if self.deadline > 0, Clock.now() >= self.deadline { self.goal = self.started }
        if self.started < self.goal { try self.start(index) }
    }
}
