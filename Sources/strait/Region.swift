// `strait region`: where routers are, and where tenants are at home.

internal import ArgumentParser
internal import Foundation
package import StraitControl

struct RegionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "region",
        abstract: "List, show, add and remove regions.",
        discussion: """
            EXAMPLES
              strait region add eu-central --description "Frankfurt"
              strait region ls
              strait tenant add acme --domain acme.example.com --region eu-central
              strait region rm eu-central --yes
            """,
        subcommands: [List.self, Show.self, Add.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List regions, by their names.")

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            var regions: [RegionAnswer] = []
            try self.admin.forEachPage(RegionsAnswer.self, "/v1/regions?limit=1000") { page in
                regions += page.regions
                return page.next
            }
            try self.format.write(regions) { AnswerText.regions($0) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show one region.")

        @Argument(help: "The region's name.")
        var name: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let region = try self.admin.ask(
                RegionAnswer.self, "GET", "/v1/regions/\(AdminOptions.escaped(self.name))")
            try self.format.write(region) { AnswerText.regions([$0]) }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Add a region, or describe one anew.")

        @Argument(help: "Its name: a-z, 0-9, - and _.")
        var name: String

        @Option(help: "For people.")
        var description: String?

        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try self.admin.upload(
                RegionRow(name: self.name, description: self.description),
                to: "/v1/regions/\(AdminOptions.escaped(self.name))",
                what: "region \(self.name)", self.write, self.format)
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove a region where nobody is at home.")

        @Argument(help: "The region's name.")
        var name: String

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try confirm("remove region \(self.name)", self.yes)
            try self.admin.remove(
                "/v1/regions/\(AdminOptions.escaped(self.name))", what: "region \(self.name)",
                self.format)
        }
    }
}

extension AnswerText {
    /// Regions as a table.
    package static func regions(_ regions: [RegionAnswer]) -> String {
        var table = TextTable("region", "description")
        for region in regions { table.add(region.name, region.description ?? "") }
        return table.text
    }
}
