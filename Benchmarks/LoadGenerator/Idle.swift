// `idle`: opens many connections one after the other, each proved by an exchange with the upstream,
// holds them while the runner weighs the proxy, then proves that all of them still work.

private import COpenSSL
internal import Glibc

struct IdleLoad {
    private struct Slot {
        var descriptor: Int32
        var ssl: OpaquePointer?
    }

    private let target: sockaddr_in
    private let name: String
    private let hello: Hello
    private let context: TLSContext?
    private var slots: [Slot] = []

    init(options: Options) throws(Failure) {
        self.target = try options.target()
        self.name = try options.required("name")
        self.hello = try Hello(name: self.name)
        self.context = options.flag("tls") ? try TLSContext(options: options) : nil
    }

    mutating func run(_ options: Options) throws(Failure) {
        let count = try options.count("count", limit: 9_000)
        // Connections opened and closed first, so that one-time allocations are not counted.
        try self.open(options.count("warmup", standard: 0))
        self.close()
        try Output.gate(options)
        let stopwatch = Stopwatch()
        try self.open(count)
        let members = stopwatch.members
        try Output.gate(options)
        for index in 0..<count { try self.echo(index) }
        self.close()
        Output.emit(
            members + [
                ("units", .integer(count)), ("bytesSent", .integer(count)),
                ("bytesReceived", .integer(count)),
            ])
    }

    private mutating func open(_ count: Int) throws(Failure) {
        for index in 0..<count {
            guard self.context != nil else {
                let descriptor = try Greeting.open(self.target, self.hello, sequence: UInt64(index))
                self.slots.append(Slot(descriptor: descriptor, ssl: nil))
                continue
            }
            let descriptor = try Socket.dialBlocking(self.target)
            let ssl = try self.context?.open(descriptor, name: self.name, resume: nil)
            guard SSL_do_handshake(ssl) == 1 else {
                throw Failure("connection \(index): handshake: \(TLSContext.lastError())")
            }
            self.slots.append(Slot(descriptor: descriptor, ssl: ssl))
            try self.echo(index)
        }
    }

    private func echo(_ index: Int) throws(Failure) {
        let slot = self.slots[index]
        var byte = UInt8(truncatingIfNeeded: index)
        var echoed = ~byte
        let sent =
            slot.ssl.map { Int(SSL_write($0, &byte, 1)) } ?? send(slot.descriptor, &byte, 1, 0)
        let received =
            slot.ssl.map { Int(SSL_read($0, &echoed, 1)) } ?? recv(slot.descriptor, &echoed, 1, 0)
        guard sent == 1, received == 1, echoed == byte else {
            throw Failure("connection \(index): no echo; \(TLSContext.lastError())")
        }
    }

    private mutating func close() {
        for slot in self.slots {
            if let ssl = slot.ssl {
                SSL_shutdown(ssl)
                SSL_free(ssl)
            }
            Glibc.close(slot.descriptor)
        }
        self.slots.removeAll()
    }
}
