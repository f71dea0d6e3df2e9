// Files that the configuration names: whether they exist and can be read. Their contents are the
// control plane's.

private import Foundation

extension ReadingContext {
    /// Reports a file that does not exist, is a folder, or may not be read.
    func checkReadable(_ file: Configuration.FileReference, written: String) {
        guard self.checksFiles else { return }
        guard FileManager.default.fileExists(atPath: file.path) else {
            self.reportFile(file, "no file \(file.path)", remedy: self.nearbyRemedy(file, written))
            return
        }
        guard !Self.isFolder(file.path) else {
            self.reportFile(file, "a folder, \(file.path)", remedy: "name the file in it")
            return
        }
        guard FileManager.default.isReadableFile(atPath: file.path) else {
            self.reportFile(
                file, "\(file.path), which may not be read",
                remedy: "let the router's user read it, or run the check as that user")
            return
        }
    }

    /// Warns of a key that every user of the machine can read.
    func checkPrivate(_ file: Configuration.FileReference) {
        guard self.checksFiles,
            let mode = Self.permissions(ofFile: file.path), mode & 0o004 != 0
        else { return }
        self.report(
            .keyReadableByAll, at: file.place,
            found: "\(file.path) with mode \(String(mode & 0o7777, radix: 8))",
            expected: "a key that only the router's user can read",
            remedy: "chmod 600 \(file.path)")
    }

    /// Reports a file to be written whose folder is not there.
    func checkFolder(ofFile path: String, at place: SourcePlace) {
        guard self.checksFiles else { return }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard !Self.isFolder(folder) else { return }
        self.report(
            .namedFileUnreadable, at: place, found: "no folder \(folder)",
            expected: "a file in a folder that exists", remedy: "make the folder, or name another")
    }

    private func reportFile(_ file: Configuration.FileReference, _ found: String, remedy: String) {
        self.report(
            .namedFileUnreadable, at: file.place, found: found, expected: "a file that can be read",
            remedy: remedy)
    }

    /// The file of the same folder that was probably meant.
    private func nearbyRemedy(_ file: Configuration.FileReference, _ written: String) -> String {
        let url = URL(fileURLWithPath: file.path)
        let folder = url.deletingLastPathComponent().path
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            return "there is no folder \(folder) that can be read"
        }
        if let nearest = nearestWord(to: url.lastPathComponent, in: names.sorted()) {
            return "did you mean \"\(nearest)\"?"
        }
        return written.hasPrefix("/")
            ? "put it there, or name another"
            : "put it there, or name another; paths start at the folder of the configuration"
    }

    /// Whether `path` leads to a folder, over symbolic links too.
    static func isFolder(_ path: String) -> Bool {
        self.attributes(path)?[.type] as? FileAttributeType == .typeDirectory
    }

    /// The permission bits; nil when they cannot be read.
    private static func permissions(ofFile path: String) -> Int? {
        (self.attributes(path)?[.posixPermissions] as? NSNumber)?.intValue
    }

    /// What the file system says of a path; nil when nothing: ``checkReadable(_:written:)`` reports
    /// that.
    private static func attributes(_ path: String) -> [FileAttributeKey: Any]? {
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        do {
            return try FileManager.default.attributesOfItem(atPath: target)
        } catch {
            return nil
        }
    }
}
