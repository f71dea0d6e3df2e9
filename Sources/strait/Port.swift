// `strait port`: ports that tenants have of their own.

internal import ArgumentParser
package import StraitControl

struct PortCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "port",
        abstract: "Ports of tenants' own, leased from the region's ranges.",
        discussion: """
            EXAMPLES
              strait port ls
              strait port ls --tenant acme
              strait port ls --format json | jq '.[] | select(.kind == "kube") | .port'
            """,
        subcommands: [List.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List ports that are leased or in quarantine, the lowest first.")

        @Option(help: "Only this tenant's.")
        var tenant: String?

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func validate() throws {
            guard let tenant, !tenant.utf8.allSatisfy(Self.isOfName) else { return }
            throw ValidationError("--tenant is a name of a-z, 0-9, - and _")
        }

        private static func isOfName(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }

        func run() throws {
            var rows: [PortListing] = []
            var after: UInt16? = 0
            while let last = after {
                let page = try self.admin.ask(
                    PortsAnswer.self, "GET",
                    (self.tenant.map { "/v1/tenants/\(AdminOptions.escaped($0))/ports" }
                        ?? "/v1/ports")
                        + "?limit=1000&after=\(last)")
                rows += page.ports
                after = page.next
            }
            try self.format.write(rows) { AnswerText.ports($0) }
        }
    }
}

extension AnswerText {
    /// Leased ports as a table.
    package static func ports(_ rows: [PortListing]) -> String {
        var table = TextTable("port", "region", "tenant", "kind", "state", "until", "not open")
        for row in rows {
            table.add(
                "\(row.port)", row.region, row.tenant, row.kind, row.state, row.until ?? "",
                row.whyClosed ?? "")
        }
        return table.text
    }

    /// How the ports stand: a line of `strait status`.
    static func portStatus(_ ports: PortStatus) -> String {
        "ports of \(ports.region)  \(ports.leased) leased  \(ports.free) free  "
            + "\(ports.quarantined) in quarantine  "
            + (ports.isSteered ? "one listener for all" : "a listener each") + "\n"
            + (ports.waiting > 0 ? "  \(ports.waiting) tenants wait for ports\n" : "")
            + (ports.closed > 0 ? "  \(ports.closed) ports could not be opened:\n" : "")
            + ports.closedPorts.map { "    \($0.port)  \($0.reason)\n" }.joined()
    }
}
