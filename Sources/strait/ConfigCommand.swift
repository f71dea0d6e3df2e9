// `strait config`: configurations and snippets to start from.

internal import ArgumentParser
internal import Foundation
internal import StraitConfig
internal import StraitCore

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Print configurations to start from: the router's, ssh's, kubectl's.",
        discussion: """
            EXAMPLES
              strait config init --domain acme.example.com --service www=http://10.0.3.8:80
              strait config ssh shell.acme.example.com >> ~/.ssh/config
              strait config kube prod.acme.example.com > prod.yaml
            """,
        subcommands: [Initial.self, SSH.self, Kube.self])

    struct Initial: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "init",
            abstract: "Print a router's configuration with one tenant.",
            discussion: """
                EXAMPLES
                  strait config init --domain acme.example.com \\
                    --service orders=postgres://10.0.3.7:5432

                A service is NAME=PROTOCOL://ADDRESS:PORT, with postgres, ssh, http or tcp.
                TLS ends at the router; where it ends at the upstream, write mode: passthrough.
                """)

        @Option(help: "The tenant's own host name.")
        var domain: String

        @Option(help: "A service: NAME=PROTOCOL://ADDRESS:PORT; may be repeated.")
        var service: [String]

        @Option(help: "Where the router listens.")
        var listen = "[::]:443"

        func validate() throws {
            guard HostName(self.domain) != nil else {
                throw ValidationError("\"\(self.domain)\" is no host name")
            }
            for service in self.service {
                guard Entry(service) != nil else {
                    throw ValidationError(
                        "\"\(service)\" is no NAME=PROTOCOL://ADDRESS:PORT, such as "
                            + "orders=postgres://10.0.3.7:5432; the address is an IP address")
                }
            }
            let reading = ConfigurationReader(checksFiles: false).read(text: self.text, file: "")
            let errors = reading.problems.filter { $0.severity == .error }
            guard errors.isEmpty else {
                let lines = errors.map { "\($0.found); expected \($0.expected); \($0.remedy)" }
                throw ValidationError(lines.joined(separator: "\n"))
            }
        }

        func run() { writeOutput(self.text) }

        /// The configuration; certificates that it names need not exist yet.
        private var text: String {
            let domain = self.domain.lowercased()
            let tenant = domain.split(separator: ".").first.map(String.init) ?? "tenant"
            var text = """
                # Checked by: strait check FILE
                region: local
                router: r-1
                listeners:
                  - name: public
                    address: "\(self.listen)"
                    protocols: [tls, ssh, http, postgres]
                tenants:
                  - name: \(tenant)
                    domains: [\(domain)]
                    certificates: [{ chain: \(tenant).pem, key: \(tenant).key }]
                    services:

                """
            var defaults: Set<String> = []
            for entry in self.service.compactMap(Entry.init) {
                let isFirst = defaults.insert(entry.serviceProtocol).inserted
                let asDefault = isFirst && entry.serviceProtocol != "web" ? ", default: true" : ""
                text += """
                          - { name: \(entry.name), protocol: \(entry.serviceProtocol), \
                    mode: terminate\(asDefault),
                              upstreams: [{ address: "tcp://\(entry.address)" }] }

                    """
            }
            return text
        }
    }

    /// One `--service`.
    struct Entry {
        var name: String
        var serviceProtocol: String
        var address: SocketAddress

        init?(_ text: String) {
            guard let equals = text.firstIndex(of: "="),
                let scheme = text.range(of: "://", options: [], range: equals..<text.endIndex)
            else { return nil }
            self.name = String(text[..<equals])
            guard let address = SocketAddress(String(text[scheme.upperBound...])),
                HostName(self.name) != nil, !self.name.contains(".")
            else { return nil }
            switch text[text.index(after: equals)..<scheme.lowerBound] {
            case "postgres", "postgresql": self.serviceProtocol = "postgres"
            case "ssh": self.serviceProtocol = "ssh"
            case "http", "web": self.serviceProtocol = "web"
            case "tcp": self.serviceProtocol = "tcp"
            default: return nil
            }
            self.address = address
        }
    }

    struct SSH: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ssh", abstract: "Print what makes plain ssh reach a host by the router.")

        @Argument(help: "The service's host name; a pattern such as *.acme.example.com, too.")
        var host: String

        @Option(help: "The router, where it is not found under the host's own name.")
        var router: String?

        @Option(help: "PEM file of the authorities that may have signed the certificate.")
        var ca: String?

        @Option(help: "PEM file of our own certificate.", completion: .file())
        var certificate: String?

        @Option(help: "PEM file of its key.", completion: .file())
        var key: String?

        func validate() throws {
            guard (self.certificate == nil) == (self.key == nil) else {
                throw ValidationError("--certificate and --key go together")
            }
        }

        func run() { writeOutput(self.text) }

        /// The lines for ssh_config; paths are absolute, as ssh runs in any folder.
        var text: String {
            let router = self.router.map { " --router \($0)" } ?? ""
            let ca = self.ca == "system" ? nil : self.ca
            let files = [("--ca", ca), ("--certificate", self.certificate), ("--key", self.key)]
                .map { name, path in path.map { " \(name) \(Self.word($0))" } ?? "" }.joined()
            return """
                Host \(self.host)
                    ProxyCommand strait connect\(router)\(files) %h

                """
        }

        /// A path as one word of the shell, with ssh's own `%` doubled.
        private static func word(_ path: String) -> String {
            let whole = URL(fileURLWithPath: path).path.replacingOccurrences(of: "%", with: "%%")
            let isPlain = whole.utf8.allSatisfy {
                switch $0 {
                case 0x2D...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A, 0x25: true
                default: false
                }
            }
            return isPlain
                ? whole : "'" + whole.replacingOccurrences(of: "'", with: "'\\''") + "'"
        }
    }
}
