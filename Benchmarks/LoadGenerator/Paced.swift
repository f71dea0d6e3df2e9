// `paced`: small messages at a fixed rate over established connections, with TLS or without, and
// how long each echo took. A message counts from the moment at which it was due, not from when it
// was sent: a proxy that stalls makes all that was due meanwhile late. Each gate begins a part: the
// runner leaves the proxy alone in the first and floods it in the second.

private import COpenSSL
internal import Glibc

struct PacedLoad {
    private struct Slot {
        var descriptor: Int32
        var ssl: OpaquePointer?
        var sent = 0
        var received = 0
        var partial = 0
    }

    private static let size = 64
    private static let warmupMessages = 500

    private let poller: Poller
    private let rate: Int
    private var slots: [Slot] = []
    private let outbox = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
    private let inbox: UnsafeMutableRawPointer
    /// When message 0 of the part was due, and how many were sent before the part.
    private var start: UInt64 = 0
    private var sentBefore = 0
    private var sent = 0
    private var received = 0
    /// Nanoseconds of each echo of the part.
    private var latencies: [UInt64] = []

    init(options: Options) throws(Failure) {
        self.poller = try Poller()
        self.rate = max(1, try options.count("rate", standard: 1_000, limit: 100_000))
        let connections = try options.count("connections", standard: 100, limit: 9_000)
        self.inbox = .allocate(byteCount: connections * Self.size, alignment: 8)
        let context = options.flag("tls") ? try TLSContext(options: options) : nil
        for index in 0..<connections { try self.open(index, options, context) }
    }

    mutating func run(_ options: Options) throws(Failure) {
        let seconds = try options.count("seconds", standard: 5, limit: 600)
        let parts = try options.count("parts", standard: 2, limit: 10)
        try self.perform(Self.warmupMessages)
        for _ in 0..<parts {
            try Output.gate(options)
            let stopwatch = Stopwatch()
            try self.perform(self.rate * seconds)
            self.tell(stopwatch)
        }
        for slot in self.slots {
            if let ssl = slot.ssl {
                SSL_shutdown(ssl)
                SSL_free(ssl)
            }
            close(slot.descriptor)
        }
    }

    private mutating func open(
        _ index: Int, _ options: Options, _ context: TLSContext?
    ) throws(Failure) {
        let target = try options.target()
        let name = try options.required("name")
        guard let context else {
            let hello = try Hello(name: name)
            let descriptor = try Greeting.open(target, hello, sequence: UInt64(index))
            return try self.take(Slot(descriptor: descriptor), index)
        }
        let descriptor = try Socket.dialBlocking(target)
        let ssl = try context.open(descriptor, name: name, resume: nil)
        guard SSL_do_handshake(ssl) == 1 else {
            throw Failure("connection \(index): handshake: \(TLSContext.lastError())")
        }
        try self.take(Slot(descriptor: descriptor, ssl: ssl), index)
    }

    private mutating func take(_ slot: Slot, _ index: Int) throws(Failure) {
        guard fcntl(slot.descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw .system("fcntl") }
        self.slots.append(slot)
        try self.poller.add(slot.descriptor, index: index, Poller.readableEdge)
    }

    /// Sends `count` messages, each when it is due, and waits for their echoes.
    private mutating func perform(_ count: Int) throws(Failure) {
        self.latencies.removeAll(keepingCapacity: true)
        self.latencies.reserveCapacity(count)
        self.sentBefore = self.sent
        let goal = self.sent + count
        self.start = Clock.now() + 1_000_000
        while self.received < goal {
            try self.sendDue(until: goal)
            let until = self.sent < goal ? self.due(self.sent) : nil
            let events = try self.poller.wait(
                until: until, for: "\(self.received) of \(goal) echoes")
            for position in 0..<events { try self.receive(self.poller.index(position)) }
        }
    }

    /// When a message of this part was due, by its number over all parts.
    private func due(_ number: Int) -> UInt64 {
        self.start + UInt64(number - self.sentBefore) * (1_000_000_000 / UInt64(self.rate))
    }

    private mutating func sendDue(until goal: Int) throws(Failure) {
        let now = Clock.now()
        while self.sent < goal, self.due(self.sent) <= now {
            let index = self.sent % self.slots.count
            Pattern.fill(self.outbox, Self.size, round: self.slots[index].sent, index: index)
            let slot = self.slots[index]
            let flags = Int32(MSG_NOSIGNAL)
            let count =
                slot.ssl.map { Int(SSL_write($0, self.outbox, Int32(Self.size))) }
                ?? send(slot.descriptor, self.outbox, Self.size, flags)
            guard count == Self.size else { throw .system("send of a message") }
            self.slots[index].sent += 1
            self.sent += 1
        }
    }

    private mutating func receive(_ index: Int) throws(Failure) {
        while let count = try self.read(index) {
            self.slots[index].partial += count
            guard self.slots[index].partial == Self.size else { continue }
            let round = self.slots[index].received
            Pattern.fill(self.outbox, Self.size, round: round, index: index)
            guard memcmp(self.outbox, self.inbox + index * Self.size, Self.size) == 0 else {
                throw Failure("connection \(index): the echo of message \(round) differs")
            }
            self.slots[index].partial = 0
            self.slots[index].received += 1
            self.received += 1
            let number = round * self.slots.count + index
            self.latencies.append(Clock.now() - self.due(number))
        }
    }

    /// What came of the message that is awaited; nil where nothing is there.
    private func read(_ index: Int) throws(Failure) -> Int? {
        let slot = self.slots[index]
        let rest = Self.size - slot.partial
        let target = self.inbox + index * Self.size + slot.partial
        guard let ssl = slot.ssl else {
            let count = recv(slot.descriptor, target, rest, 0)
            if count > 0 { return count }
            guard count < 0, errno == EAGAIN else { throw Failure("connection ended early") }
            return nil
        }
        switch try TLSProgress(ssl, SSL_read(ssl, target, Int32(rest)), "SSL_read of an echo") {
        case .done(let count): return count
        case .wantsRead, .wantsWrite: return nil
        case .ended: throw Failure("connection ended early")
        }
    }

    private mutating func tell(_ stopwatch: Stopwatch) {
        self.latencies.sort()
        let count = self.latencies.count
        func microseconds(_ perMille: Int) -> JSONValue {
            .number(Double(self.latencies[min(count - 1, count * perMille / 1_000)]) / 1_000)
        }
        Output.emit(
            stopwatch.members + [
                ("units", .integer(count)), ("p50", microseconds(500)), ("p99", microseconds(990)),
                ("p999", microseconds(999)), ("most", microseconds(1_000)),
                ("bytesSent", .integer(count * Self.size)),
                ("bytesReceived", .integer(count * Self.size)),
            ])
    }
}
