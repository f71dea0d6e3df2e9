// Marks of files that are written, replaced, removed and linked.

import Foundation
import StraitPosix
import Testing

@Suite("FileMark of files that change")
struct FileMarkTests {
    private let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("strait-mark-\(UUID().uuidString)")

    private func path(_ name: String) -> String { self.folder.appendingPathComponent(name).path }

    init() throws {
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
    }

    @Test("a file that nobody touches keeps its mark")
    func same() throws {
        defer { self.remove() }
        try Data("one".utf8).write(to: URL(fileURLWithPath: self.path("a")))
        #expect(FileMark(path: self.path("a")) == FileMark(path: self.path("a")))
    }

    @Test("new content, a new file under the old name and a removed file have other marks")
    func changes() throws {
        defer { self.remove() }
        let path = self.path("a")
        try Data("one".utf8).write(to: URL(fileURLWithPath: path))
        let first = FileMark(path: path)
        try Data("longer".utf8).write(to: URL(fileURLWithPath: path))
        let second = FileMark(path: path)
        try Data("swapped".utf8).write(to: URL(fileURLWithPath: self.path("b")))
        try renameReplacing(from: self.path("b"), to: path)
        let third = FileMark(path: path)
        try FileManager.default.removeItem(atPath: path)
        let none = FileMark(path: path)
        #expect(Set([first, second, third, none]).count == 4)
        #expect(none == FileMark(path: self.path("never")))
    }

    @Test("a link that is swung to another file has another mark")
    func link() throws {
        defer { self.remove() }
        for name in ["a", "b"] {
            try Data(name.utf8).write(to: URL(fileURLWithPath: self.path(name)))
        }
        let files = FileManager.default
        try files.createSymbolicLink(
            atPath: self.path("link"), withDestinationPath: self.path("a"))
        let first = FileMark(path: self.path("link"))
        #expect(first == FileMark(path: self.path("a")))
        try files.removeItem(atPath: self.path("link"))
        try files.createSymbolicLink(
            atPath: self.path("link"), withDestinationPath: self.path("b"))
        #expect(FileMark(path: self.path("link")) != first)
    }

    private func remove() {
        do {
            try FileManager.default.removeItem(at: self.folder)
        } catch {
            Issue.record("the folder stays: \(error)")
        }
    }
}
