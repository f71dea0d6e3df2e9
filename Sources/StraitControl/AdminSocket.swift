// The operators' UNIX socket: private from its first moment, stale ones removed, live ones
// respected.

internal import Foundation
internal import StraitCore
package import StraitPosix

/// Why the operators' socket cannot be had, with a remedy.
package struct AdminSocketFailure: Error, Sendable, CustomStringConvertible {
    /// What went wrong, for people.
    package let description: String
}

/// A path for the operators' socket.
///
/// It is bound inside a folder that only its owner can enter, made private, and then renamed to
/// where it belongs: there is no moment in which somebody else could connect, and a stale socket is
/// replaced whole.
package struct AdminSocket: Sendable {
    /// Where operators find it.
    package let path: String
    /// Where it is bound first.
    package let bindPath: String
    private let folder: String

    /// How long a socket that is there may take to answer a connect.
    private static let connectTimeoutMilliseconds: Int32 = 500

    /// Where this process is reached after another one has taken the path.
    package let ownPath: String

    /// Checks that `path` is free, or left over, and makes the folder to bind in.
    ///
    /// - Parameters:
    ///   - path: Where operators find it.
    ///   - takesOver: Whether another process may answer there until ``publish()``.
    /// - Throws: ``AdminSocketFailure`` where it is in use or cannot be made.
    package init(path: String, takesOver: Bool = false) throws(AdminSocketFailure) {
        self.path = path
        self.ownPath = "\(path).\(processIdentifier())"
        self.folder = "\(self.ownPath).new"
        self.bindPath = self.folder + "/s"
        guard self.bindPath.utf8.count <= 107 else {
            throw AdminSocketFailure(
                description: "admin.unix: \(path) is too long; a socket's path has 107 bytes, "
                    + "and some are needed while it is bound")
        }
        if !takesOver { try Self.refuseLive(path) }
        Self.removeFile(self.folder)  // of a process that had our number
        do {
            let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
            if !FileManager.default.fileExists(atPath: parent) {
                try FileManager.default.createDirectory(
                    atPath: parent, withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o750])
            }
            try FileManager.default.createDirectory(
                atPath: self.folder, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw AdminSocketFailure(
                description: "admin.unix: \(path): \(error.localizedDescription); "
                    + "choose a path whose folder this user may write to")
        }
    }

    /// Moves the bound socket to its place, readable and writable by its owner only.
    package func publish() throws {
        let files = FileManager.default
        try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: self.bindPath)
        try renameReplacing(from: self.bindPath, to: self.path)
        try files.removeItem(atPath: self.folder)
    }

    /// Gives the socket a second name, ``ownPath``: another process is about to take the first.
    package func keepReachable() throws(PosixError) {
        Self.removeFile(self.ownPath)  // of a process that had our number
        try linkFile(from: self.path, to: self.ownPath)
    }

    /// Gives the second name up.
    package func dropOwnPath() { Self.removeFile(self.ownPath) }

    /// Takes the path again, from a process that has taken it over.
    package func takeBack() throws(PosixError) {
        try renameReplacing(from: self.ownPath, to: self.path)
        Self.removeFile(self.ownPath)  // both names of one socket stay where nobody took the path
    }

    /// Removes what a process that was ended while it bound its socket has left.
    package func forgetFolder(of process: Int32) {
        Self.removeFile("\(self.path).\(process).new")
    }

    /// Removes the socket, unless another process has taken its place.
    package func remove() {
        Self.removeFile(self.folder)
        Self.removeFile(self.ownPath)
        do throws(AdminSocketFailure) {
            try Self.refuseLive(self.path)
            Self.removeFile(self.path)
        } catch {
            return  // somebody else answers there
        }
    }

    /// Whether nobody listens at `path`.
    static func isAbandoned(_ path: String) -> Bool {
        do throws(PosixError) {
            _ = try BlockingStream(
                connectingTo: .unix(path: path),
                timeoutMilliseconds: Self.connectTimeoutMilliseconds)
            return false
        } catch {
            return error.isRefused || error.isAbsent
        }
    }

    static func removeFile(_ path: String) {
        guard FileManager.default.fileExists(atPath: path) else { return }
        do { try FileManager.default.removeItem(atPath: path) } catch { return }
    }

    private static func refuseLive(_ path: String) throws(AdminSocketFailure) {
        var attributes: [FileAttributeKey: Any] = [:]
        do {
            attributes = try FileManager.default.attributesOfItem(atPath: path)
        } catch {
            return  // nothing is there
        }
        guard attributes[.type] as? FileAttributeType == .typeSocket else {
            throw AdminSocketFailure(
                description: "admin.unix: \(path) exists and is no socket; choose another path")
        }
        do throws(PosixError) {
            _ = try BlockingStream(
                connectingTo: .unix(path: path),
                timeoutMilliseconds: Self.connectTimeoutMilliseconds)
        } catch {
            guard error.isRefused else {
                throw AdminSocketFailure(
                    description: "admin.unix: \(path): \(error); remove it, or choose another path")
            }
            return  // nobody listens: left over from a process that is gone
        }
        throw AdminSocketFailure(
            description: "admin.unix: \(path) is held by another process that answers; "
                + "stop it, or choose another path")
    }
}
