// `pingpong`: small messages over established passthrough connections, one in flight on each. Every
// message differs from every other, and each echo is compared.

internal import Glibc

struct PingPongLoad {
    private struct Slot {
        var descriptor: Int32
        var received = 0
        var round = 0
        var goal = 0
    }

    private let poller: Poller
    private let slots: UnsafeMutablePointer<Slot>
    private let connections: Int
    private let size: Int
    private let outbox: UnsafeMutableRawPointer
    private let inbox: UnsafeMutableRawPointer
    private var pending = 0

    init(options: Options) throws(Failure) {
        self.poller = try Poller()
        self.connections = try options.count("connections", standard: 16, limit: 9_000)
        self.size = try options.count("size", standard: 64, limit: 4_096)
        guard self.size >= 8, self.size % 8 == 0 else { throw Failure("--size: a multiple of 8") }
        self.slots = .allocate(capacity: self.connections)
        self.outbox = .allocate(byteCount: self.size, alignment: 8)
        self.inbox = .allocate(byteCount: self.connections * self.size, alignment: 8)
        let target = try options.target()
        let hello = try Hello(name: options.required("name"))
        for index in 0..<self.connections {
            let descriptor = try Greeting.open(target, hello, sequence: UInt64(index))
            guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw .system("fcntl") }
            self.slots.advanced(by: index).initialize(to: Slot(descriptor: descriptor))
            try self.poller.add(descriptor, index: index, Poller.readableEdge)
        }
    }

    mutating func run(_ options: Options) throws(Failure) {
        let rounds = try options.count("count") / self.connections
        try self.perform(options.count("warmup", standard: 0) / self.connections)
        try Output.gate(options)
        let stopwatch = Stopwatch()
        try self.perform(rounds)
        let units = rounds * self.connections
        let members = stopwatch.members
        for index in 0..<self.connections { close(self.slots[index].descriptor) }
        Output.emit(
            members + [
                ("units", .integer(units)), ("bytesSent", .integer(units * self.size)),
                ("bytesReceived", .integer(units * self.size)),
            ])
    }

    private mutating func perform(_ rounds: Int) throws(Failure) {
        guard rounds > 0 else { return }
        self.pending = self.connections
        for index in 0..<self.connections {
            self.slots[index].goal += rounds
            try self.ping(index)
        }
        while self.pending > 0 {
            let count = try self.poller.wait(for: "\(self.pending) connections unfinished")
            for position in 0..<count { try self.pong(self.poller.index(position)) }
        }
    }

    private func ping(_ index: Int) throws(Failure) {
        self.fillOutbox(index)
        let flags = Int32(MSG_NOSIGNAL)
        guard send(self.slots[index].descriptor, self.outbox, self.size, flags) == self.size else {
            throw .system("send of message")
        }
    }

    private mutating func pong(_ index: Int) throws(Failure) {
        let inbox = self.inbox + index * self.size
        let received = self.slots[index].received
        let count = recv(self.slots[index].descriptor, inbox + received, self.size - received, 0)
        guard count > 0 else {
            guard count < 0, errno == EAGAIN else { throw Failure("connection ended early") }
            return
        }
        self.slots[index].received += count
        guard self.slots[index].received == self.size else { return try self.pong(index) }
        self.fillOutbox(index)
        guard memcmp(self.outbox, inbox, self.size) == 0 else {
            throw Failure("the echo of round \(self.slots[index].round) differs")
        }
        self.slots[index].received = 0
        self.slots[index].round += 1
        guard self.slots[index].round < self.slots[index].goal else {
            self.pending -= 1
            return
        }
        try self.ping(index)
    }

    private func fillOutbox(_ index: Int) {
        Pattern.fill(self.outbox, self.size, round: self.slots[index].round, index: index)
    }
}

/// The first exchange on a passthrough connection that stays open, on a blocking socket.
enum Greeting {
    /// Dials, sends the hello and reads the sink's answer to it.
    static func open(
        _ target: sockaddr_in, _ hello: Hello, sequence: UInt64
    ) throws(Failure) -> Int32 {
        let descriptor = try Socket.dialBlocking(target)
        let answer = hello.stamp(sequence)
        guard send(descriptor, hello.bytes, hello.count, 0) == hello.count else {
            throw .system("send of hello")
        }
        let inbox = UnsafeMutableRawPointer.allocate(byteCount: Answer.byteCount, alignment: 8)
        defer { inbox.deallocate() }
        let count = recv(descriptor, inbox, Answer.byteCount, Int32(MSG_WAITALL))
        guard count == Answer.byteCount, answer.matches(inbox) else {
            throw Failure("connection \(sequence): \(count) bytes came, not the sink's answer")
        }
        return descriptor
    }
}
