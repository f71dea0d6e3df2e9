// A service manager's socket, and what was said to it.

import Foundation
import Glibc
import Synchronization

/// Hears what a service says; nothing else of a service manager.
final class ServiceManagerDouble: Sendable {
    /// As NOTIFY_SOCKET has it.
    let path: String
    private let descriptor: Int32
    private let heard = Mutex<[[String]]>([])

    init(_ name: String, in shell: Shell) throws {
        self.path = "\(shell.directory)/\(name).notify"
        self.descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let descriptor = self.descriptor
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard status == 0 else { throw POSIXError(.EADDRINUSE) }
    }

    deinit { close(self.descriptor) }

    /// Every datagram so far: its lines.
    var datagrams: [[String]] {
        var room = [UInt8](repeating: 0, count: 4096)
        return self.heard.withLock { heard in
            while true {
                let count = recv(self.descriptor, &room, room.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { return heard }
                let text = String(decoding: room.prefix(count), as: UTF8.self)
                heard.append(text.split(separator: "\n").map(String.init))
            }
        }
    }

    /// Datagrams that contain a line that begins so.
    func count(_ line: String) -> Int {
        self.datagrams.count { $0.contains { $0.hasPrefix(line) } }
    }

    /// Waits for as many datagrams with a line that begins so, and returns the last of them.
    @discardableResult
    func waitFor(_ line: String, times: Int = 1) async throws -> [String] {
        try await eventually("the service says \(line) \(times) times; it said \(self.datagrams)") {
            let found = self.datagrams.filter { $0.contains { $0.hasPrefix(line) } }
            return found.count >= times ? found.last : nil
        }
    }
}
