// A router whose tenants have ports of their own, its upstreams, and what dials it.

import Foundation
import Glibc
import Logging
import StraitConfig
import StraitControl
import StraitCore
import StraitPosix
import StraitRouting
import StraitStore
import Testing

/// A port range for one test: of 127.0.0.0/8 by process and test, so that no other test is in the
/// way.
struct PortRig {
    let folder: URL
    let control: ControlPlane
    let address: IPAddress
    /// Its configuration.
    let path: String
    private let delivery: Task<Void, Never>
    private let running: Task<Void, any Error>

    /// An address that no other test listens on.
    static func ownAddress(_ test: UInt8) -> IPAddress {
        let process = UInt32(bitPattern: getpid())
        return IPAddress(
            v4: 127, UInt8(64 + process >> 8 & 63), UInt8(truncatingIfNeeded: process), test)
    }

    init(
        _ address: IPAddress, in folder: URL? = nil, ports: String = "11100-11129",
        more: String = "", steering: String = "\"off\"", router: String = "r-1",
        beforeRunning: (URL) throws -> Void = { _ in }
    ) async throws {
        self.address = address
        self.folder =
            folder
            ?? FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-ports-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        let text = """
            workers: 2
            region: eu
            router: \(router)
            access: { path: "off" }
            admin: { unix: "\(router).sock" }
            listeners: [{ name: public, address: "127.0.0.1:0", protocols: [tls, ssh] }]
            registry: { path: registry.db }
            ports: { address: "\(address)", ranges: [\(ports)], steering: \(steering)\(more) }
            """
        // Each router has a file of its own: one that is written again is read again.
        let path = self.folder.appendingPathComponent("\(UUID().uuidString).yaml").path
        self.path = path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let reading = ConfigurationReader().read(path: path)
        let configuration = try #require(reading.configuration, "\(reading.problems)")
        let control = try ControlPlane(
            path: path, configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            liveTimeout: .seconds(150), logLinesDropped: { 0 })
        self.control = control
        self.delivery = Task { await control.deliverReports() }
        try await control.start(configuration)
        try beforeRunning(self.folder)
        self.running = Task { try await control.run() }
    }

    /// Ends the router; its folder stays.
    func stop() async throws {
        await self.control.requestDrain(within: .zero)
        try await self.running.value
        self.delivery.cancel()
    }

    func end() async throws {
        try await self.stop()
        try FileManager.default.removeItem(at: self.folder)
    }

    /// A tenant with a MySQL and an SSH upstream, that speak first there.
    @discardableResult
    func put(
        _ name: String, mysql: UInt16 = 9, ssh: UInt16 = 9, more: String = "",
        _ manner: WriteManner = .live
    ) async throws -> RegistryWrite {
        let document = """
            {"name":"\(name)","domains":["\(name).example.com"],"services":[
            {"name":"db","protocol":"mysql","upstreams":[{"address":"tcp://127.0.0.1:\(mysql)"}]},
            {"name":"shell","protocol":"ssh","upstreams":[{"address":"tcp://127.0.0.1:\(ssh)"}]},
            {"name":"raw","protocol":"tcp","upstreams":[{"address":"tcp://127.0.0.1:\(ssh)"}]}]
            \(more)}
            """
        return try await self.control.putTenant(
            name, Array(document.utf8), if: .none, by: "test", manner)
    }

    func refusal(
        _ name: String, more: String = "", _ manner: WriteManner = .live
    ) async throws -> RegistryRefusal {
        do {
            try await self.put(name, more: more, manner)
            Issue.record("it must be refused")
            throw CancellationError()
        } catch let refusal as RegistryRefusal {
            return refusal
        }
    }

    /// Leased ports of a tenant, by kind.
    func ports(_ tenant: String) async throws -> [String: UInt16] {
        let answer = try await self.control.ports(after: 0, limit: 1000, of: tenant)
        return Dictionary(
            answer.ports.filter { $0.state == "leased" }.map { ($0.kind, $0.port) },
            uniquingKeysWith: { first, _ in first })
    }

    /// Takes the registry away, or puts it back.
    func moveRegistry(away: Bool) throws { try Self.moveRegistry(in: self.folder, away: away) }

    static func moveRegistry(in folder: URL, away: Bool) throws {
        let paths = ["registry.db", "aside.db"].map(folder.appendingPathComponent)
        try FileManager.default.moveItem(at: paths[away ? 0 : 1], to: paths[away ? 1 : 0])
    }

    /// Leased ports of a tenant that comes into the store without this router.
    func waitUntilLive() async throws {
        let registry = try #require(self.control.registry)
        let revision = try await registry.store.revision()
        #expect(await self.control.waitUntilLive(revision, timeout: .seconds(30)))
    }

    /// What a downstream hears first on a port of the router; nil: it is refused.
    func hear(_ port: UInt16?) throws -> String? {
        let port = try #require(port)
        return try hearFirst(.ip(self.address, port: port))
    }
}

/// An upstream on loopback that greets whoever comes and closes.
final class Greeter: Sendable {
    let port: UInt16
    private let listener: Int32

    init(_ greeting: String) throws {
        let listener = try Sockets.listen(
            on: .ip(IPAddress(v4: 127, 0, 0, 1), port: 0), options: ListenerOptions(backlog: 64))
        self.listener = listener
        self.port = try #require(Sockets.localAddress(listener)?.port)
        _ = fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK)
        _ = try StraitPosix.Thread.spawn(name: "greeter") {
            while true {
                let number = Glibc.accept(listener, nil, nil)
                guard number >= 0 else { return }
                let bytes = Array(greeting.utf8)
                _ = send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL))
                _ = shutdown(number, Int32(SHUT_WR))
                Sockets.close(number)
            }
        }
    }

    /// Ends its thread: accept(2) fails on a socket that is shut down.
    func end() { _ = shutdown(self.listener, Int32(SHUT_RDWR)) }

    deinit { Sockets.close(self.listener) }
}

/// What is said first at an address; nil: the connection is refused or reset.
func hearFirst(_ address: SocketAddress) throws -> String? {
    let number: OwnedDescriptor
    do throws(PosixError) {
        number = OwnedDescriptor(owning: try Sockets.connect(to: address).descriptor)
    } catch {
        return nil
    }
    var event = pollfd(fd: number.number, events: Int16(POLLOUT), revents: 0)
    _ = poll(&event, 1, 20_000)
    guard Sockets.pendingError(number.number) == nil else { return nil }
    event = pollfd(fd: number.number, events: Int16(POLLIN), revents: 0)
    guard poll(&event, 1, 20_000) == 1 else { return nil }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = recv(number.number, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return String(decoding: bytes[..<count], as: UTF8.self)
}

/// Whether this process may have the kernel steer.
let maySteer: Bool = {
    let address = SocketAddress.ip(IPAddress(v4: 127, 0, 0, 1), port: 0)
    // Said by other tests.
    guard let number = try? Sockets.listen(on: address, options: ListenerOptions(backlog: 1))
    else { return false }
    defer { Sockets.close(number) }
    do throws(SteeringFailure) {
        _ = try PortSteering(address: IPAddress(v4: 127, 61, 61, 61), listeners: [number])
        return true
    } catch {
        return false
    }
}()
