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
        _ place: Configuration.Registry, _ keys: RegistryKeys, _ ports: PortBook?, _ logger: Logger
    ) throws(StoreError) {
        // The registry is made before its copy, and never beside one: a file that was there and is
        // gone is not begun anew, as nobody would be served then.
        if !RegistrySnapshot.isThere(place.snapshotPath) { _ = try SQLiteStore(path: place.path) }
        self.snapshot = try Self.openCopy(place, keys, ports, logger)
        self.registry = Registry(
            store: LazyStore { () throws(StoreError) in
                try SQLiteStore(path: place.path, makesFile: false)
            }, keys: keys, ports: ports)
    }

    /// Opens the copy; what is damaged is put aside where the registry can be read.
    private static func openCopy(
        _ place: Configuration.Registry, _ keys: RegistryKeys, _ ports: PortBook?, _ logger: Logger
    ) throws(StoreError) -> RegistrySnapshot {
        let path = place.snapshotPath
        do throws(StoreError) {
            return try RegistrySnapshot(path: path, keys: keys, ports: ports)
        } catch {
            guard case .corrupted = error else { throw error }
            _ = try SQLiteStore(path: place.path, makesFile: false)
            let aside = path + ".damaged"
            try Self.move(path, to: aside)
            logger.error(
                """
                the copy of the last good state, \(path): \(error.text); it is made anew, and the \
                damaged one is \(aside)
                """)
            return try RegistrySnapshot(path: path, keys: keys, ports: ports)
        }
    }

    /// Moves a database, with what lies beside it, over another one.
    private static func move(_ path: String, to target: String) throws(StoreError) {
        let files = FileManager.default
        do {
            for ending in ["", "-wal", "-shm"] {
                if files.fileExists(atPath: target + ending) {
                    try files.removeItem(atPath: target + ending)
                }
                if files.fileExists(atPath: path + ending) {
                    try files.moveItem(atPath: path + ending, toPath: target + ending)
                }
            }
        } catch {
            throw .unavailable("\(path) is damaged, and cannot be put aside: \(error)")
        }
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
            return try RegistryFiles(place, keys, ports, logger)
        } catch {
            throw .registry(error.text)
        }
    }
}

extension ControlPlane {
    /// How long changes wait before they are copied.
    private static let copyInterval = Duration.seconds(1)

    /// Compiles the last good state, because the registry cannot be read.
    ///
    /// - Throws: `failure` where there is none.
    func compileSnapshot(
        onto base: CompiledConfiguration, _ compiler: inout SnapshotCompiler,
        because failure: StoreError
    ) async throws(StoreError) -> (CompiledConfiguration, RegistryLoad) {
        guard let snapshot = self.registrySnapshot, let mark = try await snapshot.mark() else {
            throw failure
        }
        self.noteRegistry(failure: failure.text)
        self.registryFacts.copied = mark.time
        var (compiled, load) = try await self.compileRegistry(
            snapshot.registry, onto: base, &compiler, copyOf: mark.revision)
        self.logger.warning(
            "serving the last good state of \(mark.time), revision \(mark.revision) of the registry"
        )
        load.revision = mark.revision
        return (compiled, load)
    }

    /// Says, at the start, that the registry lacks what was acknowledged before.
    func sayIfOlder(_ load: RegistryLoad) async {
        let mark: RegistrySnapshot.Mark?
        do throws(StoreError) { mark = try await self.registrySnapshot?.mark() } catch {
            return  // who copies says why it cannot be read
        }
        guard let mark, mark.revision > load.revision else { return }
        self.logger.error(
            """
            the registry is of revision \(load.revision), and was of \(mark.revision) at \
            \(mark.time): changes that were acknowledged are not in it, as where an older file was \
            put there, or its -wal removed
            """)
    }

    /// Copies what is live, and forgets what is not needed any more, behind the changes; until
    /// cancelled.
    func keepSnapshot() async {
        guard let registry = self.registry, let snapshot = self.registrySnapshot else { return }
        var failures: (copying: StoreError?, forgetting: StoreError?)
        while !Task.isCancelled {
            if self.stage == .serving {
                do throws(StoreError) {
                    try await self.copy(registry, to: snapshot)
                    failures.copying = nil
                } catch {
                    self.say("the last good state cannot be copied", error, &failures.copying)
                }
                do throws(StoreError) {
                    try await self.compact(registry)
                    failures.forgetting = nil
                } catch {
                    self.say("what is old cannot be forgotten", error, &failures.forgetting)
                }
            }
            do { try await Task.sleep(for: Self.copyInterval) } catch { return }
        }
    }

    /// Once, and not where the registry itself is away, which is told by who follows it.
    private func say(_ what: String, _ error: StoreError, _ said: inout StoreError?) {
        guard error != .cancelled, error != said, self.registryFacts.failure == nil else { return }
        self.logger.error("\(what): \(error.text)")
        said = error
    }

    private func copy(
        _ registry: Registry, to snapshot: RegistrySnapshot
    ) async throws(StoreError) {
        guard self.registryFacts.failure == nil else { return }
        let live = self.registryFacts.revision
        let now = Timestamp(nanoseconds: wallClockNanoseconds())
        try await snapshot.follow(
            registry, through: live, knownThrough: self.registryFacts.copiedThrough,
            refused: Set(self.registryFacts.refused.keys), now: now)
        self.registryFacts.copiedThrough = live
        self.registryFacts.copied = now
    }
}
