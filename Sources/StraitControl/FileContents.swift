// The files that a configuration names, read once a compilation and remembered by their digest.

internal import Foundation
internal import StraitTLS

/// Why a file could not be read, for people.
package struct FileError: Error, Hashable, Sendable {
    /// What went wrong, for people.
    package let description: String

    /// See the properties.
    package init(description: String) { self.description = description }
}

/// Reads files for one compilation: each once, none above the bound.
package struct FileContents: Sendable {
    /// What one file may have.
    ///
    /// Beyond: refused.
    package static let bytesMax = 4 * 1024 * 1024

    private let load: @Sendable (String) throws -> [UInt8]
    private var known: [String: [UInt8]] = [:]

    /// - Parameter load: Reads one file; another than the file system's for tests.
    package init(load: @escaping @Sendable (String) throws -> [UInt8] = FileContents.fromDisk) {
        self.load = load
    }

    /// The contents of `path`.
    package mutating func read(_ path: String) throws(FileError) -> [UInt8] {
        if let known = self.known[path] { return known }
        do {
            let bytes = try self.load(path)
            guard bytes.count <= Self.bytesMax else {
                throw FileError(description: "it has more than \(Self.bytesMax) bytes")
            }
            self.known[path] = bytes
            return bytes
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError(description: error.localizedDescription)
        }
    }

    /// What was read, by path, as SHA-256.
    package var digests: [String: [UInt8]] { self.known.mapValues { TLSDigest.sha256($0) } }

    /// Reads from the file system.
    package static let fromDisk: @Sendable (String) throws -> [UInt8] = { path in
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
}
