// `hellos`: what an attacker sends who spends nothing: one recorded ClientHello again and again.
// Each connection sends the same bytes, waits for the first of the answer, for which a terminating
// proxy has agreed on keys and signed, and goes by RST. With `--slow yes` it sends half of them and
// is silent until the proxy closes it. Who is closed begins anew, until the time is over.

internal import Glibc

struct HellosLoad {
    private struct Slot {
        var descriptor: Int32 = -1
        var helloSent = false
    }

    private let target: sockaddr_in
    private let hello: Hello
    private let bytes: Int
    private let poller: Poller
    private let concurrency: Int
    private var slots: [Slot]
    private var opened = 0
    private var answered = 0
    private var closed = 0

    init(options: Options) throws(Failure) {
        self.target = try options.target()
        self.hello = try Hello(name: options.required("name"))
        self.bytes = options.flag("slow") ? self.hello.count / 2 : self.hello.count
        self.poller = try Poller()
        self.concurrency = try options.count("concurrency", standard: 64, limit: 9_000)
        self.slots = Array(repeating: Slot(), count: self.concurrency)
    }

    mutating func run(_ options: Options) throws(Failure) {
        let seconds = try options.count("seconds", limit: 600)
        try Output.gate(options)
        let stopwatch = Stopwatch()
        let end = Clock.now() + UInt64(seconds) * 1_000_000_000
        for index in 0..<self.concurrency where Clock.now() < end { try self.open(index) }
        while Clock.now() < end {
            // Silence is what the slow ones are for.
            let count = try self.poller.wait(until: end, for: "answers")
            for position in 0..<count { try self.advance(self.poller.index(position)) }
        }
        for slot in self.slots where slot.descriptor >= 0 { Self.abort(slot.descriptor) }
        Output.emit(
            stopwatch.members + [
                ("units", .integer(self.opened)), ("answered", .integer(self.answered)),
                ("closed", .integer(self.closed)),
            ])
    }

    private mutating func open(_ index: Int) throws(Failure) {
        self.slots[index] = Slot(descriptor: try Socket.dial(self.target))
        self.opened += 1
        self.send(index)
        let interest = self.slots[index].helloSent ? Poller.readableEdge : Poller.bothEdge
        try self.poller.add(self.slots[index].descriptor, index: index, interest)
    }

    private mutating func send(_ index: Int) {
        let flags = Int32(MSG_NOSIGNAL)
        let sent = Glibc.send(self.slots[index].descriptor, self.hello.bytes, self.bytes, flags)
        self.slots[index].helloSent = sent == self.bytes
    }

    private mutating func advance(_ index: Int) throws(Failure) {
        let descriptor = self.slots[index].descriptor
        if !self.slots[index].helloSent { self.send(index) }
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, 0)
        if count < 0, errno == EAGAIN { return }
        if count > 0 { self.answered += 1 } else { self.closed += 1 }
        Self.abort(descriptor)
        try self.open(index)
    }

    /// By RST: the ports of who closes in order would wait for a minute each.
    private static func abort(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        let size = socklen_t(MemoryLayout<linger>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, size)
        close(descriptor)
    }
}
