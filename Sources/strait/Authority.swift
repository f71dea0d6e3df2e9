// `strait authority`: whom tenants trust, and the installation's own authority.

internal import ArgumentParser
internal import StraitControl

struct AuthorityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "authority",
        abstract: "List, show, add and remove authorities of tenants of the registry.",
        discussion: """
            A tenant's document names them, in client_ca and in ca of its upstreams.

            EXAMPLES
              strait authority show --installation > installation.pem
              strait authority ls acme
              strait authority add acme people --file people-ca.pem
              strait authority rm acme people --yes
            """,
        subcommands: [List.self, Show.self, Add.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List a tenant's authorities.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let answer = try self.admin.ask(
                AuthorityListAnswer.self, "GET",
                AdminOptions.place("authorities", of: self.tenant))
            try self.format.write(answer) { answer in
                var table = TextTable("authority", "revision", "bytes")
                for one in answer.authorities {
                    table.add(one.name, "\(one.revision)", "\(one.certificates.utf8.count)")
                }
                return table.text
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Print an authority's certificates as PEM.")

        @Argument(help: "The tenant's name; not with --installation.")
        var tenant: String?

        @Argument(help: "The authority's name.")
        var name: String?

        @Flag(help: "The installation's own: what to trust where nothing was uploaded.")
        var installation = false

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func validate() throws {
            guard self.installation == (self.tenant == nil),
                self.installation == (self.name == nil)
            else { throw ValidationError("name a tenant and its authority, or --installation") }
        }

        func run() throws {
            guard let tenant = self.tenant, let name = self.name else {
                let answer = try self.admin.ask(
                    InstallationAuthorityAnswer.self, "GET", "/v1/installation/authority")
                return try self.format.write(answer) { $0.certificate }
            }
            let answer = try self.admin.ask(
                AuthorityAnswer.self, "GET", AdminOptions.place("authorities", of: tenant, name))
            try self.format.write(answer) { $0.certificates }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Upload authorities, or others in their place.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @Argument(help: "What to call them: a-z, 0-9, - and _.")
        var name: String

        @Option(help: "PEM file with their certificates.", completion: .file())
        var file: String

        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try self.admin.upload(
                Body(certificates: try InputFile.read(self.file)),
                to: AdminOptions.place("authorities", of: self.tenant, self.name),
                what: "authority \(self.name) of \(self.tenant)", self.write, self.format)
        }

        private struct Body: Encodable {
            var certificates: String
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove authorities that nothing of the tenant names.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @Argument(help: "The authority's name.")
        var name: String

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try confirm("remove authority \(self.name) of \(self.tenant)", self.yes)
            try self.admin.remove(
                AdminOptions.place("authorities", of: self.tenant, self.name),
                what: "authority \(self.name) of \(self.tenant)", self.format)
        }
    }
}
