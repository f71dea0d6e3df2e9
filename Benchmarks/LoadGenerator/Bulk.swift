// `bulk`: the sink sends, this receives and compares every byte with the pattern, up to the end of
// the stream, which must come exactly after the bytes asked for. Passthrough or terminated (--tls).

private import COpenSSL
internal import Glibc

struct BulkLoad {
    private struct Slot {
        var descriptor: Int32
        var ssl: OpaquePointer?
        var position = 0
        var goal: Int
    }

    private static let inboxBytes = 256 * 1024

    private let target: sockaddr_in
    private let name: String
    private let hello: Hello
    private let context: TLSContext?
    private let poller: Poller
    private let pattern = Pattern()
    private let inbox = UnsafeMutableRawPointer.allocate(byteCount: inboxBytes, alignment: 64)
    private let slots: UnsafeMutablePointer<Slot>
    private let streams: Int
    private var pending = 0

    init(options: Options) throws(Failure) {
        self.target = try options.target()
        self.name = try options.required("name")
        self.hello = try Hello(name: self.name)
        self.poller = try Poller()
        self.streams = try options.count("streams", standard: 1, limit: 1_000)
        self.slots = .allocate(capacity: self.streams)
        guard options.flag("tls") else {
            self.context = nil
            return
        }
        let context = try TLSContext(options: options)
        context.readAhead()
        self.context = context
    }

    mutating func run(_ options: Options) throws(Failure) {
        let bytes = try options.count("bytes") / self.streams
        try self.perform(options.count("warmup", standard: 0) / self.streams)
        try Output.gate(options)
        let stopwatch = Stopwatch()
        try self.perform(bytes)
        Output.emit(
            stopwatch.members + [
                ("units", .integer(bytes * self.streams)),
                ("bytesSent", .integer(self.streams * 8)),
                ("bytesReceived", .integer(bytes * self.streams)),
            ])
    }

    private mutating func perform(_ bytesPerStream: Int) throws(Failure) {
        guard bytesPerStream > 0 else { return }
        for index in 0..<self.streams { try self.start(index, bytesPerStream) }
        self.pending = self.streams
        while self.pending > 0 {
            let count = try self.poller.wait(for: "\(self.pending) streams unfinished")
            for position in 0..<count {
                let index = self.poller.index(position)
                if let ssl = self.slots[index].ssl {
                    try self.receive(index, ssl)
                } else {
                    try self.receive(index)
                }
            }
        }
    }

    private func start(_ index: Int, _ bytes: Int) throws(Failure) {
        var request = UInt64(bytes)
        var slot = Slot(descriptor: -1, ssl: nil, goal: bytes)
        if self.context != nil {
            slot.descriptor = try Socket.dialBlocking(self.target)
            slot.ssl = try self.handshake(slot.descriptor)
            guard SSL_write(slot.ssl, &request, 8) == 8 else { throw Failure("request not sent") }
        } else {
            slot.descriptor = try Greeting.open(self.target, self.hello, sequence: UInt64(index))
            guard send(slot.descriptor, &request, 8, 0) == 8 else {
                throw .system("send of request")
            }
        }
        guard fcntl(slot.descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw .system("fcntl") }
        self.slots.advanced(by: index).initialize(to: slot)
        try self.poller.add(slot.descriptor, index: index, Poller.readable)
    }

    private func handshake(_ descriptor: Int32) throws(Failure) -> OpaquePointer {
        guard let ssl = try self.context?.open(descriptor, name: self.name, resume: nil) else {
            throw Failure("no TLS context")
        }
        guard SSL_do_handshake(ssl) == 1 else {
            throw Failure("handshake: \(TLSContext.lastError())")
        }
        return ssl
    }

    private mutating func receive(_ index: Int) throws(Failure) {
        let count = recv(self.slots[index].descriptor, self.inbox, Self.inboxBytes, 0)
        if count > 0 { return try self.check(index, count) }
        if count == 0 { return try self.finish(index) }
        guard errno == EAGAIN else { throw .system("recv of bulk") }
    }

    private mutating func receive(_ index: Int, _ ssl: OpaquePointer) throws(Failure) {
        while true {
            let result = SSL_read(ssl, self.inbox, Int32(Self.inboxBytes))
            switch try TLSProgress(ssl, result, "SSL_read") {
            case .done(let count): try self.check(index, count)
            case .ended: return try self.finish(index)
            case .wantsRead, .wantsWrite: return
            }
        }
    }

    private func check(_ index: Int, _ count: Int) throws(Failure) {
        let position = self.slots[index].position
        guard position + count <= self.slots[index].goal else {
            throw Failure("stream \(index): more bytes than asked for")
        }
        guard self.pattern.matches(self.inbox, count, at: position) else {
            throw Failure("stream \(index): wrong bytes after \(position)")
        }
        self.slots[index].position += count
    }

    private mutating func finish(_ index: Int) throws(Failure) {
        guard self.slots[index].position == self.slots[index].goal else {
            let position = self.slots[index].position
            throw Failure("stream \(index) ended at \(position) of \(self.slots[index].goal)")
        }
        if let ssl = self.slots[index].ssl {
            SSL_shutdown(ssl)
            SSL_free(ssl)
        }
        close(self.slots[index].descriptor)
        self.pending -= 1
    }
}
