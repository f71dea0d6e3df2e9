// `strait tenant rename`: another name, and a while for everybody to learn of it.

internal import ArgumentParser
internal import StraitControl

extension TenantCommand {
    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rename",
            abstract: "Give a tenant another name; its old domain leads to it for a while.",
            discussion: """
                Everything moves in one step: services, certificates, authorities, limits, and the
                ports with their numbers. Open connections stay.

                EXAMPLES
                  strait tenant rename acme anvil
                  strait tenant rename acme anvil --domain anvil.example.com --grace 2160h
                  strait tenant rename acme acme --domain acme.example.org
                """)

        @Argument(help: "The tenant's name.")
        var name: String

        @Argument(help: "Its name from now on: a-z, 0-9, - and _.")
        var newName: String

        @Option(
            help: ArgumentHelp(
                "The first of its domains from now on; the one before becomes an alias.",
                valueName: "name"))
        var domain: String?

        @Option(
            help: ArgumentHelp(
                "For how long the old names lead to it: at most a year, else 720h.",
                valueName: "duration"))
        var grace: String?

        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let wish = RenameWish(name: self.newName, domain: self.domain, grace: self.grace)
            try self.admin.write(
                "POST", "/v1/tenants/\(AdminOptions.escaped(self.name))/rename",
                body: try AnswerJSON.encode(wish), what: "tenant \(self.newName)", self.write,
                self.format)
        }
    }
}
