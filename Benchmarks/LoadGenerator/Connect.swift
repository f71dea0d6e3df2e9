// `connect`: new passthrough connections. Dial, send a ClientHello, read the sink's answer to that
// very hello, see the end of the stream, close. Where there are several names or ports, each
// connection picks one: with `--names 100000 --name h000000.DOMAIN` of h000000 to h099999, with
// `--ports N --port-step S` of every S-th from the target's on.

internal import Glibc

struct ConnectLoad {
    private struct Slot {
        var descriptor: Int32 = -1
        var sequence: UInt64 = 0
        var answer = Answer(digest: Digest(), helloBytes: 0)
        var received = 0
        var helloSent = false
    }

    private static let slotBytes = 64

    /// One address for each port.
    private let targets: [sockaddr_in]
    private let hello: Hello
    private let poller: Poller
    private let slots: UnsafeMutablePointer<Slot>
    private let inbox: UnsafeMutableRawPointer
    private let concurrency: Int
    private var started = 0
    private var finished = 0
    private var goal = 0

    init(options: Options) throws(Failure) {
        self.targets = try options.targets()
        self.hello = try Hello(
            name: options.required("name"),
            names: options.count("names", standard: 1, limit: 1_000_000))
        self.poller = try Poller()
        self.concurrency = try options.count("concurrency", standard: 16, limit: 9_000)
        self.slots = .allocate(capacity: self.concurrency)
        self.slots.initialize(repeating: Slot(), count: self.concurrency)
        self.inbox = .allocate(byteCount: self.concurrency * Self.slotBytes, alignment: 8)
    }

    mutating func run(_ options: Options) throws(Failure) {
        let count = try options.count("count")
        try self.perform(options.count("warmup", standard: 0))
        try Output.gate(options)
        let stopwatch = Stopwatch()
        try self.perform(count)
        Output.emit(
            stopwatch.members + [
                ("units", .integer(count)),
                ("bytesSent", .integer(count * self.hello.count)),
                ("bytesReceived", .integer(count * Answer.byteCount)),
            ])
    }

    private mutating func perform(_ count: Int) throws(Failure) {
        self.goal += count
        for index in 0..<min(self.concurrency, count) { try self.start(index) }
        while self.finished < self.goal {
            let count = try self.poller.wait(for: "\(self.finished) of \(self.goal) connections")
            for position in 0..<count { try self.advance(self.poller.index(position)) }
        }
    }

    private mutating func start(_ index: Int) throws(Failure) {
        let sequence = UInt64(self.started)
        let target = self.targets[Pattern.pick(sequence, of: self.targets.count)]
        self.slots[index] = Slot(descriptor: try Socket.dial(target), sequence: sequence)
        self.started += 1
        try self.sendHello(index)
        let interest = self.slots[index].helloSent ? Poller.readableEdge : Poller.bothEdge
        try self.poller.add(self.slots[index].descriptor, index: index, interest)
    }

    private func sendHello(_ index: Int) throws(Failure) {
        self.slots[index].answer = self.hello.stamp(self.slots[index].sequence)
        let sent = send(
            self.slots[index].descriptor, self.hello.bytes, self.hello.count,
            Int32(MSG_NOSIGNAL))
        guard sent != self.hello.count else {
            self.slots[index].helloSent = true
            return
        }
        guard sent < 0, errno == EAGAIN || errno == ENOTCONN else { throw .system("send of hello") }
    }

    private mutating func advance(_ index: Int) throws(Failure) {
        if !self.slots[index].helloSent { try self.sendHello(index) }
        let inbox = self.inbox + index * Self.slotBytes
        while true {
            let received = self.slots[index].received
            let count = recv(
                self.slots[index].descriptor, inbox + received, Self.slotBytes - received, 0)
            if count > 0 {
                self.slots[index].received += count
                guard self.slots[index].received <= Answer.byteCount else {
                    throw Failure("more came back than the answer")
                }
                continue
            }
            if count == 0 { return try self.finish(index, inbox) }
            guard errno == EAGAIN else { throw .system("recv of answer") }
            return
        }
    }

    private mutating func finish(_ index: Int, _ inbox: UnsafeMutableRawPointer) throws(Failure) {
        guard self.slots[index].received == Answer.byteCount,
            self.slots[index].answer.matches(inbox)
        else {
            throw Failure("\(self.slots[index].received) bytes came back, not the sink's answer")
        }
        close(self.slots[index].descriptor)
        self.finished += 1
        if self.started < self.goal { try self.start(index) }
    }
}
