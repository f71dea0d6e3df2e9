// Services with several addresses over real sockets: choosing, trying another, ejecting.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitRouting
import StraitSnapshot
import Testing

/// How a test has addresses judged: quickly.
func quickHealth(_ change: (inout HealthPlan) -> Void = { _ in }) -> HealthPlan {
    var plan = HealthPlan()
    plan.interval = 100_000_000
    plan.timeout = 80_000_000
    plan.slowStart = 320_000_000
    plan.ejection = 200_000_000
    plan.ejectionMax = 200_000_000
    change(&plan)
    return plan
}

extension RawSetup {
    /// Puts these addresses in place of its service's.
    func use(
        _ upstreams: [UpstreamPlan], health: HealthPlan = quickHealth(), revision: UInt64 = 2,
        attempts: Int = Limits.connectAttempts, from sources: [IPAddress] = []
    ) throws {
        let old = self.snapshot.services[0]
        let service = ServicePlan(
            metricsSlot: 1, tenant: old.tenant, name: old.name,
            serviceProtocol: old.serviceProtocol, mode: old.mode,
            applicationProtocols: old.applicationProtocols, clientCertificate: .none,
            policy: old.policy, upstreams: upstreams, connectAttempts: attempts, health: health)
        try self.apply(
            Snapshot(
                revision: revision, router: "r-1", region: "test",
                listeners: self.snapshot.listeners, routes: self.snapshot.routes,
                services: [service], tenants: [old.tenant], timeouts: self.snapshot.timeouts,
                limits: self.snapshot.limits, access: self.snapshot.access,
                sourceAddresses: sources))
    }

    /// Waits until an address stands so, and returns what was said of it.
    func turn(to health: UpstreamHealth, of address: SocketAddress) throws -> HealthTurn {
        try self.rig.report { report in
            guard case .health(let turn) = report, turn.address == address, turn.health == health
            else { return nil }
            return turn
        }
    }
}

/// The address of a port on which nobody listens.
func deadAddress() throws -> SocketAddress {
    let upstream = try Upstream()
    return upstream.address
}

/// An upstream that says its name to everybody who comes, and ends.
final class Namer: Sendable {
    let address: SocketAddress
    private let listener: Int32
    private let thread: StraitPosix.Thread

    init(_ name: String, at address: SocketAddress? = nil) throws {
        let listener = try Sockets.listen(
            on: address ?? .ip(IPAddress(v4: 127, 0, 0, 1), port: 0),
            options: ListenerOptions(backlog: 1024))
        self.listener = listener
        self.address = try #require(Sockets.localAddress(listener))
        self.thread = try StraitPosix.Thread.spawn(name: "namer") {
            while true {
                var event = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
                _ = poll(&event, 1, -1)
                switch Sockets.accept(listener) {
                case .accepted(let number, _):
                    let wire = Wire(owning: number)
                    // The other side may be gone already, as a check is.
                    try? wire.send(name)
                case .nobody where event.revents & Int16(POLLHUP | POLLERR | POLLNVAL) == 0:
                    continue
                default: return
                }
            }
        }
    }

    /// Ends: the port is dead from now on.
    func end() {
        _ = shutdown(self.listener, Int32(SHUT_RDWR))
        self.thread.join()
        Sockets.close(self.listener)
    }
}

@Suite("A service with several addresses", .serialized, .timeLimit(.minutes(2)))
struct PoolTests {
    private func answer(_ setup: RawSetup) throws -> String {
        String(decoding: try Wire(connectedTo: setup.address).receiveAll(), as: UTF8.self)
    }

    @Test("a dead address costs nobody more than one attempt, and soon nobody any")
    func dead() throws {
        let dead = UpstreamPlan(metricsSlot: 0, address: try deadAddress(), weight: 100)
        let namer = try Namer("alive")
        defer { namer.end() }
        let alive = UpstreamPlan(metricsSlot: 1, address: namer.address)
        let setup = try RawSetup(upstreams: [namer.address])
        defer { setup.end() }
        try setup.use(
            [dead, alive], health: quickHealth { $0.ejection = 60_000_000_000 })
        for _ in 0..<100 { #expect(try self.answer(setup) == "alive") }
        let turn = try setup.turn(to: .ejected, of: dead.address)
        #expect(turn.why.contains("refused"))
        #expect(turn.tenant == "acme")
        #expect(dead.standing.share == 0)
        #expect(dead.standing.account.ejections == 1)
        let retries = try setup.rig.metrics().connectRetries[1] ?? 0
        #expect((3...100).contains(retries), "\(retries)")  // until the judge has had its turn
        for _ in 0..<100 { #expect(try self.answer(setup) == "alive") }
        #expect(try setup.rig.metrics().connectRetries[1] == retries)
        #expect(alive.standing.open == 0)
        #expect(dead.standing.open == 0)
    }

    @Test("the record names the address that was reached, and how many were tried")
    func record() throws {
        let dead = UpstreamPlan(metricsSlot: 0, address: try deadAddress())
        let namer = try Namer("backup")
        defer { namer.end() }
        let backup = UpstreamPlan(metricsSlot: 1, address: namer.address, isBackup: true)
        let setup = try RawSetup(upstreams: [namer.address])
        defer { setup.end() }
        try setup.use([dead, backup])
        #expect(try self.answer(setup) == "backup")
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.upstream.attempts":2"#), "\(record)")
        #expect(record.contains(#""strait.upstream.address":"\#(namer.address)""#), "\(record)")
    }

    @Test("no more addresses are tried than is allowed, and none twice")
    func bounded() throws {
        let dead = try (0..<5).map { UpstreamPlan(metricsSlot: $0, address: try deadAddress()) }
        let setup = try RawSetup(upstreams: [dead[0].address])
        defer { setup.end() }
        try setup.use(dead, health: quickHealth { $0.ejectAfter = 0 }, attempts: 4)
        #expect(try self.answer(setup).isEmpty)
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.upstream.attempts":4"#), "\(record)")
        #expect(record.contains(#""strait.reason":"connect_failed""#))
        let errors = try setup.rig.metrics().connectErrors
        #expect(errors.count == 4)
        #expect(errors.values.allSatisfy { $0 == 1 })
        #expect(dead.allSatisfy { $0.standing.share == UpstreamHealth.wholeShare })
    }

    @Test("a backup gets nothing while another address is healthy")
    func backup() throws {
        let namer = try Namer("first")
        defer { namer.end() }
        let reserve = try Namer("backup")
        defer { reserve.end() }
        let setup = try RawSetup(upstreams: [namer.address])
        defer { setup.end() }
        try setup.use([
            UpstreamPlan(metricsSlot: 0, address: reserve.address, weight: 256, isBackup: true),
            UpstreamPlan(metricsSlot: 1, address: namer.address),
        ])
        for _ in 0..<50 { #expect(try self.answer(setup) == "first") }
    }

    @Test("when none is healthy all are tried, and the first that works comes back in time")
    func panic() throws {
        let places = try (0..<2).map { _ in try deadAddress() }
        let plans = places.enumerated().map {
            UpstreamPlan(metricsSlot: $0.offset, address: $0.element)
        }
        let setup = try RawSetup(upstreams: [places[0]])
        defer { setup.end() }
        try setup.use(plans, health: quickHealth { $0.ejection = 1_000_000_000 })
        for _ in 0..<8 { #expect(try self.answer(setup).isEmpty) }
        for place in places { _ = try setup.turn(to: .ejected, of: place) }
        let namer = try Namer("back", at: places[1])
        defer { namer.end() }
        #expect(try self.answer(setup) == "back")
        _ = try setup.turn(to: .returning, of: places[1])
        #expect(try self.answer(setup) == "back")
        _ = try setup.turn(to: .up, of: places[1])
        #expect(plans[1].standing.share == UpstreamHealth.wholeShare)
    }

    @Test("open connections are counted while they last; of a single address none is")
    func counting() throws {
        let far = try Upstream()
        let other = UpstreamPlan(metricsSlot: 0, address: try deadAddress(), isBackup: true)
        let one = UpstreamPlan(metricsSlot: 1, address: far.address)
        let setup = try RawSetup(upstreams: [far.address])
        defer { setup.end() }
        try setup.use([other, one])
        let held = try Wire(connectedTo: setup.address)
        let accepted = try far.accept()
        #expect(one.standing.open == 1)
        try setup.use([one], revision: 3)
        let second = try Wire(connectedTo: setup.address)
        let alsoAccepted = try far.accept()
        #expect(one.standing.open == 1)
        for wire in [held, accepted, second, alsoAccepted] { wire.endWriting() }
        let limit = monotonicNow().advanced(byNanoseconds: 20_000_000_000)
        while one.standing.open > 0, monotonicNow() < limit { _ = poll(nil, 0, 5) }
        #expect(one.standing.open == 0)
    }

    @Test("upstreams are dialled from the sources, and one that is not there gives way")
    func sources() throws {
        let far = try Upstream()
        let setup = try RawSetup(upstreams: [far.address])
        defer { setup.end() }
        let sources = ["127.0.0.8", "127.0.0.9", "192.0.2.7", "2001:db8::7"].compactMap {
            IPAddress($0)
        }
        try setup.use([UpstreamPlan(metricsSlot: 4, address: far.address)], from: sources)
        var seen: Set<IPAddress> = []
        var held: [Wire] = []
        for _ in 0..<40 {
            held.append(try Wire(connectedTo: setup.address))
            var event = pollfd(fd: far.descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&event, 1, 20_000)
            guard case .accepted(let number, let peer) = Sockets.accept(far.descriptor) else {
                throw RigError(description: "nobody came")
            }
            held.append(Wire(owning: number))
            if let address = peer?.address { seen.insert(address) }
        }
        #expect(seen == Set(sources[0..<2]))
        let metrics = try setup.rig.metrics()
        #expect(metrics.upstreamSockets == [4: 40])
        #expect(metrics.sourcesExhausted > 0)
    }

    @Test("sources that are all of no use are nobody's fault, and the service's addresses stay up")
    func noSource() throws {
        let plans = try (0..<2).map { UpstreamPlan(metricsSlot: $0, address: try deadAddress()) }
        let setup = try RawSetup(upstreams: [plans[0].address])
        defer { setup.end() }
        try setup.use(plans, from: [try #require(IPAddress("192.0.2.7"))])
        for _ in 0..<10 { #expect(try self.answer(setup).isEmpty) }
        #expect(plans.allSatisfy { $0.standing.share == UpstreamHealth.wholeShare })
        #expect(try setup.rig.nextRecord().contains("bind: "))
    }

    @Test("a service without any address refuses, and says so")
    func nowhere() throws {
        let namer = try Namer("here")
        defer { namer.end() }
        let setup = try RawSetup(upstreams: [namer.address])
        defer { setup.end() }
        try setup.use([])
        #expect(try self.answer(setup).isEmpty)
        let record = try setup.rig.nextRecord()
        #expect(record.contains(#""strait.reason":"connect_failed""#), "\(record)")
        #expect(!record.contains("strait.upstream.a"), "\(record)")
    }
}
