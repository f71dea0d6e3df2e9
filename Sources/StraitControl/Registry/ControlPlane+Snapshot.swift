// Keeps the last good state on the disk, and starts from it while the registry is away.

internal import Foundation
internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitStore

/// Where a router has its tenants, and where it keeps what they were.
struct RegistryFiles: Sendable {
    let registry: Registry
    let snapshot: RegistrySnapshot

    /// - Throws: Why the copy cannot be used; a registry that was there is opened when it is asked.
    private init(
        _ place: Configuration.Registry, _ keys: RegistryKeys, _ ports: PortBook?
    ) throws(StoreError) {
        // The registry is made before its copy, and never beside one: a file that was there and is
        // gone is not begun anew, as nobody would be served then.
        if !RegistrySnapshot.isThere(place.snapshotPath) { _ = try SQLiteStore(path: place.path) }
        self.snapshot = try RegistrySnapshot(
            path: place.snapshotPath, keys: keys, ports: ports)
        self.registry = Registry(
            store: LazyStore { () throws(StoreError) in
                try SQLiteStore(path: place.path, makesFile: false)
            }, keys: keys, ports: ports)
    }

    /// Opens the registry, its copy, and the keys that seal its private keys.
    ///
    /// - Throws: ``StartFailure/registry(_:)``, why that cannot be.
    static func open(
        _ place: Configuration.Registry?, _ ports: PortBook?, _ logger: Logger
    ) throws(StartFailure) -> RegistryFiles? {
        guard let place else { return nil }
        let keys: RegistryKeys
        do throws(KeyringFailure) {
            keys = try RegistryKeys(place, environment: ProcessInfo.processInfo.environment)
        } catch {
            throw .registry(error.reason)
        }
        if let path = keys.ownKeyPath {
            let words = keys.isNew ? "was made" : "is used"
            logger.warning(
                """
                private keys of the registry are sealed with \(path), which \(words) as no \
                registry.key_file or registry.key_env is set; keep a copy of it apart from backups \
                of the registry: with both, everybody has the keys; without it, nobody
                """)
        }
        do throws(StoreError) {
            return try RegistryFiles(place, keys, ports)
        } catch {
            throw .registry(error.text)
        }
    }
}

extension ControlPlane {
    /// How long changes wait before they are copied.
    private static let copyInterval = Duration.seconds(1)
    /// Tenants that are copied at a time.
    private static let copyCount = 200

    /// Compiles the last good state, because the registry cannot be read.
    ///
    /// - Throws: `failure` where there is none.
    func compileSnapshot(
        onto base: CompiledConfiguration, _ compiler: inout SnapshotCompiler,
        because failure: StoreError
    ) async throws(StoreError) -> (CompiledConfiguration, UInt64) {
        guard let snapshot = self.registrySnapshot, let mark = try await snapshot.mark() else {
            throw failure
        }
        self.noteRegistry(failure: failure.text)
        let (compiled, _) = try await self.compileRegistry(
            snapshot.registry, onto: base, &compiler)
        self.logger.warning(
            "serving the last good state of \(mark.time), revision \(mark.revision) of the registry"
        )
        return (compiled, mark.revision)
    }

    /// Copies what is live, behind the changes, until cancelled.
    func keepSnapshot() async {
        guard let registry = self.registry, let snapshot = self.registrySnapshot else { return }
        while !Task.isCancelled {
            do throws(StoreError) {
                if self.stage == .serving { try await self.copy(registry, to: snapshot) }
            } catch {
                if error != .cancelled, self.registryFacts.failure == nil {
                    self.logger.error("the last good state cannot be written: \(error.text)")
                }
            }
            do { try await Task.sleep(for: Self.copyInterval) } catch { return }
        }
    }

    private func copy(
        _ registry: Registry, to snapshot: RegistrySnapshot
    ) async throws(StoreError) {
        let live = self.registryFacts.revision
        let mark = try await snapshot.mark()
        guard self.registryFacts.failure == nil else { return }
        if let mark, mark.revision == live {
            self.registryFacts.copied = mark.time
            return
        }
        if let mark, mark.revision < live {
            do throws(StoreError) {
                try await self.copyChanges(since: mark.revision, through: live, registry, snapshot)
            } catch {
                guard case .compacted = error else { throw error }
                try await self.copyAll(registry, snapshot)
            }
        } else {
            try await self.copyAll(registry, snapshot)
        }
        let now = Timestamp(nanoseconds: wallClockNanoseconds())
        try await snapshot.setMark(RegistrySnapshot.Mark(revision: live, time: now))
        self.registryFacts.copied = now
    }

    private func copyChanges(
        since older: UInt64, through live: UInt64, _ registry: Registry,
        _ snapshot: RegistrySnapshot
    ) async throws(StoreError) {
        var revision = older
        while revision < live {
            let commits = try await registry.store.commits(after: revision, limit: Self.copyCount)
                .prefix { $0.revision <= live }
            guard let last = commits.last else { return }
            let names = Set(
                commits.flatMap(\.changes).compactMap { RegistryKey.tenant(of: $0.key) })
            try await self.copy(names.map(String.init), registry, snapshot)
            revision = last.revision
        }
    }

    private func copyAll(
        _ registry: Registry, _ snapshot: RegistrySnapshot
    ) async throws(StoreError) {
        try await snapshot.setMark(nil)
        var after: String?
        var hasMore = true
        while hasMore {
            let page = try await registry.tenants(after: after, limit: Self.copyCount)
            try await snapshot.copy(
                page.tenants.filter { self.registryFacts.refused[$0.name] == nil })
            after = page.tenants.last?.name
            hasMore = page.hasMore
        }
        after = nil
        hasMore = true
        while hasMore {
            let page = try await snapshot.registry.tenants(after: after, limit: Self.copyCount)
            try await self.copy(page.tenants.map(\.name), registry, snapshot)
            after = page.tenants.last?.name
            hasMore = page.hasMore
        }
    }

    /// What was refused keeps the copy of what was good.
    private func copy(
        _ names: [String], _ registry: Registry, _ snapshot: RegistrySnapshot
    ) async throws(StoreError) {
        var tenants: [RegisteredTenant] = []
        for name in names where self.registryFacts.refused[name] == nil {
            tenants.append(try await registry.tenant(name))
        }
        try await snapshot.copy(tenants)
    }
}
