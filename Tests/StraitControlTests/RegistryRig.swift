// A router with a registry, in a folder of its own.

import Foundation
import Logging
import StraitConfig
import StraitControl
import StraitCore
import StraitState
import StraitStore
import Testing

/// A router whose tenants are in a registry.
struct RegistryRig {
    let folder: URL
    let control: ControlPlane
    private let delivery: Task<Void, Never>
    private let running: Task<Void, any Error>

    init(
        in folder: URL? = nil, registry: String = "registry.db",
        lookUp: @escaping NameWatcher.LookUp = { _ in (.none, .none) }
    ) async throws {
        self.folder =
            folder
            ?? FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-registry-\(UUID().uuidString)")
        if folder == nil {
            // Also that of a registry with its log beside it, which is moved as one.
            try FileManager.default.createDirectory(
                at: self.folder.appendingPathComponent(registry).deletingLastPathComponent(),
                withIntermediateDirectories: true)
        }
        let text = """
            workers: 2
            access: { path: "off" }
            admin: { unix: admin.sock }
            listeners:
              - { name: public, address: "127.0.0.1:0", protocols: [tls, ssh] }
              - { name: acme, address: "127.0.0.1:0", tenant: acme, service: www }
            registry: { path: \(registry), snapshot: registry.db.snapshot }
            defaults: { ssh: acme/bastion }
            """
        let path = self.folder.appendingPathComponent("strait.yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let reading = ConfigurationReader().read(path: path)
        let configuration = try #require(reading.configuration, "\(reading.problems)")
        let control = try ControlPlane(
            path: path, configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, lookUp: lookUp,
            liveTimeout: .seconds(150), logLinesDropped: { 0 })
        self.control = control
        self.delivery = Task { await control.deliverReports() }
        try await control.start(configuration)
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

    static func document(_ name: String, domain: String? = nil, more: String = "") -> [UInt8] {
        let domain = domain ?? "\(name).example.com"
        return Array(
            """
            {"name":"\(name)","domains":["\(domain)"],"services":[{"name":"www","protocol":"web",\
            "upstreams":[{"address":"tcp://127.0.0.1:8080"}]\(more)}]}
            """.utf8)
    }

    func put(
        _ name: String, domain: String? = nil, more: String = "",
        if precondition: Precondition = .none
    ) async throws -> RegistryWrite {
        try await self.control.putTenant(
            name, Self.document(name, domain: domain, more: more), if: precondition, by: "test")
    }

    /// Until the copy of the last good state is of that revision; the time limit ends it.
    func waitForCopy(of revision: UInt64) async throws {
        try await StraitControlTests.waitForCopy(of: revision, in: self.folder)
    }

    func services() async -> [String] {
        await self.control.status().services.map { "\($0.tenant)/\($0.service)" }.sorted()
    }

    func refusal(_ body: () async throws -> RegistryWrite) async throws -> RegistryRefusal {
        do {
            let write = try await body()
            Issue.record("it must be refused, and came to \(write)")
            throw CancellationError()
        } catch let refusal as RegistryRefusal {
            return refusal
        }
    }

    /// The service that a name leads to.
    func explain(_ name: String) async throws -> String? {
        try await self.control.explain(
            ExplainQuery(
                serverName: name, applicationProtocols: [], listener: "public", port: nil,
                from: nil, opening: .tls)
        ).service
    }
}

/// Until the copy of the last good state is of that revision; the time limit ends it.
func waitForCopy(of revision: UInt64, in folder: URL) async throws {
    let path = folder.appendingPathComponent("registry.db.snapshot").path
    let store = try SQLiteStore(path: path)
    let key = try RowKey("copy/of")
    while true {
        let seen = try await store.revision()
        let row = try await store.row(key)
        let text = row.map { String(decoding: $0.value, as: UTF8.self) } ?? ""
        if text.hasPrefix("\(revision) ") { return }
        // Compacted, too, says that there was one.
        _ = await Task { try await store.commits(after: seen, limit: 1) }.result
    }
}
