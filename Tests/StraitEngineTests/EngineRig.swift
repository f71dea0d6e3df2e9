// One engine, its listeners and its upstreams on loopback, for one test. Blocking sockets outside,
// no sleeps.

import Glibc
import StraitCore
import StraitEngine
import StraitPosix
import StraitRouting
import StraitSnapshot
import Synchronization
import Testing

/// What a test could not do.
struct RigError: Error, CustomStringConvertible {
    var description: String
}

/// A blocking TCP socket with a deadline of 20 s on every call.
final class Wire: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, length)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, length)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
    }

    convenience init(connectedTo address: SocketAddress) throws {
        let (descriptor, start) = try Sockets.connect(to: address)
        if case .underWay = start {
            var event = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = poll(&event, 1, 20_000)
            if let error = Sockets.pendingError(descriptor) {
                _ = close(descriptor)
                throw error
            }
        }
        self.init(owning: descriptor)
    }

    deinit { _ = close(self.descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw PosixError(call: "send", number: errno) }
            sent += count
        }
    }

    func send(_ text: String) throws { try self.send(Array(text.utf8)) }

    /// Up to `max` bytes; empty at the end.
    func receive(max: Int = 65_536) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max)
        let count = recv(self.descriptor, &bytes, max, 0)
        guard count >= 0 else { throw PosixError(call: "recv", number: errno) }
        return Array(bytes[..<count])
    }

    /// Exactly `count` bytes.
    func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try self.receive(max: count - bytes.count)
            guard !more.isEmpty else { throw RigError(description: "end after \(bytes.count)") }
            bytes += more
        }
        return bytes
    }

    /// Everything until the end.
    func receiveAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try self.receive()
            if more.isEmpty { return bytes }
            bytes += more
        }
    }

    func endWriting() { Sockets.shutdownWrite(self.descriptor) }

    /// Closes with RST at the end of its life.
    func resetAtEnd() { Sockets.setAbortiveClose(self.descriptor) }
}

/// Work on a thread of its own: the concurrency pool must not be blocked.
final class Later<Value: Sendable>: Sendable {
    private let thread: StraitPosix.Thread

    init(_ body: @escaping @Sendable () throws -> Value) throws {
        let done = Outcome<Value>()
        self.thread = try StraitPosix.Thread.spawn(name: "later") {
            let result = Result { try body() }
            done.result.withLock { $0 = result }
        }
        self.done = done
    }

    private let done: Outcome<Value>

    /// Waits for the end.
    ///
    /// Call it once.
    func value() throws -> Value {
        self.thread.join()
        guard let result = self.done.result.withLock({ $0 }) else {
            throw RigError(description: "no result")
        }
        return try result.get()
    }
}

private final class Outcome<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
}

/// A listening socket of the test's own: an upstream.
final class Upstream: Sendable {
    let descriptor: Int32
    let address: SocketAddress

    init(ipv6: Bool = false) throws {
        let ip = ipv6 ? IPAddress(high: 0, low: 1) : IPAddress(v4: 127, 0, 0, 1)
        let descriptor = try Sockets.listen(
            on: .ip(ip, port: 0), options: ListenerOptions(backlog: 128))
        self.descriptor = descriptor
        guard let address = Sockets.localAddress(descriptor) else {
            throw RigError(description: "an address")
        }
        self.address = address
    }

    deinit { _ = close(self.descriptor) }

    func accept() throws -> Wire {
        var event = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&event, 1, 20_000) == 1,
            case .accepted(let number, _) = Sockets.accept(self.descriptor)
        else { throw RigError(description: "nobody came") }
        return Wire(owning: number)
    }

    /// Whether somebody waits to be accepted now.
    var hasCaller: Bool {
        var event = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&event, 1, 0) == 1
    }
}

/// A running engine.
final class Rig: Sendable {
    let engine: Engine
    private let reports: Mailbox<WorkerReport>
    private let kept = Mutex<[WorkerReport]>([])

    init(workers: Int = 1) throws {
        let reports = try Mailbox<WorkerReport>()
        self.reports = reports
        self.engine = try Engine(workers: workers, pinned: false) { _ = reports.put($0) }
    }

    deinit {
        self.engine.broadcast(.stop)
        self.engine.join()
    }

    /// Waits for the first report, old or new, that `pick` takes.
    func report<Picked>(_ pick: (WorkerReport) -> Picked?) throws -> Picked {
        let limit = monotonicNow().advanced(byNanoseconds: 20_000_000_000)
        while true {
            let found = self.kept.withLock { kept -> Picked? in
                kept += self.reports.takeAll()
                for (index, report) in kept.enumerated() {
                    guard let picked = pick(report) else { continue }
                    kept.remove(at: index)
                    return picked
                }
                return nil
            }
            if let found { return found }
            guard monotonicNow() < limit else { throw RigError(description: "no such report") }
            var event = pollfd(fd: self.reports.descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&event, 1, 1000)
        }
    }

    /// Makes all workers obey `snapshot` and waits until they do.
    func apply(_ snapshot: Snapshot, sockets: [ListenerSocket]) throws {
        self.engine.broadcast(.apply(snapshot, sockets: sockets))
        for _ in 0..<self.engine.workers {
            _ = try self.report { report -> Bool? in
                if case .applied(_, snapshot.revision) = report { true } else { nil }
            }
        }
    }

    /// The next access record, as JSON text.
    func nextRecord() throws -> String {
        try self.report { report -> String? in
            guard case .accessRecords(let bytes) = report else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The counters of one worker, now.
    func metrics(worker: Int = 0) throws -> WorkerMetrics {
        let token = UInt64.random(in: 1...UInt64.max)
        self.engine.send(.collectMetrics(token: token), to: worker)
        return try self.report { report -> WorkerMetrics? in
            guard case .metrics(token, let metrics) = report else { return nil }
            return metrics
        }
    }
}

/// A listener in front of one service, on loopback; its own unless it `isShared`.
///
/// The second of its addresses is a backup, so that the first is tried first.
struct RawSetup {
    let rig: Rig
    let address: SocketAddress
    let listener: Int32
    let snapshot: Snapshot

    init(
        upstreams: [SocketAddress], ipv6: Bool = false, workers: Int = 1,
        serviceProtocol: ServiceProtocol = .tcp, mode: ServiceMode = .passthrough,
        clientCertificate: ClientCertificatePolicy = .none, timeouts: Timeouts = Timeouts(),
        limits: EngineLimits = EngineLimits(), listenerProtocols: ListenerProtocols = .raw,
        proxyHeader: ListenerPlan.ProxyHeader = .absent,
        upstreamProxyHeader: ProxyHeaderVersion = .none, connectionsMax: Int = 0,
        tenantLimits: LimitSet = LimitSet(), sourceLimits: LimitSet = LimitSet(),
        isShared: Bool = false, serverFirst: ListenerPlan.ServerFirst? = nil,
        applicationProtocols: [ApplicationProtocol] = [], leadsHome: Bool = false
    ) throws {
        let ip = ipv6 ? IPAddress(high: 0, low: 1) : IPAddress(v4: 127, 0, 0, 1)
        self.listener = try Sockets.listen(
            on: .ip(ip, port: 0), options: ListenerOptions(backlog: 128))
        self.address = try #require(Sockets.localAddress(self.listener))
        let domain = try #require(HostName("acme.example.com"))
        let certificates = CertificateSet(
            id: ContentDigest(only: 1), names: [], wildcards: [domain],
            certificates: [TestCertificate.plan])
        var tenantLimits = tenantLimits
        if connectionsMax > 0 { tenantLimits.connections = connectionsMax }
        let usage = TenantUsage()
        let tenant = TenantPlan(
            name: "acme", certificates: CertificateTable(sets: [certificates]),
            clientAuthoritiesPEM: [],
            limits: usage.limits(tenantLimits, perSource: sourceLimits), usage: usage)
        let service = ServicePlan(
            metricsSlot: 1, tenant: tenant, name: "echo", serviceProtocol: serviceProtocol,
            mode: mode, applicationProtocols: applicationProtocols,
            clientCertificate: clientCertificate,
            policy: ContentDigest(only: 1), givesTickets: true,
            upstreams: (upstreams + (leadsHome ? [self.address] : [])).enumerated().map {
                UpstreamPlan(
                    metricsSlot: $0.offset, address: $0.element,
                    proxyHeader: upstreamProxyHeader, isBackup: $0.offset > 0)
            })
        let rules = RouteRules(
            tenants: [RouteRules.Tenant(name: "acme", domains: [domain])],
            services: [
                RouteRules.Service(
                    tenant: 0, name: "echo", serviceProtocol: serviceProtocol, mode: mode,
                    applicationProtocols: applicationProtocols)
            ])
        let plan = ListenerPlan(
            id: 0, name: "raw", address: self.address, protocols: listenerProtocols,
            proxyHeader: proxyHeader,
            scope: isShared ? ListenerScope() : ListenerScope(tenant: 0, service: 0),
            serverFirst: serverFirst)
        self.snapshot = Snapshot(
            revision: 1, router: "r-1", region: "test", listeners: [plan],
            routes: try RouteTable(rules), services: [service], tenants: [tenant],
            timeouts: timeouts, limits: limits, access: AccessPlan())
        self.rig = try Rig(workers: workers)
        try self.apply(self.snapshot)
    }

    func apply(_ snapshot: Snapshot) throws {
        try self.rig.apply(snapshot, sockets: [ListenerSocket(id: 0, descriptor: self.listener)])
    }

    func end() { Sockets.close(self.listener) }
}

/// Bytes that differ from place to place, the same for the same count.
///
/// The period is a prime, so that a block that is lost or doubled shows itself.
func pattern(_ count: Int) -> [UInt8] {
    var state: UInt64 = 1
    let block = (0..<65_537).map { _ -> UInt8 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count { bytes += block }
    bytes.removeLast(bytes.count - count)
    return bytes
}
