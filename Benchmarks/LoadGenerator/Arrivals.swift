// `arrivals`: new TLS connections at a fixed rate, and how long each took from the moment at which
// it was due until one byte had been echoed through it. One that fails is counted, not fatal: that
// all succeed is what is asked. Each gate begins a part, as in `paced`.

private import COpenSSL
internal import Glibc

struct ArrivalsLoad {
    private struct Slot {
        var descriptor: Int32 = -1
        var ssl: OpaquePointer?
        var due: UInt64 = 0
        var hasWritten = false
    }

    private static let lastWaitNanoseconds: UInt64 = 5_000_000_000

    private let target: sockaddr_in
    private let name: String
    private let context: TLSContext
    private let poller: Poller
    private let interval: UInt64
    private var slots: [Slot] = []
    private var free: [Int] = []
    private var open = 0
    private var failed = 0
    /// Nanoseconds of each that succeeded in the part.
    private var latencies: [UInt64] = []

    init(options: Options) throws(Failure) {
        self.target = try options.target()
        self.name = try options.required("name")
        self.context = try TLSContext(options: options)
        self.poller = try Poller()
        let rate = max(1, try options.count("rate", standard: 50, limit: 10_000))
        self.interval = 1_000_000_000 / UInt64(rate)
    }

    mutating func run(_ options: Options) throws(Failure) {
        let seconds = try options.count("seconds", standard: 5, limit: 600)
        let parts = try options.count("parts", standard: 2, limit: 10)
        for _ in 0..<parts {
            try Output.gate(options)
            let stopwatch = Stopwatch()
            try self.perform(seconds * Int(1_000_000_000 / self.interval))
            self.tell(stopwatch)
        }
    }

    private mutating func perform(_ count: Int) throws(Failure) {
        self.latencies.removeAll(keepingCapacity: true)
        self.failed = 0
        let start = Clock.now() + 1_000_000
        let last = start + UInt64(count) * self.interval + Self.lastWaitNanoseconds
        var started = 0
        while started < count || self.open > 0, Clock.now() < last {
            while started < count, start + UInt64(started) * self.interval <= Clock.now() {
                try self.begin(due: start + UInt64(started) * self.interval)
                started += 1
            }
            let next = started < count ? start + UInt64(started) * self.interval : last
            let events = try self.poller.wait(until: next, for: "arrivals")
            for position in 0..<events { self.advance(self.poller.index(position)) }
        }
        for index in self.slots.indices where self.slots[index].ssl != nil {
            self.end(index, false)
        }
    }

    private mutating func begin(due: UInt64) throws(Failure) {
        let index = self.free.popLast() ?? self.slots.count
        if index == self.slots.count { self.slots.append(Slot()) }
        let descriptor = try Socket.dial(self.target)
        let ssl = try self.context.open(descriptor, name: self.name, resume: nil)
        self.slots[index] = Slot(descriptor: descriptor, ssl: ssl, due: due)
        self.open += 1
        try self.poller.add(descriptor, index: index, Poller.bothEdge)
        self.advance(index)
    }

    private mutating func advance(_ index: Int) {
        guard let ssl = self.slots[index].ssl else { return }
        do throws(Failure) {
            var byte: UInt8 = 0x5A
            if !self.slots[index].hasWritten {
                let step = try TLSProgress(ssl, SSL_do_handshake(ssl), "handshake")
                guard case .done = step else {
                    if case .ended = step { self.end(index, false) }
                    return
                }
                guard SSL_write(ssl, &byte, 1) == 1 else { return self.end(index, false) }
                self.slots[index].hasWritten = true
            }
            switch try TLSProgress(ssl, SSL_read(ssl, &byte, 1), "SSL_read of the echo") {
            case .done: self.end(index, byte == 0x5A)
            case .ended: self.end(index, false)
            case .wantsRead, .wantsWrite: return
            }
        } catch {
            if errno != EINPROGRESS, errno != ENOTCONN { self.end(index, false) }
        }
    }

    private mutating func end(_ index: Int, _ hasSucceeded: Bool) {
        if hasSucceeded {
            self.latencies.append(Clock.now() - self.slots[index].due)
            SSL_shutdown(self.slots[index].ssl)
        } else {
            self.failed += 1
        }
        SSL_free(self.slots[index].ssl)
        close(self.slots[index].descriptor)
        self.slots[index] = Slot()
        self.free.append(index)
        self.open -= 1
    }

    private mutating func tell(_ stopwatch: Stopwatch) {
        self.latencies.sort()
        let count = self.latencies.count
        func microseconds(_ perMille: Int) -> JSONValue {
            guard count > 0 else { return .number(0) }
            return .number(Double(self.latencies[min(count - 1, count * perMille / 1_000)]) / 1_000)
        }
        Output.emit(
            stopwatch.members + [
                ("units", .integer(count)), ("failed", .integer(self.failed)),
                ("p50", microseconds(500)), ("p99", microseconds(990)),
                ("most", microseconds(1_000)),
            ])
    }
}
