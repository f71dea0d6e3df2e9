// `strait router`: who is there.

internal import ArgumentParser
package import StraitControl

struct RouterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "router",
        abstract: "List and show the routers of the registry.",
        discussion: """
            EXAMPLES
              strait router ls
              strait router show r-1
              strait router ls --format json | jq -r '.[].router.name'
            """,
        subcommands: [List.self, Show.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List routers, by their names.")

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            var routers: [RouterAnswer] = []
            try self.admin.forEachPage(RoutersAnswer.self, "/v1/routers?limit=1000") { page in
                routers += page.routers
                return page.next
            }
            try self.format.write(routers) { AnswerText.routers($0) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show one router.")

        @Argument(help: "The router's name.")
        var name: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let router = try self.admin.ask(
                RouterAnswer.self, "GET", "/v1/routers/\(AdminOptions.escaped(self.name))")
            try self.format.write(router) { AnswerText.routers([$0]) }
        }
    }
}

extension AnswerText {
    /// Routers as a table.
    package static func routers(_ routers: [RouterAnswer]) -> String {
        var table = TextTable(
            "router", "region", "state", "seen", "revision", "version", "addresses", "started")
        for answer in routers {
            let router = answer.router
            table.add(
                router.name, router.region, answer.state, answer.seen, "\(router.revision)",
                router.version, router.addresses.joined(separator: " "), router.started)
        }
        return table.text
    }
}
