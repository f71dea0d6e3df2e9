// `strait tenant`: the owners of names and services that the registry has.

internal import ArgumentParser
internal import StraitConfig
internal import StraitControl

struct TenantCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant",
        abstract: "List, show, add, change, rename and remove tenants of the registry.",
        discussion: """
            EXAMPLES
              strait tenant ls
              strait tenant add acme --domain acme.example.com --region eu-central
              strait tenant set acme --domain acme.example.com --domain acme.example.org
              strait tenant show acme --format json | jq .services
              strait tenant problems acme
              strait tenant rename acme anvil --domain anvil.example.com
              strait tenant rm acme --yes
            """,
        subcommands: [
            List.self, Show.self, Problems.self, Add.self, Set.self, Rename.self, Remove.self,
        ])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List tenants, by their names.")

        @Option(help: "At most so many.")
        var limit = 1000

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            var table = TextTable("tenant", "domains", "services")
            var items: [String] = []
            try self.admin.forEachTenant(limit: max(self.limit, 1)) { name, document in
                switch self.format.format {
                case .json: items.append(String(decoding: document.json, as: UTF8.self))
                case .text:
                    table.add(
                        name, document.texts("domains").joined(separator: " "),
                        document.items("services").compactMap { $0.text("name") }
                            .joined(separator: " "))
                }
            }
            switch self.format.format {
            case .json: writeOutput("[\(items.joined(separator: ","))]\n")
            case .text: writeOutput(table.text)
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a tenant's document.")

        @Argument(help: "The tenant's name.")
        var name: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let document = try self.admin.tenant(self.name).document
            switch self.format.format {
            case .json: writeOutput(String(decoding: document.json, as: UTF8.self) + "\n")
            case .text: writeOutput(document.yaml)
            }
        }
    }

    struct Problems: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "problems",
            abstract: "Say what keeps a tenant, or its ports, from being live on this router.",
            discussion: "It ends with status 1 where there is something.")

        @Argument(help: "The tenant's name.")
        var name: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let answer = try self.admin.ask(
                TenantProblemsAnswer.self, "GET",
                "/v1/tenants/\(AdminOptions.escaped(self.name))/problems")
            try self.format.write(answer) { answer in
                let lines =
                    answer.problems.map(\.text) + (answer.ports.map { ["ports: \($0)"] } ?? [])
                    + answer.remarks
                return lines.isEmpty
                    ? "tenant \(answer.tenant): all of it is live\n"
                    : lines.joined(separator: "\n") + "\n"
            }
            guard answer.problems.isEmpty, answer.ports == nil, answer.remarks.isEmpty else {
                throw CommandFailure(.refused)
            }
        }
    }

    /// What a tenant is made or changed with.
    struct Keys: ParsableArguments {
        @Option(
            name: .customLong("domain"),
            help: "A name of the tenant's own; its services are SERVICE.DOMAIN. May be repeated.")
        var domains: [String] = []

        @Option(help: "The region where it is at home: its routers lease its usual ports.")
        var region: String?

        @Option(help: "Open connections over all workers; 0 is no limit.")
        var connections: Int?

        @Option(help: "New connections in each second; 0 is no limit.")
        var newConnectionsPerSecond: Int?

        @Option(
            help: ArgumentHelp(
                "Any key of a tenant, as JSON: client_ca='[\"users\"]'.", valueName: "key=json"))
        var key: [String] = []

        func apply(to document: inout TenantDocument) throws {
            if !self.domains.isEmpty {
                try document.set("domains", to: TenantDocument.list(self.domains))
            }
            if let region { try document.set("region", to: .text(region)) }
            let limits = [
                ("connections", self.connections),
                ("new_connections_per_second", self.newConnectionsPerSecond),
            ].compactMap { name, value in value.map { (name: name, json: "\($0)") } }
            try document.setKeys(self.key)
            guard !limits.isEmpty else { return }
            var all = try document.item("limits") ?? TenantDocument(keys: [])
            for limit in limits {
                try all.set(limit.name, to: TenantDocument(json: Array(limit.json.utf8)))
            }
            try document.set("limits", to: all)
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Make a tenant; it is live when this ends.")

        @Argument(help: "Its name: a-z, 0-9, - and _.")
        var name: String

        @OptionGroup var keys: Keys
        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            var document = try TenantDocument(keys: [("name", JSONString.quoted(self.name))])
            try self.keys.apply(to: &document)
            try self.admin.write(
                self.name, document, headers: ["If-None-Match": "*"], self.write, self.format)
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change a tenant; what is not named stays.")

        @Argument(help: "The tenant's name.")
        var name: String

        @OptionGroup var keys: Keys
        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try self.admin.change(self.name, self.write, self.format) {
                try self.keys.apply(to: &$0)
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Remove a tenant with all that is its own; open connections stay.")

        @Argument(help: "The tenant's name.")
        var name: String

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try confirm("remove tenant \(self.name) with all that is its own", self.yes)
            try self.admin.remove(
                "/v1/tenants/\(AdminOptions.escaped(self.name))", what: "tenant \(self.name)",
                self.format)
        }
    }
}
