// What operators are told of an upgrade or a rollback.

internal import StraitPosix

/// What an upgrade came to: the answer of `POST /v1/upgrade`.
package struct UpgradeAnswer: Codable, Hashable, Sendable {
    /// `done`, `refused`; where nothing but another program was asked for also `unchanged` (it is
    /// the one that runs) and `unwanted` (it was gone back from, or has died).
    package var result: String
    /// For people.
    package var text: String
    /// The process that accepts now.
    package var pid: Int32
    /// The process that drains, if one does.
    package var draining: DrainingProcess?
    /// What is open in the process that drains.
    package var openConnections: Int
    /// From the request until the other process accepted.
    package var milliseconds: UInt64

    static func refused(_ reason: String) -> UpgradeAnswer { .init("refused", reason) }

    static func unchanged(_ reason: String) -> UpgradeAnswer { .init("unchanged", reason) }

    init(
        result: String, text: String, pid: Int32, draining: DrainingProcess?,
        openConnections: Int, milliseconds: UInt64
    ) {
        self.result = result
        self.text = text
        self.pid = pid
        self.draining = draining
        self.openConnections = openConnections
        self.milliseconds = milliseconds
    }

    static func unwanted(_ reason: String) -> UpgradeAnswer { .init("unwanted", reason) }

    private init(_ result: String, _ reason: String) {
        self.init(
            result: result, text: reason, pid: processIdentifier(), draining: nil,
            openConnections: 0, milliseconds: 0)
    }
}
