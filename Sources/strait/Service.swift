// `strait service`: what tenants of the registry expose.

internal import ArgumentParser
internal import StraitConfig
internal import StraitControl
internal import StraitCore

struct ServiceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service",
        abstract: "List, add, change and remove services of tenants of the registry.",
        discussion: """
            EXAMPLES
              strait service ls acme
              strait service add acme/db --protocol postgres --upstream tcp://10.0.3.7:5432
              strait service set acme/db --host db.example.org --mode terminate
              strait service set acme/db --key idle_timeout='"1h"'
              strait service rm acme/db --yes
            """,
        subcommands: [List.self, Show.self, Add.self, Set.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List the services of a tenant.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let services = try self.admin.tenant(self.tenant).document.items("services")
            switch self.format.format {
            case .json:
                let items = services.map { String(decoding: $0.json, as: UTF8.self) }
                writeOutput("[\(items.joined(separator: ","))]\n")
            case .text:
                var table = TextTable("service", "protocol", "mode", "upstreams")
                for service in services {
                    table.add(
                        "\(self.tenant)/\(service.text("name") ?? "")",
                        service.text("protocol") ?? "",
                        service.text("mode") ?? ServiceMode.passthrough.rawValue,
                        service.items("upstreams").compactMap { $0.text("address") }
                            .joined(separator: " "))
                }
                writeOutput(table.text)
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show one service.")

        @OptionGroup var path: ServicePath
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let services = try self.admin.tenant(self.path.tenant).document.items("services")
            guard let service = services.first(where: { $0.text("name") == self.path.name }) else {
                throw CommandFailure(
                    .refused, "tenant \(self.path.tenant) has no \"\(self.path.name)\"")
            }
            switch self.format.format {
            case .json: writeOutput(String(decoding: service.json, as: UTF8.self) + "\n")
            case .text: writeOutput(service.yaml)
            }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Add a service; it is live when this ends.")

        @OptionGroup var path: ServicePath
        @OptionGroup var keys: ServiceKeys
        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func validate() throws {
            guard self.keys.serviceProtocol != nil, !self.keys.upstreams.isEmpty else {
                throw ValidationError("a service needs --protocol and --upstream")
            }
        }

        func run() throws {
            try self.admin.change(self.path.tenant, self.write, self.format) { document in
                let names = document.items("services").compactMap { $0.text("name") }
                guard !names.contains(self.path.name) else {
                    throw CommandFailure(
                        .refused, "\(self.path.text) is there already; strait service set")
                }
                var service = try TenantDocument(
                    keys: [("name", JSONString.quoted(self.path.name))])
                try self.keys.apply(to: &service)
                try document.put(service, into: "services")
            }
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change a service; what is not named stays.")

        @OptionGroup var path: ServicePath
        @OptionGroup var keys: ServiceKeys
        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try self.admin.change(self.path.tenant, self.write, self.format) { document in
                let services = document.items("services")
                guard var service = services.first(where: { $0.text("name") == self.path.name })
                else { throw TenantDocument.EditFailure.noSuchItem(self.path.name) }
                try self.keys.apply(to: &service)
                try document.put(service, into: "services")
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove a service; open connections stay.")

        @OptionGroup var path: ServicePath

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try confirm("remove service \(self.path.text)", self.yes || self.write.dryRun)
            try self.admin.change(self.path.tenant, self.write, self.format) {
                try $0.remove(self.path.name, from: "services")
            }
        }
    }
}

/// `TENANT/SERVICE`.
struct ServicePath: ParsableArguments {
    @Argument(help: ArgumentHelp("TENANT/SERVICE.", valueName: "tenant/service"))
    var text: String

    var tenant: String { String(self.text.prefix { $0 != "/" }) }
    var name: String { String(self.text.drop { $0 != "/" }.dropFirst()) }

    func validate() throws {
        guard !self.tenant.isEmpty, !self.name.isEmpty else {
            throw ValidationError("\"\(self.text)\" is no TENANT/SERVICE")
        }
    }
}

/// What a service is made or changed with.
struct ServiceKeys: ParsableArguments {
    @Option(
        name: .customLong("protocol"), help: "What is spoken: \(Self.words(ServiceProtocol.self)).")
    var serviceProtocol: String?

    @Option(help: "Whether TLS ends here: \(Self.words(ServiceMode.self)).")
    var mode: String?

    @Option(
        name: .customLong("upstream"),
        help: "tcp://HOST:PORT, tls://HOST:PORT, unix:/path. May be repeated; replaces all.")
    var upstreams: [String] = []

    @Option(
        name: .customLong("host"), help: "A name besides SERVICE.DOMAIN. May be repeated.")
    var hosts: [String] = []

    @Flag(inversion: .prefixedNo, help: "Whether the tenant's own names lead here.")
    var `default`: Bool?

    @Option(help: ArgumentHelp("Any key of a service, as JSON.", valueName: "key=json"))
    var key: [String] = []

    private static func words<Word: CaseIterable & RawRepresentable<String>>(
        _: Word.Type
    ) -> String {
        Word.allCases.map(\.rawValue).joined(separator: ", ")
    }

    func apply(to service: inout TenantDocument) throws {
        func set(_ key: String, _ json: String) throws { try service.setKey(key, json) }
        if let serviceProtocol { try set("protocol", JSONString.quoted(serviceProtocol)) }
        if let mode { try set("mode", JSONString.quoted(mode)) }
        if !self.upstreams.isEmpty {
            let items = self.upstreams.map { "{\"address\":\(JSONString.quoted($0))}" }
            try set("upstreams", "[\(items.joined(separator: ","))]")
        }
        if !self.hosts.isEmpty { try service.set("hosts", to: TenantDocument.list(self.hosts)) }
        if let isDefault = self.default { try set("default", "\(isDefault)") }
        try service.setKeys(self.key)
    }
}
