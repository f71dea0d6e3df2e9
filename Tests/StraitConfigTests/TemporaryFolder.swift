// A folder for one test.

import Foundation

/// A folder that goes with the last reference to it.
final class TemporaryFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-config-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        self.path = url.path
    }

    deinit {
        // What cannot be removed now is removed with the machine's temporary files.
        try? FileManager.default.removeItem(atPath: self.path)
    }

    /// Writes a file and returns its path.
    @discardableResult func write(_ name: String, _ text: String, mode: Int) throws -> String {
        try self.write(name, Data(text.utf8), mode: mode)
    }

    @discardableResult func write(_ name: String, _ data: Data, mode: Int) throws -> String {
        let path = "\(self.path)/\(name)"
        try data.write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }
}
