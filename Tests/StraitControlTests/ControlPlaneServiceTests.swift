// What a service manager hears of a router whose service goes to another process and comes back.

import Foundation
import Glibc
import Logging
import StraitConfig
import StraitControl
import StraitPosix
import StraitWire
import Testing

@Suite("ControlPlane, as a service", .timeLimit(.minutes(3))) struct ControlPlaneServiceTests {
    /// A router that has started, and who listens to it.
    private struct Rig {
        let folder: URL
        let control: ControlPlane
        let delivery: Task<Void, Never>
        let receiver: Int32

        init() async throws {
            self.folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("strait-test-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: self.folder, withIntermediateDirectories: false)
            for (name, contents) in Fixtures.files {
                try Data(contents.utf8).write(to: self.folder.appendingPathComponent(name))
            }
            let path = self.folder.appendingPathComponent("strait.yaml").path
            var text = ConfigurationText()
            text.listeners = #"  - { name: public, address: "127.0.0.1:0", protocols: [tls] }"#
            text.more = "workers: 1\naccess: { path: \"off\" }\n"
            try Data(text.text.utf8).write(to: URL(fileURLWithPath: path))
            let configuration = try #require(ConfigurationReader().read(path: path).configuration)
            let name = "@strait-test-\(UUID().uuidString)"
            self.receiver = try Self.bound(to: name)
            let control = try ControlPlane(
                path: path, configuration: configuration,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                serviceManager: ServiceManager(
                    environment: ["NOTIFY_SOCKET": name], process: getpid()
                ) { Issue.record("\($0)") }, logLinesDropped: { 0 })
            self.control = control
            self.delivery = Task { await control.deliverReports() }
            try await control.start(configuration)
        }

        private static func bound(to name: String) throws -> Int32 {
            let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var form = sockaddr_un()
            form.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &form.sun_path) {
                $0.copyBytes(from: [0] + name.utf8.dropFirst())
            }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
            let status = withUnsafePointer(to: form) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(number, $0, length) }
            }
            guard status == 0 else { throw PosixError(call: "bind", number: errno) }
            return number
        }

        /// What was said since the last look; a datagram is there when its sender goes on.
        func heard() -> [String] {
            var found: [String] = []
            var room = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(self.receiver, &room, room.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { return found }
                found.append(String(decoding: room.prefix(count), as: UTF8.self))
            }
        }

        func end() async throws {
            await self.control.requestDrain(within: .zero)
            try await self.control.run()
            self.delivery.cancel()
            close(self.receiver)
            try FileManager.default.removeItem(at: self.folder)
        }
    }

    @Test("a router that starts is announced once it is told to, and not before")
    func announced() async throws {
        let rig = try await Rig()
        #expect(rig.heard() == [])
        await rig.control.announceReady()
        #expect(rig.heard() == ["READY=1\nSTATUS=revision 1, 1 listener, 1 service"])
        await rig.control.announceEnd()
        await rig.control.announceEnd()
        #expect(rig.heard().count == 1, "an end is announced once")
        try await rig.end()
    }

    @Test("a router that has handed its service over is silent until it has it back")
    func handedOver() async throws {
        let rig = try await Rig()
        await rig.control.handOverService()
        await rig.control.announceReady()
        _ = await rig.control.reload(trigger: "test")
        #expect(rig.heard() == [], "the other process speaks")
        await rig.control.takeServiceBack()
        #expect(rig.heard() == ["READY=1\nSTATUS=revision 1, 1 listener, 1 service"])
        await rig.control.announceEnd()
        try await rig.end()
    }
}
