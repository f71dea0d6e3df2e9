// `strait upgrade`: a newer program takes over from a running router.

internal import ArgumentParser
internal import Foundation
internal import StraitControl
internal import StraitCore

struct UpgradeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade",
        abstract: "Start the program anew and let it take over; nobody is cut off.",
        discussion: """
            The new process reads the configuration and gets the listening sockets. When it is
            ready it accepts, and the old one finishes what is open, for timeouts.upgrade at most.
            If it is not ready in time, or ends, the old one serves on as before.

            EXAMPLES
              strait upgrade                      after the program's file was replaced
              strait upgrade --binary /opt/strait-2/bin/strait
              strait upgrade --rollback           go back, while the old process drains
              strait upgrade --or-reload          reload where the program is the same
            """)

    @Option(
        help: ArgumentHelp(
            "The program to start, for once. Else the path by which the first process was started.",
            valueName: "file"),
        completion: .file())
    var binary: String?

    @Option(
        help: ArgumentHelp(
            "Seconds that the new process may take to be ready: 1 to 40, else 30.",
            valueName: "seconds"))
    var timeout: UInt32?

    @Flag(help: "Let the process before accept again, and drain this one.")
    var rollback = false

    @Flag(help: "Where the program is the one that runs, read the configuration again instead.")
    var orReload = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func validate() throws {
        let hasOther = self.binary != nil || self.timeout != nil || self.orReload
        guard !self.rollback || !hasOther else {
            throw ValidationError("--rollback goes back: it has no other options")
        }
        let longest = UInt32(Limits.upgradeTimeoutMax.components.seconds)
        guard self.timeout.map({ (1...longest).contains($0) }) ?? true else {
            throw ValidationError("--timeout is 1 to \(longest) seconds")
        }
    }

    /// What the router is asked for.
    private struct Wish: Encodable {
        var program: String?
        var onlyOther: Bool
        var timeoutSeconds: UInt32?
    }

    func run() throws {
        let wish = Wish(
            program: self.binary.map { URL(fileURLWithPath: $0).path }, onlyOther: self.orReload,
            timeoutSeconds: self.timeout)
        let asked = try self.admin.exchange(
            self.rollback ? "DELETE" : "POST", "/v1/upgrade",
            body: self.rollback ? [] : try AnswerJSON.encode(wish),
            milliseconds: Self.timeoutMilliseconds)
        let (status, body) = (asked.status, asked.body)
        let answer: UpgradeAnswer
        do {
            answer = try AnswerJSON.decode(UpgradeAnswer.self, from: body)
        } catch {
            throw CommandFailure(.refused, AdminOptions.sentence(status, body))
        }
        if answer.result == "unwanted" { writeError("not upgraded: \(answer.text)\n") }
        if ["unchanged", "unwanted"].contains(answer.result) {
            var reload = ReloadCommand()
            reload.admin = self.admin
            reload.format = self.format
            return try reload.run()
        }
        guard CommandStatus(httpStatus: status) == .done else {
            if self.format.format == .json { try self.format.write(answer) { $0.text } }
            throw CommandFailure(.refused, answer.text)
        }
        try self.format.write(answer) { $0.text + "\n" }
    }

    /// The router answers earlier than this.
    private static let timeoutMilliseconds = Int32(
        clamping: Limits.adminAnswerTimeout.nanoseconds / 1_000_000)
}
