// Who gets the path of the operators' socket.

import Foundation
import StraitControl
import StraitCore
import StraitPosix
import Testing

@Suite("AdminSocket") struct AdminSocketTests {
    private let path = FileManager.default.temporaryDirectory
        .appendingPathComponent("s-\(UInt32.random(in: 0 ... .max)).sock").path

    private func listen(_ path: String) throws -> Int32 {
        try Sockets.listen(on: .unix(path: path), options: ListenerOptions(backlog: 4))
    }

    /// A program that another test starts at this moment has a copy of what was closed until it
    /// runs: for so long somebody seems to answer.
    private func remove(_ socket: AdminSocket) {
        for _ in 0..<100_000 where FileManager.default.fileExists(atPath: self.path) {
            socket.remove()
        }
    }

    @Test("a published socket is its owner's alone, and the folder that it was bound in is gone")
    func publish() throws {
        let socket = try AdminSocket(path: self.path)
        let descriptor = try self.listen(socket.bindPath)
        try socket.publish()
        let attributes = try FileManager.default.attributesOfItem(atPath: self.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let folder = URL(fileURLWithPath: socket.bindPath).deletingLastPathComponent().path
        #expect(!FileManager.default.fileExists(atPath: folder))
        Sockets.close(descriptor)
        self.remove(socket)
        #expect(!FileManager.default.fileExists(atPath: self.path))
    }

    @Test("a path where another process answers is refused, and left alone")
    func live() throws {
        let descriptor = try self.listen(self.path)
        #expect(throws: AdminSocketFailure.self) { try AdminSocket(path: self.path) }
        #expect(FileManager.default.fileExists(atPath: self.path))
        Sockets.close(descriptor)
        try FileManager.default.removeItem(atPath: self.path)
    }

    @Test("a socket that was left over is replaced")
    func stale() throws {
        Sockets.close(try self.listen(self.path))
        #expect(FileManager.default.fileExists(atPath: self.path))
        var found: AdminSocket?
        for _ in 0..<100_000 where found == nil {
            found = try? AdminSocket(path: self.path)  // held for a moment, as in remove(_:)
        }
        let socket = try #require(found)
        let descriptor = try self.listen(socket.bindPath)
        try socket.publish()
        #expect(throws: AdminSocketFailure.self) { try AdminSocket(path: self.path) }
        Sockets.close(descriptor)
        socket.remove()
    }

    @Test("a file that is no socket is never removed")
    func ordinaryFile() throws {
        try Data("precious".utf8).write(to: URL(fileURLWithPath: self.path))
        #expect(throws: AdminSocketFailure.self) { try AdminSocket(path: self.path) }
        #expect(FileManager.default.fileExists(atPath: self.path))
        try FileManager.default.removeItem(atPath: self.path)
    }

    @Test("a path too long for a socket is refused with a sentence")
    func tooLong() {
        let long = "/tmp/" + String(repeating: "x", count: 120)
        #expect(throws: AdminSocketFailure.self) { try AdminSocket(path: long) }
    }

    @Test("a process that takes over gets the path, and the one before keeps its second name")
    func takeOver() throws {
        let older = try AdminSocket(path: self.path)
        let first = try self.listen(older.bindPath)
        try older.publish()
        try older.keepReachable()
        #expect(throws: AdminSocketFailure.self) { try AdminSocket(path: self.path) }
        let newer = "\(self.path).newer"
        let second = try self.listen(newer)
        try renameReplacing(from: newer, to: self.path)
        Sockets.close(second)
        _ = try BlockingStream(
            connectingTo: .unix(path: older.ownPath), timeoutMilliseconds: 1000)
        try older.takeBack()
        _ = try BlockingStream(connectingTo: .unix(path: self.path), timeoutMilliseconds: 1000)
        #expect(!FileManager.default.fileExists(atPath: older.ownPath))
        Sockets.close(first)
        self.remove(older)
        #expect(!FileManager.default.fileExists(atPath: self.path))
    }
}
