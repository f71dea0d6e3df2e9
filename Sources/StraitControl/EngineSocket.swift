// A UNIX socket by which the workers reach a service of this process: beside the operators', in a
// folder that only this user can enter, since whoever connects is believed what it says of the
// downstream. It has the process's number in its name, as two processes of one router answer side
// by side during an upgrade.

internal import Foundation
package import StraitCore
internal import StraitPosix

/// A path for the socket of a service behind the engine, of this process.
package struct EngineSocket: Sendable {
    /// Where it is bound.
    package let path: String
    private let folder: String

    /// Which service it is; what the folders end in: `admin.sock.1234.web`.
    package enum Kind: String, Sendable {
        /// What tenants' own names answer.
        case webAPI = ".web"
        /// The operator API for those who come with certificates.
        case operators = ".ops"
    }

    /// Folders that are looked at for ones whose process is gone; beyond, they stay.
    private static let foldersMax = 256

    /// As a worker dials it.
    package var address: SocketAddress { .unix(path: self.path) }

    /// Makes the folder, and removes those of processes that have ended without doing so.
    ///
    /// - Parameters:
    ///   - kind: Which service it is.
    ///   - admin: The operators' socket, whose folder is there.
    /// - Throws: ``AdminSocketFailure`` where it cannot be made.
    package init(_ kind: Kind, beside admin: AdminSocket) throws(AdminSocketFailure) {
        self.folder = admin.ownPath + kind.rawValue
        self.path = self.folder + "/s"  // no longer than the path that the operators' is bound at
        Self.removeAbandoned(kind.rawValue, beside: admin)
        AdminSocket.removeFile(self.folder)  // of a process that had our number
        do {
            try FileManager.default.createDirectory(
                atPath: self.folder, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw AdminSocketFailure(
                description: "admin.unix: \(self.folder): \(error.localizedDescription); "
                    + "choose an admin.unix whose folder this user may write to")
        }
    }

    /// Removes the socket and its folder.
    package func remove() { AdminSocket.removeFile(self.folder) }

    private static func removeAbandoned(_ ending: String, beside admin: AdminSocket) {
        let parent = URL(fileURLWithPath: admin.path).deletingLastPathComponent()
        let name = URL(fileURLWithPath: admin.path).lastPathComponent + "."
        let found: [String]
        do {
            found = try FileManager.default.contentsOfDirectory(atPath: parent.path)
        } catch {
            return  // what cannot be listed is not tidied up
        }
        let folders = found.filter { $0.hasPrefix(name) && $0.hasSuffix(ending) }
        for folder in folders.prefix(Self.foldersMax) {
            let path = parent.appendingPathComponent(folder).path
            // A process that has just begun has the folder and not yet the socket.
            let number = Int32(folder.dropFirst(name.count).dropLast(ending.count))
            guard let number, !processExists(number) else { continue }
            AdminSocket.removeFile(path)
        }
    }

    private static func processExists(_ number: Int32) -> Bool {
        FileManager.default.fileExists(atPath: "/proc/\(number)")
    }
}
