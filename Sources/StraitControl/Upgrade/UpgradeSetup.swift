// What a process must know in order to hand over to a newer one.

internal import Foundation
package import StraitCore
internal import StraitPosix

/// How this process is started anew, how operators reach it, and what it was given.
package struct UpgradeSetup: Sendable {
    /// The program that an upgrade starts where none is named; as it was named at the start, so
    /// that a link that was swung leads to the new one.
    package var program: String
    /// The operators' socket; nil where there is none, and then there are no upgrades.
    package var admin: AdminSocket?
    /// Listening sockets that systemd has opened for this process.
    package var passed: [InheritedListener]
    /// Where this process answers `/webapi`; nil where it does not.
    package var webAPI: SocketAddress?
    /// What its operators' listener leads to; nil where nobody answers there.
    package var operators: OperatorsAccess?

    /// See the properties.
    package init(
        program: String = Self.ownProgram, admin: AdminSocket? = nil,
        passed: [InheritedListener] = [], webAPI: SocketAddress? = nil,
        operators: OperatorsAccess? = nil
    ) {
        self.program = program
        self.admin = admin
        self.passed = passed
        self.webAPI = webAPI
        self.operators = operators
    }

    /// The path by which this process was started.
    package static var ownProgram: String {
        let name = CommandLine.arguments.first ?? ""
        let folders =
            name.contains("/")
            ? [FileManager.default.currentDirectoryPath]
            : (ProcessInfo.processInfo.environment["PATH"] ?? "").components(separatedBy: ":")
        let found = folders.map {
            URL(fileURLWithPath: name, relativeTo: URL(fileURLWithPath: $0)).path
        }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return found ?? Self.running
    }

    /// Leads to the program that runs, also when its file was replaced or removed.
    private static let running = "/proc/self/exe"

    /// Whether `program` is another file than the one that runs.
    static func isOther(_ program: String) -> Bool {
        FileMark(path: program) != FileMark(path: Self.running)
    }
}
