// Where programs are that the tests start and that no package of Debian's brings.

import Foundation

enum Programs {
    /// The repository: four levels above this file.
    static let repository = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private static var venv: String { "\(self.repository)/.cache/venv" }
    static var python: String { "\(self.venv)/bin/python" }
    static var sslyze: String { "\(self.venv)/bin/sslyze" }
    static var schemathesis: String { "\(self.venv)/bin/schemathesis" }
    static var kubectl: String { "\(self.venv)/bin/kubectl" }
    static var promtool: String { "\(self.repository)/.cache/bin/promtool" }

    /// The folder of the Python packages, whichever Python made it.
    static var sitePackages: String {
        let lib = "\(self.venv)/lib"
        // No such folder: the caller reports the program that it misses below it.
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: lib)) ?? []
        return "\(lib)/\(versions.first { $0.hasPrefix("python3") } ?? "python3")/site-packages"
    }

    /// A script of Clients/.
    static func script(_ name: String) -> String {
        "\(self.repository)/Tests/EndToEndTests/Clients/\(name)"
    }

    /// The socket of launch.py in the router's unit, where STRAIT_UNIT says: routers run inside.
    static let unit = ProcessInfo.processInfo.environment["STRAIT_UNIT"]

    /// The router: beside the test bundle, or where STRAIT_BINARY says.
    static var strait: String {
        if let path = ProcessInfo.processInfo.environment["STRAIT_BINARY"] { return path }
        return "\(self.repository)/.build/debug/strait"
    }
}

/// Whether the long bars run too.
let runsLong = ProcessInfo.processInfo.environment["STRAIT_LONG"] == "1"
/// Bytes that each transfer of the matrix moves.
let transferBytes = (runsLong ? 100 : 5) * 1024 * 1024
