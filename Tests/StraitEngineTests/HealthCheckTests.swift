// Checks of addresses over real sockets: what passes, what does not, and what follows.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitSnapshot
import StraitWire
import Synchronization
import Testing

/// An upstream that does what it is told with each connection, one after the other.
final class Answerer: Sendable {
    let upstream: Upstream
    private let ending = Atomic<Bool>(false)
    private let seen = Mutex<[[UInt8]]>([])
    private let thread = Mutex<StraitPosix.Thread?>(nil)

    /// - Parameters:
    ///   - greeting: What it says first.
    ///   - answer: What it says to what it was told; nil: it stays silent.
    /// - Throws: ``PosixError`` where there is no socket.
    init(greeting: String = "", answer: @escaping @Sendable ([UInt8]) -> [UInt8]?) throws {
        self.upstream = try Upstream()
        let thread = try StraitPosix.Thread.spawn(name: "answerer") {
            while !self.ending.load(ordering: .acquiring) {
                // Nobody came for a while, which is the test's to see.
                guard let wire = try? self.upstream.accept() else { return }
                try? wire.send(greeting)  // the check may have ended with its connect
                // As above.
                guard let told = try? wire.receive(), !told.isEmpty else { continue }
                self.seen.withLock { $0.append(told) }
                if let said = answer(told) { try? wire.send(said) }  // as above
            }
        }
        self.thread.withLock { $0 = thread }
    }

    var address: SocketAddress { self.upstream.address }

    /// What it was told by each who said something.
    var told: [[UInt8]] { self.seen.withLock { $0 } }

    func end() {
        self.ending.store(true, ordering: .releasing)
        _ = try? Wire(connectedTo: self.address)  // wakes it, if it still is there
        self.thread.withLock { $0 }?.join()
    }
}

@Suite("Checks of addresses", .serialized, .timeLimit(.minutes(2)))
struct HealthCheckTests {
    /// A service that has this address alone, checked.
    private func checked(
        _ address: SocketAddress, _ check: HealthPlan.Check, tls: UpstreamPlan.TLS? = nil,
        proxyHeader: ProxyHeaderVersion = .none, serviceProtocol: ServiceProtocol = .tcp,
        _ change: (inout HealthPlan) -> Void = { _ in }
    ) throws -> (RawSetup, UpstreamPlan) {
        let setup = try RawSetup(upstreams: [address], serviceProtocol: serviceProtocol)
        let plan = UpstreamPlan(
            metricsSlot: 0, address: address, tls: tls, proxyHeader: proxyHeader)
        try setup.use(
            [plan],
            health: quickHealth {
                $0.check = check
                change(&$0)
            })
        return (setup, plan)
    }

    /// Waits until so many checks have passed.
    private func passes(_ plan: UpstreamPlan, _ count: UInt64) throws {
        let limit = monotonicNow().advanced(byNanoseconds: 20_000_000_000)
        while plan.standing.account.checksPassed < count {
            guard monotonicNow() < limit else {
                throw RigError(description: "\(plan.standing.account)")
            }
            _ = poll(nil, 0, 5)
        }
    }

    @Test("a port that takes connections passes `tcp`, and one that refuses them does not")
    func tcp() throws {
        let namer = try Namer("here")
        let (setup, plan) = try self.checked(namer.address, .tcp)
        defer { setup.end() }
        try self.passes(plan, 3)
        #expect(plan.standing.account.checksFailed == 0)
        namer.end()
        let turn = try setup.turn(to: .down, of: plan.address)
        #expect(turn.why.contains("tcp check: "), "\(turn.why)")
        #expect(turn.why.contains("refused"), "\(turn.why)")
        #expect(plan.standing.share == 0)
        let again = try Namer("again", at: plan.address)
        defer { again.end() }
        _ = try setup.turn(to: .returning, of: plan.address)
        let first = plan.standing.share
        #expect((16...255).contains(first))
        _ = try setup.turn(to: .up, of: plan.address)
        #expect(plan.standing.share == 256)
    }

    @Test("an upstream that takes connections and says nothing fails all that want an answer")
    func hung() throws {
        let silent = try Upstream()
        for check in [HealthPlan.Check.greeting, .postgres, .http, .tls, .https] {
            let (setup, plan) = try self.checked(silent.address, check)
            defer { setup.end() }
            let turn = try setup.turn(to: .down, of: plan.address)
            #expect(turn.why == "\(check.rawValue) check: no answer in time")
        }
    }

    @Test("whoever speaks first passes `greeting`")
    func greeting() throws {
        let namer = try Namer("SSH-2.0-x\r\n")
        defer { namer.end() }
        let (setup, plan) = try self.checked(namer.address, .greeting)
        defer { setup.end() }
        try self.passes(plan, 2)
    }

    @Test("MySQL's greeting is looked for before its TLS")
    func greetingBeforeTLS() throws {
        let namer = try Namer("J\0\0\0\u{0A}11.4.2-MariaDB\0")
        defer { namer.end() }
        let tls = UpstreamPlan.TLS(
            policy: ContentDigest(only: 1), serverName: "a.test", serverNameIsAddress: false,
            authoritiesPEM: nil)
        let (setup, plan) = try self.checked(
            namer.address, .greeting, tls: tls, serviceProtocol: .mysql)
        defer { setup.end() }
        try self.passes(plan, 2)
    }

    @Test("a MySQL server that refuses everybody fails `greeting`")
    func refusal() throws {
        let namer = try Namer("\u{17}\0\0\0\u{01}too many connections")
        defer { namer.end() }
        let (setup, plan) = try self.checked(namer.address, .greeting, serviceProtocol: .mysql)
        defer { setup.end() }
        #expect(try setup.turn(to: .down, of: plan.address).why.contains("no greeting of MySQL"))
    }

    @Test("a Postgres server passes, whether it has TLS or not; anybody else does not")
    func postgres() throws {
        for (letter, isGood) in [("S", true), ("N", true), ("E", false), ("NN", false)] {
            let answerer = try Answerer { _ in Array(letter.utf8) }
            defer { answerer.end() }
            let (setup, plan) = try self.checked(answerer.address, .postgres)
            defer { setup.end() }
            if isGood {
                try self.passes(plan, 2)
            } else {
                _ = try setup.turn(to: .down, of: plan.address)
            }
            #expect(answerer.told.allSatisfy { $0 == PostgresPrelude.sslRequest })
        }
    }

    @Test("a status from 200 to 399 passes `http`; the request names path and host")
    func http() throws {
        for (status, isGood) in [("200 OK", true), ("302 x", true), ("404 x", false)] {
            let answerer = try Answerer { _ in Array("HTTP/1.1 \(status)\r\n\r\n".utf8) }
            defer { answerer.end() }
            let (setup, plan) = try self.checked(answerer.address, .http) {
                $0.path = "/up?deep=1"
                $0.host = "www.example.org"
            }
            defer { setup.end() }
            if isGood {
                try self.passes(plan, 2)
            } else {
                let turn = try setup.turn(to: .down, of: plan.address)
                #expect(turn.why == "http check: status \(status.prefix(3))")
            }
            let told = String(decoding: try #require(answerer.told.first), as: UTF8.self)
            #expect(told.hasPrefix("GET /up?deep=1 HTTP/1.1\r\nHost: www.example.org\r\n"))
            #expect(told.hasSuffix("\r\n\r\n"))
        }
    }

    @Test("what is no HTTP fails `http`, and so does an end without an answer")
    func noHTTP() throws {
        let answers = [
            ("SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP/1"),
            ("", "closed without an answer"),
        ]
        for (answer, why) in answers {
            let answerer = try Answerer { _ in Array(answer.utf8) }
            defer { answerer.end() }
            let (setup, plan) = try self.checked(answerer.address, .http)
            defer { setup.end() }
            #expect(try setup.turn(to: .down, of: plan.address).why == "http check: \(why)")
        }
    }

    @Test("a check begins with a PROXY header that speaks for nobody, where one is expected")
    func proxyHeader() throws {
        let answerer = try Answerer { _ in Array("HTTP/1.1 204 x\r\n".utf8) }
        defer { answerer.end() }
        let (setup, plan) = try self.checked(answerer.address, .http, proxyHeader: .v2)
        defer { setup.end() }
        try self.passes(plan, 1)
        let local = ProxyHeader(command: .local).encodedV2()
        #expect(answerer.told.first?.starts(with: local) == true)
    }

    @Test("a check that is switched off leaves nothing behind")
    func switchedOff() throws {
        let silent = try Upstream()
        let (setup, plan) = try self.checked(silent.address, .http)
        defer { setup.end() }
        _ = try setup.turn(to: .down, of: plan.address)
        try setup.use([plan], revision: 3)
        let limit = monotonicNow().advanced(byNanoseconds: 20_000_000_000)
        while plan.standing.share == 0, monotonicNow() < limit { _ = poll(nil, 0, 5) }
        #expect(plan.standing.share == UpstreamHealth.wholeShare)
        #expect(plan.standing.account.health == .up)
    }
}
