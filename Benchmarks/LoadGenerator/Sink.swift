// `sink`: the upstream of every benchmark. What it does depends on the port:
//
//   answer        reads one whole ClientHello, answers its digest and length, closes
//   hello-echo    the same, then echoes to the end
//   hello-source  the same, then reads a length (8 bytes), sends that much of the pattern, closes
//   echo, source  the same without a ClientHello before, behind a proxy that terminates TLS
//   counters      writes what every service has done so far as one JSON line, closes

internal import Glibc

struct Sink {
    private enum Service: String, CaseIterable {
        case answer
        case helloEcho = "hello-echo"
        case helloSource = "hello-source"
        case echo
        case source
        case counters

        var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    private enum Phase {
        case readingHello
        case echoing
        case readingRequest
        case sending
    }

    private struct Counters {
        var accepted = 0
        var hellos = 0
        var ended = 0
        var broken = 0
        var bytesReceived = 0
        var bytesSent = 0
    }

    private struct Slot {
        var descriptor: Int32 = -1
        var service = Service.answer
        var phase = Phase.readingHello
        var received = 0
        var recordBytes = 0
        var digest = Digest()
        var request: UInt64 = 0
        var position = 0
        var nextFree = -1
    }

    private static let capacity = 20_000
    private static let inboxBytes = 16 * 1024
    private static let recordHeaderBytes = 5

    private let poller: Poller
    private let pattern = Pattern()
    private let inbox = UnsafeMutableRawPointer.allocate(byteCount: inboxBytes, alignment: 64)
    private let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
    private var listeners: [(descriptor: Int32, service: Service)] = []
    private var counters = [Counters](repeating: Counters(), count: Service.allCases.count)
    private var firstFree = 0

    init(options: Options) throws(Failure) {
        self.poller = try Poller()
        for index in 0..<Self.capacity {
            self.slots.advanced(by: index).initialize(to: Slot(nextFree: index + 1))
        }
        for item in try options.required("listen").split(separator: ",") {
            let parts = item.split(separator: ":")
            guard parts.count == 2, let service = Service(rawValue: String(parts[0])),
                let port = UInt16(parts[1])
            else { throw Failure("--listen \(item): expected SERVICE:PORT") }
            let descriptor = try Socket.listen(port: port)
            try self.poller.add(
                descriptor, index: Self.capacity + self.listeners.count, Poller.readable)
            self.listeners.append((descriptor, service))
        }
    }

    mutating func run() throws(Failure) {
        while true {
            let count = try self.poller.wait()
            for position in 0..<count {
                let index = self.poller.index(position)
                if index >= Self.capacity {
                    try self.accept(index - Self.capacity)
                } else {
                    try self.advance(index)
                }
            }
        }
    }

    private mutating func accept(_ listener: Int) throws(Failure) {
        let service = self.listeners[listener].service
        while let descriptor = try Socket.accept(self.listeners[listener].descriptor) {
            guard service != .counters else {
                self.tell(descriptor)
                continue
            }
            let index = self.firstFree
            guard index < Self.capacity else { throw Failure("more than \(Self.capacity) open") }
            self.firstFree = self.slots[index].nextFree
            var slot = Slot(descriptor: descriptor, service: service)
            switch service {
            case .answer, .helloEcho, .helloSource, .counters: slot.phase = .readingHello
            case .echo: slot.phase = .echoing
            case .source: slot.phase = .readingRequest
            }
            self.slots[index] = slot
            self.counters[service.number].accepted += 1
            Socket.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            try self.poller.add(descriptor, index: index, Poller.readableEdge)
        }
    }

    /// Reads until nothing is left, as edge-triggered events ask; bulk is written on level events.
    private mutating func advance(_ index: Int) throws(Failure) {
        if case .sending = self.slots[index].phase { return self.sendBulk(index) }
        while true {
            let count = recv(self.slots[index].descriptor, self.inbox, Self.inboxBytes, 0)
            guard count > 0 else {
                if count < 0, errno == EAGAIN { return }
                return self.end(index, broken: count < 0)
            }
            self.counters[self.slots[index].service.number].bytesReceived += count
            switch self.slots[index].phase {
            case .readingHello: self.readHello(index, count)
            case .echoing: self.echo(index, count)
            case .readingRequest: try self.readRequest(index, count)
            case .sending: self.end(index, broken: true)  // Nothing may follow the request.
            }
            // A short read has emptied the socket; an end of stream makes a new edge.
            if self.slots[index].descriptor < 0 || count < Self.inboxBytes { return }
        }
    }

    private mutating func readHello(_ index: Int, _ count: Int) {
        let before = self.slots[index].received
        for offset in before..<max(before, min(Self.recordHeaderBytes, before + count)) {
            let byte = self.inbox.load(fromByteOffset: offset - before, as: UInt8.self)
            if offset == 0, byte != 0x16 { return self.end(index, broken: true) }  // handshake
            if offset == 3 { self.slots[index].recordBytes = Int(byte) << 8 }
            if offset == 4 { self.slots[index].recordBytes |= Int(byte) }
        }
        self.slots[index].received += count
        self.slots[index].digest.update(self.inbox, count)
        let received = self.slots[index].received
        let expected = Self.recordHeaderBytes + self.slots[index].recordBytes
        guard received >= Self.recordHeaderBytes, received >= expected else { return }
        guard received == expected else { return self.end(index, broken: true) }
        self.counters[self.slots[index].service.number].hellos += 1
        let answer = Answer(digest: self.slots[index].digest, helloBytes: received)
        answer.copy(to: self.inbox)
        guard self.send(index, self.inbox, Answer.byteCount) else {
            return self.end(index, broken: true)
        }
        switch self.slots[index].service {
        case .answer: self.end(index, broken: false)
        case .helloSource: self.slots[index].phase = .readingRequest
        case .helloEcho, .echo, .source, .counters: self.slots[index].phase = .echoing
        }
        self.slots[index].received = 0
    }

    private mutating func echo(_ index: Int, _ count: Int) {
        guard self.send(index, self.inbox, count) else { return self.end(index, broken: true) }
    }

    private mutating func readRequest(_ index: Int, _ count: Int) throws(Failure) {
        for offset in 0..<count {
            guard self.slots[index].received < 8 else { return self.end(index, broken: true) }
            let byte = UInt64(self.inbox.load(fromByteOffset: offset, as: UInt8.self))
            self.slots[index].request |= byte << (8 * UInt64(self.slots[index].received))
            self.slots[index].received += 1
        }
        guard self.slots[index].received == 8 else { return }
        self.slots[index].phase = .sending
        try self.poller.modify(self.slots[index].descriptor, index: index, Poller.writable)
    }

    private mutating func sendBulk(_ index: Int) {
        let slice = self.pattern.slice(at: self.slots[index].position)
        let rest = Int(self.slots[index].request) - self.slots[index].position
        let part = min(slice.count, rest)
        let flags = Int32(MSG_NOSIGNAL)
        let count = Glibc.send(self.slots[index].descriptor, slice.start, part, flags)
        guard count >= 0 else {
            if errno != EAGAIN { self.end(index, broken: true) }
            return
        }
        self.slots[index].position += count
        self.counters[self.slots[index].service.number].bytesSent += count
        if self.slots[index].position == Int(self.slots[index].request) {
            self.end(index, broken: false)
        }
    }

    /// Sends a small message whole; the socket's buffer always has room for one.
    private mutating func send(_ index: Int, _ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        let flags = Int32(MSG_NOSIGNAL)
        self.counters[self.slots[index].service.number].bytesSent += count
        return Glibc.send(self.slots[index].descriptor, bytes, count, flags) == count
    }

    private mutating func end(_ index: Int, broken: Bool) {
        if broken {
            self.counters[self.slots[index].service.number].broken += 1
        } else {
            self.counters[self.slots[index].service.number].ended += 1
        }
        close(self.slots[index].descriptor)
        self.slots[index] = Slot(nextFree: self.firstFree)
        self.firstFree = index
    }

    private func tell(_ descriptor: Int32) {
        let services = Service.allCases.map { service in
            let counters = self.counters[service.number]
            return """
                "\(service.rawValue)": {"accepted": \(counters.accepted), \
                "hellos": \(counters.hellos), "ended": \(counters.ended), \
                "broken": \(counters.broken), "bytesReceived": \(counters.bytesReceived), \
                "bytesSent": \(counters.bytesSent)}
                """
        }
        var line = "{\(services.joined(separator: ", "))}\n"
        line.withUTF8 { bytes in
            _ = Glibc.send(
                descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        close(descriptor)
    }
}
