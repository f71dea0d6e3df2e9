// A router with an operators' listener, and somebody with a certificate who asks it.

import Foundation
import StraitAPI
import StraitControl
import StraitCore
import StraitPosix
import StraitState
import Synchronization
import Testing

/// A router with an operators' listener, asked as somebody.
struct RemoteRig {
    let rig: Rig
    let running: Task<Void, any Error>
    let port: UInt16

    init(
        lookUp: @escaping NameWatcher.LookUp = { _ in (.none, .none) }
    ) async throws {
        let rig = try await Rig(Rig.remote, lookUp: lookUp)
        self.rig = rig
        self.running = Task { try await rig.control.run() }
        let listener = try #require(
            await rig.control.status().listeners.first { $0.name == "admin.https" })
        self.port = try #require(SocketAddress(listener.address)?.port)
        for name in ["acme", "beta"] { #expect(try await self.put(name).status == 201) }
    }

    func end() async throws { try await self.rig.end(self.running) }

    /// By the socket.
    func put(_ name: String, _ more: String = "") async throws -> Answer {
        try await self.rig.ask("PUT", "/v1/tenants/\(name)", body: Self.document(name, more))
    }

    static func document(_ name: String, _ more: String = "") -> String {
        #"{"name":"\#(name)","domains":["\#(name).example.com"]\#(more)}"#
    }

    /// A certificate, issued by the socket.
    func issue(_ name: String, tenant: String? = nil) async throws -> Remote {
        let place = tenant.map { "/v1/tenants/\($0)/administrators" } ?? "/v1/operators"
        let answer = try await self.rig.ask("POST", place, body: #"{"name":"\#(name)"}"#)
        #expect(answer.status == 201)
        let issued = try AnswerJSON.decode(IssuedIdentityAnswer.self, from: answer.bytes)
        let file = try AdminIdentity(
            pem: Array((issued.key + issued.certificate + issued.authority).utf8))
        return Remote(
            endpoint: .https(host: "127.0.0.1", port: self.port, file),
            fingerprint: issued.identity.fingerprint, name: file.description)
    }
}

/// Somebody with a certificate.
struct Remote: Sendable {
    let endpoint: AdminEndpoint
    let fingerprint: String
    let name: String

    func ask(
        _ method: String, _ target: String, body: String = ""
    ) async throws -> (status: Int, text: String) {
        let answer = try await self.onThread {
            try AdminRequest(method, target, body: Array(body.utf8))
                .exchange(with: self.endpoint, milliseconds: 20_000)
        }
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    /// What is told by events, until one of them has that in it.
    func watch(_ target: String, until last: String) async throws -> String {
        try await self.onThread {
            var exchange = try EventExchange.open(
                target, at: self.endpoint, after: nil, milliseconds: 20_000)
            var told = ""
            while !told.contains(last) {
                told += try exchange.next().map { "\($0.kind) \($0.data)\n" }.joined()
            }
            return told
        }
    }

    /// Sends a head, lets something happen, sends the body; what is answered.
    func exchange<Other: Sendable>(
        head: String, then: @escaping @Sendable () async throws -> Other, body: String
    ) async throws -> String {
        let (told, tell) = AsyncStream<Void>.makeStream()
        let goOn = DispatchSemaphore(value: 0)
        async let answer = self.onThread {
            var stream = try AdminStream(self.endpoint, timeoutMilliseconds: 20_000)
            try stream.send(Array(head.utf8))
            tell.finish()
            goOn.wait()
            try stream.send(Array(body.utf8))
            return String(decoding: try stream.receive(bytesMax: 4096), as: UTF8.self)
        }
        for await _ in told {}
        _ = try await then()
        goOn.signal()
        return try await answer
    }

    /// Opens connections, of each of `remotes` in turn; how many of them are closed again without a
    /// word, and what `other` is answered while all of them are there.
    static func opened(
        _ remotes: [Remote], beside other: Remote? = nil
    ) async throws -> (closed: Int, other: Int?) {
        guard let first = remotes.first else { return (0, nil) }
        return try await first.onThread { try Self.open(remotes[...], other) }
    }

    private static func open(
        _ remotes: ArraySlice<Remote>, _ other: Remote?
    ) throws -> (closed: Int, other: Int?) {
        guard let first = remotes.first else {
            let answer = try other.map {
                try AdminRequest("GET", "/version").exchange(
                    with: $0.endpoint, milliseconds: 20_000)
            }
            return (0, answer?.status)
        }
        var stream = try AdminStream(first.endpoint, timeoutMilliseconds: 20_000)
        var inner = try self.open(remotes.dropFirst(), other)
        do {
            try stream.send(Array("GET /version HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            if try stream.receive(bytesMax: 4096).isEmpty { inner.closed += 1 }
        } catch {
            inner.closed += 1
        }
        return inner
    }

    /// It waits: not on the few threads that all tests share.
    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        let thread = Mutex<StraitPosix.Thread?>(nil)
        defer { thread.withLock { $0.take() }?.join() }
        return try await withCheckedThrowingContinuation { continuation in
            do {
                let spawned = try StraitPosix.Thread.spawn(name: "remote") {
                    continuation.resume(with: Result { try body() })
                }
                thread.withLock { $0 = spawned }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
