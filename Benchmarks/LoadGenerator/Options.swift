// Command line options, failures and output: what every mode shares.

internal import Glibc

/// A check that failed or a system call that should not have.
struct Failure: Error {
    let message: String

    init(_ message: String) {
        self.message = message
    }

    /// A failed system call, with the text of `errno`.
    static func system(_ call: String) -> Failure {
        Failure("\(call): \(String(cString: strerror(errno)))")
    }
}

/// `--name value` pairs.
struct Options {
    private var values: [String: String] = [:]

    init(_ arguments: [String]) throws(Failure) {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else {
                throw Failure("expected --option value, found \"\(name)\"")
            }
            self.values[String(name.dropFirst(2))] = value
        }
    }

    func string(_ name: String) -> String? {
        self.values[name]
    }

    func required(_ name: String) throws(Failure) -> String {
        guard let value = self.values[name] else { throw Failure("--\(name) is missing") }
        return value
    }

    func flag(_ name: String) -> Bool {
        self.values[name] == "yes"
    }

    /// A whole number in `1...limit`, or `standard` where the option is absent.
    func count(_ name: String, standard: Int? = nil, limit: Int = 1 << 50) throws(Failure) -> Int {
        guard let text = self.values[name] else {
            guard let standard else { throw Failure("--\(name) is missing") }
            return standard
        }
        guard let value = Int(text), value >= 0, value <= limit else {
            throw Failure("--\(name) \(text): expected a whole number up to \(limit)")
        }
        return value
    }

    /// `--target ADDRESS:PORT`, IPv4.
    func target() throws(Failure) -> sockaddr_in {
        let text = try self.required("target")
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1]) else {
            throw Failure("--target \(text): expected ADDRESS:PORT")
        }
        return try Socket.address(String(parts[0]), port: port)
    }
}

extension Options {
    /// The target with `--ports` ports, from its own on, each `--port-step` behind the one before.
    func targets() throws(Failure) -> [sockaddr_in] {
        let count = try self.count("ports", standard: 1, limit: 64_000)
        let step = try self.count("port-step", standard: 1, limit: 1_000)
        let first = try self.target()
        let port = Int(UInt16(bigEndian: first.sin_port))
        guard count > 0, step > 0, port + (count - 1) * step < 65_536 else {
            throw Failure("--ports \(count): there are not as many from port \(port) on")
        }
        return (0..<count).map { number in
            var address = first
            address.sin_port = UInt16(port + number * step).bigEndian
            return address
        }
    }
}

/// stdout is data (one JSON object a line), stderr is prose.
enum Output {
    static func complain(_ text: String) {
        Self.write(text, to: 2)
    }

    static func emit(_ members: [(String, JSONValue)]) {
        let body = members.map { "\"\($0.0)\": \($0.1.text)" }.joined(separator: ", ")
        Self.write("{\(body)}\n", to: 1)
    }

    /// Tells the runner that what follows is measured, and waits for its line.
    static func gate(_ options: Options) throws(Failure) {
        guard options.flag("gate") else { return }
        Self.emit([("event", .string("ready"))])
        var byte: UInt8 = 0
        while true {
            guard read(0, &byte, 1) == 1 else { throw Failure("stdin closed before the go") }
            if byte == UInt8(ascii: "\n") { return }
        }
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: rest))
                let count = Glibc.write(descriptor, part.baseAddress, part.count)
                guard count > 0 else { exit(1) }
                rest = rest.dropFirst(count)
            }
        }
    }
}

/// The few JSON values that results are made of; strings must need no escapes.
enum JSONValue {
    case integer(Int)
    case number(Double)
    case string(String)

    var text: String {
        switch self {
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        }
    }
}

/// The clock of deadlines.
enum Clock {
    /// Nanoseconds since some fixed moment.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Wall and CPU time of a measured part.
struct Stopwatch {
    private let wallStart = Self.seconds(CLOCK_MONOTONIC)
    private let processStart = Self.seconds(CLOCK_PROCESS_CPUTIME_ID)

    var members: [(String, JSONValue)] {
        [
            ("seconds", .number(Self.seconds(CLOCK_MONOTONIC) - self.wallStart)),
            ("cpuSeconds", .number(Self.seconds(CLOCK_PROCESS_CPUTIME_ID) - self.processStart)),
        ]
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
