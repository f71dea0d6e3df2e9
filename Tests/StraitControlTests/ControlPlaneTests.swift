// The whole way of a change, on loopback: file, compiler, sockets, workers, verdict.

import Foundation
import Logging
import StraitConfig
import StraitControl
import StraitCore
import StraitEngine
import StraitPosix
import Testing

@Suite("ControlPlane, on loopback", .timeLimit(.minutes(3))) struct ControlPlaneTests {
    /// A running router whose configuration a test rewrites.
    private struct Rig {
        let folder: URL
        let control: ControlPlane
        let delivery: Task<Void, Never>

        init(_ text: String) async throws {
            self.folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("strait-test-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: self.folder, withIntermediateDirectories: false)
            for (name, contents) in Fixtures.files {
                try Data(contents.utf8).write(to: self.folder.appendingPathComponent(name))
            }
            let path = self.folder.appendingPathComponent("strait.yaml").path
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            let configuration = try #require(ConfigurationReader().read(path: path).configuration)
            let control = try ControlPlane(
                path: path, configuration: configuration,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                logLinesDropped: { 0 })
            self.control = control
            self.delivery = Task { await control.deliverReports() }
            try await control.start(configuration)
        }

        func write(_ text: String) throws {
            try Data(text.utf8).write(to: self.folder.appendingPathComponent("strait.yaml"))
        }

        /// The address of the first listener, as the kernel has it.
        func address() async throws -> SocketAddress {
            let listener = try #require(await self.control.status().listeners.first)
            return try #require(SocketAddress(listener.address))
        }

        /// Drains and ends the workers; `running` is what runs the control plane already.
        func end(_ running: Task<Void, any Error>? = nil) async throws {
            await self.control.requestDrain(within: .zero)
            if let running { try await running.value } else { try await self.control.run() }
            self.delivery.cancel()
            try FileManager.default.removeItem(at: self.folder)
        }
    }

    private static func text(_ change: (inout ConfigurationText) -> Void = { _ in }) -> String {
        var text = ConfigurationText()
        text.listeners = #"  - { name: public, address: "127.0.0.1:0", protocols: [tls] }"#
        text.more = "workers: 2\naccess: { path: \"off\" }\n"
        change(&text)
        return text.text
    }

    @Test("a router that has started is ready, alive, and tells its port")
    func start() async throws {
        let rig = try await Rig(Self.text())
        #expect(await rig.control.readiness().isReady)
        #expect(await rig.control.isAlive())
        let status = await rig.control.status()
        #expect(status.revision == 1 && status.workersLive == 2)
        let address = try #require(status.listeners.first.flatMap { SocketAddress($0.address) })
        #expect(address.port != 0)
        #expect(await rig.control.connections(limit: 10).isEmpty)
        #expect(await rig.control.record(of: ConnectionID(worker: 0, number: 1)) == nil)
        #expect(await rig.control.close(ConnectionID(worker: 0, number: 1)) == false)
        try await rig.end()
    }

    @Test("a changed file goes live on every worker; the same file again changes nothing")
    func reload() async throws {
        let rig = try await Rig(Self.text())
        let before = await rig.control.status().listeners
        try rig.write(
            Self.text { $0.services = ConfigurationText.www.replacingFirst("8080", with: "8081") })
        guard case .applied(let verdict) = await rig.control.reload(trigger: "test") else {
            Issue.record("the change must go live")
            return
        }
        #expect(verdict.revision == 2 && verdict.workersLive == 2 && verdict.tenantsChanged == 1)
        #expect(await rig.control.status().listeners == before, "the socket stays")
        guard case .unchanged(2) = await rig.control.reload(trigger: "test") else {
            Issue.record("nothing has changed")
            return
        }
        try await rig.end()
    }

    @Test(
        "a wrong configuration changes nothing, and metrics say so",
        arguments: ["not: [yaml", "tenants: []", "certificate"])
    func refused(kind: String) async throws {
        let rig = try await Rig(Self.text())
        let wrong =
            kind == "certificate"
            ? Self.text { $0.certificates = "{ chain: wide.pem, key: other.key }" } : kind
        try rig.write(wrong)
        guard case .refused(1, let problems) = await rig.control.reload(trigger: "test") else {
            Issue.record("the configuration must be refused")
            return
        }
        #expect(problems.contains { $0.severity == .error })
        #expect(await rig.control.readiness().isReady)
        #expect(
            await rig.control.metricsText().contains("strait_config_last_reload_successful 0\n"))
        try rig.write(Self.text())
        _ = await rig.control.reload(trigger: "test")
        #expect(
            await rig.control.metricsText().contains("strait_config_last_reload_successful 1\n"))
        try await rig.end()
    }

    @Test(
        "a file that was cut before its tenants is refused while somebody is served",
        arguments: ["", "tenants: []\n"])
    func cutFile(rest: String) async throws {
        let rig = try await Rig(Self.text())
        let whole = Self.text()
        let cut = try #require(whole.range(of: "tenants:"))
        try rig.write(String(whole[..<cut.lowerBound]) + rest)
        guard case .refused(1, let problems) = await rig.control.reload(trigger: "test") else {
            Issue.record("the last tenant must stay")
            return
        }
        #expect(problems.map(\.code) == [.lastTenantGone])
        #expect(problems.allSatisfy { $0.severity == .error && !$0.remedy.isEmpty })
        #expect(await rig.control.status().services.count == 1)
        try rig.write(whole)
        guard case .unchanged(1) = await rig.control.reload(trigger: "test") else {
            Issue.record("the whole file says what is live")
            return
        }
        try await rig.end()
    }

    @Test("a router starts without tenants, stays so on reloads, and takes the first one")
    func firstTenant() async throws {
        let whole = Self.text()
        let cut = try #require(whole.range(of: "tenants:"))
        let none = String(whole[..<cut.lowerBound]) + "workers: 2\n"
        let rig = try await Rig(none)
        #expect(await rig.control.readiness().isReady)
        try rig.write(none + "metrics: { tenants: 5 }\n")
        guard case .applied = await rig.control.reload(trigger: "test") else {
            Issue.record("there is no tenant to lose")
            return
        }
        try rig.write(whole)
        guard case .applied(let verdict) = await rig.control.reload(trigger: "test") else {
            Issue.record("the first tenant must go live")
            return
        }
        #expect(verdict.tenantsChanged == 1)
        try await rig.end()
    }

    @Test("listeners are opened all or none: one taken address refuses the whole change")
    func takenAddress() async throws {
        let rig = try await Rig(Self.text())
        let taken = try #require(await rig.control.status().listeners.first?.address)
        try rig.write(
            Self.text {
                $0.listeners += """

                      - { name: free, address: "127.0.0.2:0", protocols: [tls] }
                      - { name: taken, address: "\(taken)", protocols: [tls] }
                    """
            })
        guard case .refused(1, let problems) = await rig.control.reload(trigger: "test") else {
            Issue.record("the address is taken")
            return
        }
        #expect(problems.map(\.code) == [.listenerNotOpened])
        #expect(problems.first?.path == "listeners[2]")
        #expect(await rig.control.status().listeners.count == 1)
        #expect(await rig.control.readiness().isReady)
        try await rig.end()
    }

    @Test("a listener may give way to one that overlaps with it, and back again")
    func overlapping() async throws {
        func text(_ host: String, _ port: UInt16) -> String {
            let address = "\(host):\(port)"
            return Self.text {
                $0.listeners = #"  - { name: public, address: "\#(address)", protocols: [tls] }"#
            }
        }
        // A port that nobody has: the wildcard addresses do not take 0.
        let any = try Sockets.listen(
            on: .ip(IPAddress(high: 0, low: 0), port: 0), options: ListenerOptions(backlog: 1))
        let port = try #require(Sockets.localAddress(any)).port
        Sockets.close(any)
        let rig = try await Rig(text("[::]", port))
        for (revision, host) in [(2, "0.0.0.0"), (3, "[::]"), (4, "127.0.0.1")] {
            try rig.write(text(host, port))
            guard case .applied(let verdict) = await rig.control.reload(trigger: "test") else {
                Issue.record("\(host) must take over")
                return
            }
            #expect(verdict.revision == UInt64(revision) && verdict.workersLive == 2)
            #expect(await rig.control.status().listeners.map(\.address) == ["\(host):\(port)"])
        }
        try await rig.end()
    }

    @Test("changes that are asked for at once happen one after the other")
    func atOnce() async throws {
        let rig = try await Rig(Self.text())
        try rig.write(
            Self.text { $0.services = ConfigurationText.www.replacingFirst("8080", with: "8081") })
        let control = rig.control
        let outcomes = await withTaskGroup(of: ReloadOutcome.self) { group in
            for _ in 0..<8 { group.addTask { await control.reload(trigger: "test") } }
            return await group.reduce(into: [ReloadOutcome]()) { $0.append($1) }
        }
        let applied = outcomes.count { if case .applied = $0 { true } else { false } }
        #expect(applied == 1, "the first reads the change, the others find it live")
        #expect(await control.status().revision == 2)
        try await rig.end()
    }

    @Test("a router that has drained is not ready, and takes no changes")
    func drained() async throws {
        let rig = try await Rig(Self.text())
        try await rig.end()
        #expect(await rig.control.readiness().status == "draining")
        guard case .draining = await rig.control.reload(trigger: "test") else {
            Issue.record("a change must be refused while draining")
            return
        }
    }

    // MARK: Drains that are taken back

    private static let patient = text { $0.more += "timeouts: { first_byte: 60s, hello: 60s }\n" }

    /// A connection that has begun a hello: the kernel hands over none that has said nothing.
    private static func connect(_ address: SocketAddress) throws(PosixError) -> BlockingStream {
        let stream = try BlockingStream(connectingTo: address, timeoutMilliseconds: 10_000)
        try stream.send([22])
        return stream
    }

    @Test("a drain that is taken back leaves the router ready, and what was open, open")
    func cancelled() async throws {
        let rig = try await Rig(Self.patient)
        let control = rig.control
        let running = Task { try await control.run() }
        let before = try await rig.address()
        let held = try Self.connect(before)
        try await control.waitForOpen(1)
        await control.requestDrain(within: .seconds(3600))
        #expect(await control.readiness().status == "draining")
        var isRefused = false
        while !isRefused {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
            do { _ = try Self.connect(before) } catch { isRefused = error.isRefused }
        }
        #expect(await control.cancelDrain() == .cancelled)
        #expect(await control.readiness().isReady)
        let open = await control.status().openConnections
        let fresh = try Self.connect(try await rig.address())
        try await control.waitForOpen(open + 1)
        #expect(open >= 1, "the first connection was kept")
        guard case .unchanged(1) = await control.reload(trigger: "test") else {
            Issue.record("changes are taken again")
            return
        }
        try await rig.end(running)
        #expect(await control.cancelDrain() == .tooLate)
        #expect(held.descriptor != fresh.descriptor)
    }

    @Test("what does not drain has nothing to take back")
    func notDraining() async throws {
        let rig = try await Rig(Self.text())
        #expect(await rig.control.cancelDrain() == .notDraining)
        #expect(await rig.control.readiness().isReady)
        try await rig.end()
    }

    @Test("a drain whose address is somebody else's by now goes on")
    func addressGone() async throws {
        let free = try Sockets.listen(
            on: .ip(IPAddress(v4: 0x7F00_0001), port: 0), options: ListenerOptions(backlog: 1))
        let address = try #require(Sockets.localAddress(free))
        Sockets.close(free)
        let rig = try await Rig(Self.patient.replacingFirst("127.0.0.1:0", with: "\(address)"))
        let control = rig.control
        let running = Task { try await control.run() }
        let held = try Self.connect(address)
        try await control.waitForOpen(1)
        await control.requestDrain(within: .seconds(3600))
        var taken: Int32?
        while taken == nil {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
            do throws(PosixError) {
                taken = try Sockets.listen(on: address, options: ListenerOptions(backlog: 1))
            } catch { continue }  // the listener is not closed yet
        }
        guard case .refused(let reason) = await control.cancelDrain() else {
            Issue.record("the address is taken")
            return
        }
        #expect(reason.contains("\(address)"))
        #expect(await control.readiness().status == "draining")
        Sockets.close(taken ?? -1)
        #expect(await control.cancelDrain() == .cancelled)
        #expect(held.descriptor >= 0)
        try await rig.end(running)
    }

    @Test("drains, cancellations and changes at once end in one of the two states")
    func drainsAtOnce() async throws {
        let rig = try await Rig(Self.patient)
        let control = rig.control
        let running = Task { try await control.run() }
        let held = try Self.connect(try await rig.address())
        try await control.waitForOpen(1)
        for _ in 0..<20 {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await control.requestDrain(within: .seconds(3600)) }
                group.addTask { _ = await control.cancelDrain() }
                group.addTask { _ = await control.reload(trigger: "test") }
                group.addTask { await control.requestDrain(within: .seconds(3600)) }
            }
            let outcome = await control.cancelDrain()
            #expect(outcome == .cancelled || outcome == .notDraining)
            #expect(await control.readiness().isReady)
        }
        let fresh = try Self.connect(try await rig.address())
        try await control.waitForOpen(2)
        #expect(held.descriptor != fresh.descriptor)
        try await rig.end(running)
    }
}

extension ControlPlane {
    /// Waits until so many connections are open, or the test's time limit ends it.
    fileprivate func waitForOpen(_ count: Int) async throws {
        while await self.status().openConnections < count { try Task.checkCancellation() }
    }
}
