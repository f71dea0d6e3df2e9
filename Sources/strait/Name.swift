// `strait name`: host names of tenants. What is added and taken out is a part of their documents.

internal import ArgumentParser
internal import StraitConfig
package import StraitControl

struct NameCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "name",
        abstract: "List, show, add and remove host names of tenants.",
        discussion: """
            EXAMPLES
              strait name ls
              strait name ls acme
              strait name show shop.example.org
              strait name add acme acme.example.org
              strait name add acme "*.shop.example.org" --service www
              strait name add acme old.example.com --until 2027-01-31T00:00:00Z
              strait name rm acme acme.example.org
              strait name ls --format json | jq '.[] | select(.connections > 0)'
            """,
        subcommands: [List.self, Show.self, Add.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List names; of aliases, who still uses them.")

        @Argument(help: "Only this tenant's.")
        var tenant: String?

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let names = try self.admin.names(of: self.tenant)
            try self.format.write(names) { AnswerText.names($0) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show one name.")

        @Argument(help: "The name, with its *. where it is a wildcard.")
        var name: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let name = self.name.lowercased()
            let names = try self.admin.names(of: nil)
            guard let found = names.first(where: { $0.name == name }) else {
                throw CommandFailure(.refused, Self.whyNot(name, names))
            }
            try self.format.write(found) { AnswerText.names([$0]) }
        }

        /// Names of services beneath a tenant's own are nobody's rows.
        private static func whyNot(_ name: String, _ names: [NameListing]) -> String {
            let own = names.filter { $0.service == nil && name.hasSuffix(".\($0.name)") }
                .max { $0.name.utf8.count < $1.name.utf8.count }
            guard let own else { return "no tenant has the name \"\(name)\"" }
            return "\"\(name)\" lies beneath \(own.name) of tenant \(own.tenant), where each "
                + "service has a name; strait explain --sni \(name) says where it leads"
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Give a tenant a name: a domain, an alias, or a host of a service.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @Argument(help: "The host name; with --service it may begin with *.")
        var name: String

        @Option(help: "The service that it leads to; else services lie beneath it.")
        var service: String?

        @Flag(help: "As an alias without an end.")
        var alias = false

        @Option(
            help: ArgumentHelp("As an alias that ends then (RFC 3339, UTC).", valueName: "time"))
        var until: String?

        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func validate() throws {
            guard self.service != nil, self.alias || self.until != nil else { return }
            throw ValidationError("an alias is the tenant's: leave --service out")
        }

        func run() throws {
            try self.admin.change(self.tenant, self.write, self.format) { document in
                if let service {
                    try document.change(service, "hosts") { $0 + [self.name] }
                } else if self.alias || self.until != nil {
                    var keys = [(name: "name", json: JSONString.quoted(self.name))]
                    if let until { keys.append(("until", JSONString.quoted(until))) }
                    try document.put(try TenantDocument(keys: keys), into: "aliases")
                } else {
                    try document.set(
                        "domains", to: TenantDocument.list(document.texts("domains") + [self.name]))
                }
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Take a name from a tenant; open connections stay.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @Argument(help: "The name, with its *. where it is a wildcard.")
        var name: String

        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try self.admin.change(self.tenant, self.write, self.format) { document in
                if document.texts("domains").contains(self.name) {
                    let left = document.texts("domains").filter { $0 != self.name }
                    return try document.set("domains", to: TenantDocument.list(left))
                }
                if document.items("aliases").contains(where: { $0.text("name") == self.name }) {
                    return try document.remove(self.name, from: "aliases")
                }
                let owner = document.items("services").first {
                    $0.texts("hosts").contains(self.name)
                }
                guard let service = owner?.text("name") else {
                    throw TenantDocument.EditFailure.noSuchItem(self.name)
                }
                try document.change(service, "hosts") { $0.filter { $0 != self.name } }
            }
        }
    }
}

extension TenantDocument {
    /// Changes a list of texts of a service; an empty one goes.
    fileprivate mutating func change(
        _ service: String, _ key: String, _ body: ([String]) -> [String]
    ) throws {
        guard var item = self.items("services").first(where: { $0.text("name") == service }) else {
            throw EditFailure.noSuchItem(service)
        }
        let texts = body(item.texts(key))
        try item.set(key, to: texts.isEmpty ? nil : .list(texts))
        try self.put(item, into: "services")
    }
}

extension AdminOptions {
    /// Every name, page by page.
    fileprivate func names(of tenant: String?) throws -> [NameListing] {
        var names: [NameListing] = []
        let whose = tenant.map { "&tenant=\(Self.escaped($0))" } ?? ""
        try self.forEachPage(NamesAnswer.self, "/v1/names?limit=1000\(whose)") { page in
            names += page.names
            return page.next
        }
        return names
    }
}

extension AnswerText {
    /// Names as a table.
    package static func names(_ names: [NameListing]) -> String {
        var table = TextTable("name", "tenant", "kind", "service", "until", "uses", "last use")
        for name in names {
            table.add(
                name.name, name.tenant, name.kind, name.service ?? "", name.until ?? "",
                name.connections.map { "\($0)" } ?? "", name.lastUse ?? "")
        }
        return table.text
    }
}
