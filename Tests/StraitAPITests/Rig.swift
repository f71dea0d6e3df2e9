// A router with its operator API on a socket of its own, and raw connections to it.

import Foundation
import Logging
import StraitAPI
import StraitConfig
import StraitControl
import StraitCore
import StraitPosix
import StraitState
import Synchronization
import Testing

/// A running router that answers operators.
struct Rig {
    let control: ControlPlane
    /// The operators' socket.
    let path: String
    /// Every request that the API takes.
    let requests: Set<String>
    private let folder: URL
    private let delivery: Task<Void, Never>
    private let answering: Task<Void, any Error>
    private let answeringRemote: Task<Void, any Error>

    static let configuration = """
        region: local
        router: r-1
        workers: 1
        access: { path: "off" }
        timeouts: { first_byte: 60s, hello: 60s }
        listeners:
          - { name: public, address: "127.0.0.1:0", protocols: [tls] }
        tenants:
          - name: acme
            domains: [acme.example.com]
            services:
              - { name: www, protocol: web, mode: passthrough,
                  upstreams: [{ address: "tcp://127.0.0.1:8080" }] }

        """

    /// The same with a registry instead of tenants.
    static let registry =
        configuration.components(separatedBy: "tenants:")[0] + "registry: { path: registry.db }\n"

    init(
        bounds: AdminAPI.Bounds = AdminAPI.Bounds(), _ text: String = Self.configuration,
        lookUp: @escaping NameWatcher.LookUp = { _ in (.none, .none) }
    ) async throws {
        self.folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("a-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: false)
        let file = self.folder.appendingPathComponent("strait.yaml")
        try Data(text.utf8).write(to: file)
        let read = ConfigurationReader().read(path: file.path)
        let configuration = try #require(read.configuration)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        self.path = self.folder.appendingPathComponent("s").path
        let socket = try AdminSocket(path: self.path)
        let operators = try EngineSocket(.operators, beside: socket)
        let control = try ControlPlane(
            path: file.path, configuration: configuration, logger: logger,
            setup: UpgradeSetup(operators: OperatorsAccess(address: operators.address)),
            lookUp: lookUp, liveTimeout: .seconds(150), logLinesDropped: { 0 })
        self.control = control
        self.delivery = Task { await control.deliverReports() }
        try await control.start(configuration)
        let listening = AsyncStream<Void>.makeStream()
        let api = AdminAPI(
            control: control, socket: socket, logger: logger, bounds: bounds
        ) { listening.continuation.finish() }
        self.requests = api.takenRequests
        self.answering = Task { try await api.run() }
        let remote = RemoteAdminAPI(api, socket: operators, logger: logger)
        self.answeringRemote = Task { try await remote.run() }
        for await _ in listening.stream {}
    }

    /// The same with an operators' listener.
    static let remote =
        registry + "admin: { https: \"127.0.0.1:0\", names: [router-1.example.org, 127.0.0.1] }\n"

    /// Replaces the configuration file.
    func write(_ text: String) throws {
        try Data(text.utf8).write(to: self.folder.appendingPathComponent("strait.yaml"))
    }

    /// Opens a connection to the listener that begins a hello, and waits until it is accepted.
    func hold() async throws -> Line {
        let listener = try #require(await self.control.status().listeners.first)
        let line = try Line(try #require(SocketAddress(listener.address)))
        try await line.send("\u{16}")
        while await self.control.status().openConnections == 0 {
            try Task.checkCancellation()  // the time limit ends it
        }
        return line
    }

    /// Ends API and workers; `running` is what runs the control plane already.
    func end(_ running: Task<Void, any Error>? = nil) async throws {
        await self.control.requestDrain(within: .zero)
        if let running { try await running.value } else { try await self.control.run() }
        self.delivery.cancel()
        for task in [self.answering, self.answeringRemote] {
            task.cancel()
            _ = await task.result
        }
        try FileManager.default.removeItem(at: self.folder)
    }

    /// Sends one request on a connection of its own.
    func ask(
        _ method: String, _ target: String, headers: [String] = [], body: String = ""
    ) async throws -> Answer {
        let line = try Line(self.path)
        try await line.send(
            "\(method) \(target) HTTP/1.1\r\nHost: strait\r\nContent-Length: \(body.utf8.count)"
                + (headers + ["Connection: close"]).map { "\r\n\($0)" }.joined()
                + "\r\n\r\n\(body)")
        return try #require(try await line.answer())
    }
}

/// What came back.
struct Answer: Equatable {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: String

    var contentType: String { self.headers["content-type"] ?? "" }
    var bytes: [UInt8] { Array(self.body.utf8) }
}

/// One raw connection; what waits does so on a thread of its own.
final class Line: Sendable {
    private struct State: ~Copyable {
        let stream: BlockingStream
        var received: [UInt8] = []
    }
    private let state: Mutex<State>
    private let answers = Atomic<Int>(0)

    convenience init(_ path: String) throws { try self.init(.unix(path: path)) }

    init(_ address: SocketAddress) throws {
        self.state = Mutex(
            State(
                stream: try BlockingStream(
                    connectingTo: address, timeoutMilliseconds: 50_000)))
    }

    /// How many answers have come so far.
    var answersCount: Int { self.answers.load(ordering: .acquiring) }

    func send(_ text: String) async throws { try await self.send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        try await self.onThread { state throws(PosixError) in try state.stream.send(bytes) }
    }

    /// Says that nothing more will be sent.
    func finish() { self.state.withLock { Sockets.shutdownWrite($0.stream.descriptor) } }

    /// The next whole answer; nil where the connection ended before one.
    func answer() async throws -> Answer? {
        let answer = try await self.onThread { state throws(PosixError) -> Answer? in
            while true {
                if let (answer, count) = Self.parse(state.received) {
                    state.received.removeFirst(count)
                    return answer
                }
                let more = try state.stream.receive(bytesMax: 64 * 1024)
                guard !more.isEmpty else { return nil }
                state.received += more
            }
        }
        self.answers.add(1, ordering: .acquiringAndReleasing)
        return answer
    }

    /// What comes up to and with `mark`, or until the end; the rest stays for the next time.
    func text(until mark: String) async throws -> String {
        try await self.onThread { state throws(PosixError) in
            while true {
                let text = String(decoding: state.received, as: UTF8.self)
                if let range = text.range(of: mark) {
                    let head = String(text[..<range.upperBound])
                    state.received.removeFirst(head.utf8.count)
                    return head
                }
                let more = try state.stream.receive(bytesMax: 64 * 1024)
                guard !more.isEmpty else {
                    state.received = []
                    return text
                }
                state.received += more
            }
        }
    }

    /// Whether the other end closes before it says anything more.
    func endsSilently() async -> Bool {
        do {
            return try await self.onThread { state throws(PosixError) in
                try state.stream.receive(bytesMax: 1).isEmpty
            }
        } catch {
            return (error as? PosixError)?.number == 104  // reset: closed with our bytes unread
        }
    }

    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable (inout State) throws(PosixError) -> Value
    ) async throws -> Value {
        let thread = Mutex<StraitPosix.Thread?>(nil)
        defer { thread.withLock { $0.take() }?.join() }
        return try await withCheckedThrowingContinuation { continuation in
            do {
                let spawned = try StraitPosix.Thread.spawn(name: "line") {
                    continuation.resume(
                        with: Result { try self.state.withLock { try body(&$0) } })
                }
                thread.withLock { $0 = spawned }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    /// A whole answer at the start of `bytes`, and its length.
    private static func parse(_ bytes: [UInt8]) -> (Answer, Int)? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        let start = text[..<end.upperBound].utf8.count
        let count = headers["content-length"].flatMap { Int($0) } ?? 0
        guard bytes.count >= start + count else { return nil }
        let body = String(decoding: bytes[start..<(start + count)], as: UTF8.self)
        return (Answer(status: status, headers: headers, body: body), start + count)
    }
}
