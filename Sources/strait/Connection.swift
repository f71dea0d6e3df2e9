// `strait connection`: what is open now.

internal import ArgumentParser
internal import StraitControl
internal import StraitCore

struct ConnectionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connection",
        abstract: "List, show and close connections.",
        discussion: """
            EXAMPLES
              strait connection ls
              strait connection show c-0e9m3kq7xw2ab
              strait connection close c-0e9m3kq7xw2ab
            """,
        subcommands: [List.self, Show.self, Close.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List open connections, the oldest first.")

        @Option(help: "At most so many.")
        var limit = 1000

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let rows = try self.admin.ask(
                [ConnectionAnswer].self, "GET", "/v1/connections?limit=\(max(self.limit, 0))")
            switch self.format.format {
            case .json:
                writeOutput(String(decoding: try AnswerJSON.encode(rows), as: UTF8.self) + "\n")
            case .text: writeOutput(AnswerText.connections(rows))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show what is known of one connection.")

        @Argument(help: "The connection's id.", completion: .connectionID)
        var id: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func validate() throws { try requireConnectionID(self.id) }

        func run() throws {
            let (status, body) = try self.admin.request("GET", "/v1/connections/\(self.id)")
            guard CommandStatus(httpStatus: status) == .done else {
                throw CommandFailure(.refused, AdminOptions.sentence(status, body))
            }
            switch self.format.format {
            case .json: writeOutput(String(decoding: body, as: UTF8.self))
            case .text: writeOutput(try AnswerText.story(ofRecord: body))
            }
        }
    }

    struct Close: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "close", abstract: "End one connection.")

        @Argument(help: "The connection's id.", completion: .connectionID)
        var id: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func validate() throws { try requireConnectionID(self.id) }

        func run() throws {
            let answer = try self.admin.ask(
                SentenceAnswer.self, "DELETE", "/v1/connections/\(self.id)")
            try self.format.write(answer) { $0.text + "\n" }
        }
    }
}

private func requireConnectionID(_ text: String) throws {
    guard ConnectionID(text) != nil else {
        throw ValidationError("\"\(text)\" is no connection id: c- and 13 characters")
    }
}
