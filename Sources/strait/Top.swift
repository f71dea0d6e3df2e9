// `strait top`: the tenants that use the most, live.

internal import ArgumentParser
internal import StraitControl
internal import StraitCore
internal import StraitPosix
internal import Synchronization

extension TopOrder: ExpressibleByArgument {}

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show the tenants that use the most, live.",
        discussion: """
            EXAMPLES
              strait top
              strait top --sort bytes --limit 10
              strait top --once --interval 5
              strait top --once --format json | jq '.tenants[].tenant'

            Rates are over --interval seconds. On a terminal the table is drawn anew until
            interrupted; else, and with --batch, tables come one below the other.
            """)

    @Option(help: "What comes first: connections, bytes, refusals or new (connections).")
    var sort = TopOrder.connections

    @Option(help: "At most so many tenants; else as many as the terminal has room for, or 20.")
    var limit: Int?

    @Option(help: "Seconds between two readings, 1 to \(Limits.topSecondsMax).")
    var interval = 2

    @Option(help: "Only this tenant.")
    var tenant: String?

    @Flag(help: "One table, and end.")
    var once = false

    @Flag(help: "Tables one below the other, also on a terminal.")
    var batch = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func validate() throws {
        guard 1...Limits.topSecondsMax ~= self.interval else {
            throw ValidationError("--interval is 1 to \(Limits.topSecondsMax) seconds")
        }
        guard 1...Limits.topTenantsMax ~= self.limit ?? 1 else {
            throw ValidationError("--limit is 1 to \(Limits.topTenantsMax)")
        }
    }

    func run() async throws {
        let isScreen =
            !self.once && !self.batch && self.format.format == .text && Terminal.outputSize != nil
        let screen = Screen(isScreen)
        defer { screen.end() }
        let command = self
        try await untilSignal {
            repeat {
                let answer = try command.ask(room: screen.rows)
                guard screen.show(try command.text(answer, isScreen)) else { return }
            } while !command.once
        }
    }

    private func ask(room: Int?) throws -> TopAnswer {
        // Two lines above the tenants.
        let limit = self.limit ?? room.map { max($0 - 2, 1) } ?? 20
        let tenant = self.tenant.map { "&tenant=\(AdminOptions.escaped($0))" } ?? ""
        return try self.admin.ask(
            TopAnswer.self, "GET",
            "/v1/top?sort=\(self.sort.rawValue)&limit=\(min(limit, Limits.topTenantsMax))"
                + "&seconds=\(self.interval)\(tenant)")
    }

    private func text(_ answer: TopAnswer, _ isScreen: Bool) throws -> String {
        switch self.format.format {
        case .json: String(decoding: try AnswerJSON.encode(answer), as: UTF8.self) + "\n"
        case .text: TopText.table(answer) + (self.once || isScreen ? "" : "\n")
        }
    }
}

/// Where tables are drawn: a terminal's other screen, which is left as it was found, or lines.
private final class Screen: Sendable {
    private let isScreen: Bool
    /// Held while something is drawn, so that nothing is drawn once it has ended.
    private let hasEnded = Mutex(false)

    init(_ isScreen: Bool) {
        self.isScreen = isScreen
        if isScreen { writeOutput(TopText.begin) }
    }

    /// Lines that fit; nil: no end.
    var rows: Int? { self.isScreen ? Terminal.outputSize?.rows : nil }

    /// Draws; false once it has ended, or nobody reads.
    func show(_ text: String) -> Bool {
        self.hasEnded.withLock { hasEnded in
            guard !hasEnded else { return false }
            let size = self.isScreen ? Terminal.outputSize : nil
            let drawn = size.map { TopText.frame(text, rows: $0.rows, columns: $0.columns) } ?? text
            do throws(PosixError) {
                try LineOutput(.standardOutput).write(Array(drawn.utf8))
                return true
            } catch {
                return false
            }
        }
    }

    func end() {
        self.hasEnded.withLock { hasEnded in
            if self.isScreen, !hasEnded { writeOutput(TopText.end) }
            hasEnded = true
        }
    }
}
