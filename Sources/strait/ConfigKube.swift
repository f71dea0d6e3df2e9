// `strait config kube`: what makes plain kubectl reach a cluster through a router.

internal import ArgumentParser
internal import Foundation
internal import StraitConfig
internal import StraitCore

extension ConfigCommand {
    struct Kube: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "kube",
            abstract: "Print a kubeconfig that makes kubectl reach a cluster by the router.",
            discussion: """
                EXAMPLES
                  strait config kube prod.acme.example.com > prod.yaml
                  kubectl --kubeconfig prod.yaml get pods

                The certificate is for whoever ends TLS: the cluster in passthrough, else the
                router, which does not pass it on. Tokens reach the cluster in every mode.
                """)

        @Argument(help: "The service's host name.")
        var host: String

        @Option(help: "The router, HOST or HOST:PORT, where it is not found under the host's name.")
        var router: String?

        @Option(
            help: "PEM file of the authorities that may have signed the certificate, or system.",
            completion: .file())
        var ca: String = "system"

        @Option(help: "PEM file of our own certificate.", completion: .file())
        var certificate: String?

        @Option(help: "PEM file of its key.", completion: .file())
        var key: String?

        @Option(help: "File with a token for the cluster.", completion: .file())
        var tokenFile: String?

        func validate() throws {
            guard (self.certificate == nil) == (self.key == nil) else {
                throw ValidationError("--certificate and --key go together")
            }
            guard HostName(self.host) != nil else {
                throw ValidationError("\"\(self.host)\" is no host name")
            }
            do {
                _ = try self.router.map(ConnectCommand.split)
            } catch let failure as CommandFailure {
                throw ValidationError(failure.message)
            }
        }

        func run() throws { writeOutput(try self.text()) }

        /// The kubeconfig; paths are absolute, as kubectl runs in any folder.
        func text() throws -> String {
            let name = JSONString.quoted(self.host)
            var cluster = ["server: \(JSONString.quoted("https://\(try self.authority())"))"]
            if self.router != nil { cluster.append("tls-server-name: \(name)") }
            if self.ca != "system" {
                cluster.append("certificate-authority: \(Self.path(self.ca))")
            }
            let user = [
                ("client-certificate", self.certificate), ("client-key", self.key),
                ("tokenFile", self.tokenFile),
            ].compactMap { key, path in path.map { "\(key): \(Self.path($0))" } }
            return """
                apiVersion: v1
                kind: Config
                clusters:
                  - name: \(name)
                    cluster:
                \(Self.lines(cluster))
                users:
                  - name: \(name)
                    user:\(user.isEmpty ? " {}" : "\n" + Self.lines(user))
                contexts:
                  - name: \(name)
                    context: { cluster: \(name), user: \(name) }
                current-context: \(name)

                """
        }

        /// Where kubectl dials; the port only where it is another than that of https.
        private func authority() throws -> String {
            let (host, port) = try ConnectCommand.split(self.router ?? self.host)
            let bracketed = host.contains(":") ? "[\(host)]" : host
            return port == 443 ? bracketed : "\(bracketed):\(port)"
        }

        private static func lines(_ lines: [String]) -> String {
            lines.map { "      \($0)" }.joined(separator: "\n")
        }

        private static func path(_ path: String) -> String {
            JSONString.quoted(URL(fileURLWithPath: path).path)
        }
    }
}
