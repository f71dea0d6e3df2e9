// The repository as the tidy checks see it: paths and text, read from disk once.

import Foundation

/// One file of the repository.
struct SourceFile: Sendable {
    /// Relative to the repository's root, with `/`.
    let path: String
    let text: String
    /// The same lines with comments and the inside of string literals blanked out.
    let code: [String]
    /// The lines as they stand.
    let lines: [String]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        self.lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        self.code = path.hasSuffix(".swift") ? SwiftText.code(of: text) : self.lines
    }

    /// `Sources/StraitWire/ClientHello.swift` -> `StraitWire`; nil outside `Sources`.
    var target: String? {
        let parts = self.path.split(separator: "/")
        guard parts.count >= 3, parts[0] == "Sources" else { return nil }
        return String(parts[1])
    }
}

/// Something that a check found.
struct Finding: CustomStringConvertible, Hashable {
    let path: String
    let line: Int
    let what: String

    var description: String { "\(self.path):\(self.line): \(self.what)" }
}

enum SourceTree {
    /// The repository's root: three levels above this file.
    static let root: URL = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let swiftFiles: [SourceFile] = files(under: ["Sources", "Tests", "Benchmarks"]) {
        $0.hasSuffix(".swift")
    }
    static let sources: [SourceFile] = swiftFiles.filter { $0.path.hasPrefix("Sources/") }
    static let scripts: [SourceFile] = files(under: ["tools", ".ci"]) { _ in true }
    static let documents: [SourceFile] = topLevel { $0.hasSuffix(".md") }

    /// One file by its path; nil when there is none.
    static func file(_ path: String) -> SourceFile? {
        // Absent, or not text: the caller says what it expected.
        guard let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8)
        else { return nil }
        return SourceFile(path: path, text: text)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }

    private static func files(
        under folders: [String], where isWanted: (String) -> Bool
    ) -> [SourceFile] {
        var found: [SourceFile] = []
        for folder in folders {
            let base = root.appending(path: folder)
            guard let walk = FileManager.default.enumerator(atPath: base.path) else { continue }
            for case let name as String in walk where isWanted(name) {
                // A bundle or a folder is not text and yields nothing.
                if let file = file("\(folder)/\(name)") { found.append(file) }
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    private static func topLevel(where isWanted: (String) -> Bool) -> [SourceFile] {
        // An unreadable root yields no file, which "the tree is read" would notice.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter(isWanted).sorted().compactMap(file)
    }
}
