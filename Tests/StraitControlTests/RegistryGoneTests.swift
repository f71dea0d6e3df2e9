// A registry whose file goes while the router runs, comes back, or is another one then.

import Foundation
import GRDB
import StraitControl
import StraitStore
import Testing

@Suite("A registry's file that goes", .timeLimit(.minutes(3))) struct RegistryGoneTests {
    /// In a folder of its own, which moves with all that belongs to the file.
    private static let place = "registry/registry.db"

    private static func url(_ rig: RegistryRig, _ path: String) -> URL {
        rig.folder.appendingPathComponent(path)
    }

    private static func move(_ rig: RegistryRig, _ path: String, to other: String) throws {
        try FileManager.default.moveItem(at: self.url(rig, path), to: self.url(rig, other))
    }

    /// Until the registry is away, or there.
    private static func wait(_ rig: RegistryRig, isThere: Bool) async throws {
        while await rig.control.readiness().checks.contains(where: {
            $0.name == "registry" && !$0.ok
        }) == isThere {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
        }
    }

    private static func wait(_ rig: RegistryRig, services: [String]) async throws {
        while await rig.services() != services {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
        }
    }

    /// What the registry is now, in one file.
    private static func backUp(_ rig: RegistryRig, to path: String) throws {
        let queue = try DatabaseQueue(path: self.url(rig, Self.place).path)
        try queue.vacuum(into: self.url(rig, path).path)
        try queue.close()
    }

    @Test("is told, and it is followed again when it is back")
    func gone() async throws {
        let rig = try await RegistryRig(registry: Self.place)
        _ = try await rig.put("acme")
        try Self.move(rig, "registry", to: "aside")
        try await Self.wait(rig, isThere: false)
        #expect(await rig.control.metricsText().contains("\nstrait_registry_up 0\n"))
        #expect(try await rig.explain("www.acme.example.com") == "www")
        await #expect(throws: RegistryRefusal.self) { try await rig.put("beta") }
        try Self.move(rig, "aside", to: "registry")
        try await Self.wait(rig, isThere: true)
        #expect(try await rig.put("beta").isLive)
        #expect(await rig.services() == ["acme/www", "beta/www"])
        try await rig.end()
    }

    @Test("is followed as it is then, where it comes from a backup")
    func backup() async throws {
        let rig = try await RegistryRig(registry: Self.place)
        _ = try await rig.put("acme")
        try FileManager.default.createDirectory(
            at: Self.url(rig, "backup"), withIntermediateDirectories: false)
        try Self.backUp(rig, to: "backup/registry.db")
        _ = try await rig.put("beta")
        try Self.move(rig, "registry", to: "aside")
        try Self.move(rig, "backup", to: "registry")
        try await Self.wait(rig, services: ["acme/www"])
        #expect(try await rig.put("gamma").isLive)
        // The one before again, which has come further, and not by these changes.
        try Self.move(rig, "registry", to: "backup")
        try Self.move(rig, "aside", to: "registry")
        try await Self.wait(rig, services: ["acme/www", "beta/www"])
        try await rig.end()
    }

    @Test("is not opened beside the log of another one")
    func log() async throws {
        let rig = try await RegistryRig(registry: Self.place)
        _ = try await rig.put("acme")
        try Self.backUp(rig, to: "backup.db")
        _ = try await rig.put("beta")
        try Self.move(rig, Self.place, to: "aside.db")
        try Self.move(rig, "backup.db", to: Self.place)
        try await Self.wait(rig, isThere: false)
        while await rig.control.status().registry?.failure?.contains("-wal is of the one before")
            != true
        {
            try Task.checkCancellation()  // the time limit ends it
            await Task.yield()
        }
        #expect(await rig.services() == ["acme/www", "beta/www"])
        for ending in ["-wal", "-shm"] {
            try FileManager.default.removeItem(at: Self.url(rig, Self.place + ending))
        }
        try await Self.wait(rig, services: ["acme/www"])
        try await rig.end()
    }
}
