// The program: one command line, its own exit codes.

internal import ArgumentParser
internal import StraitControl
internal import StraitPosix

@main
struct Main {
    static func main() async {
        ignoreBrokenPipes()
        switch CommandLineReading(Array(CommandLine.arguments.dropFirst())) {
        case .command(let command): await Self.run(command)
        case .end(let status, let message): Self.end(status, message)
        }
    }

    private static func run(_ read: sending any ParsableCommand) async {
        do {
            var command = read
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            if !failure.message.isEmpty { writeError("strait: \(failure.message)\n") }
            StraitCommand.exit(withError: ExitCode(failure.status.rawValue))
        } catch {
            guard case .end(let status, let message) = CommandLineReading.ending(with: error)
            else { return }
            Self.end(status, message)
        }
    }

    /// What was asked for goes to standard output, what went wrong to standard error.
    private static func end(_ status: CommandStatus, _ message: String) -> Never {
        if !message.isEmpty {
            if status == .done { writeOutput(message + "\n") } else { writeError(message + "\n") }
        }
        StraitCommand.exit(withError: ExitCode(status.rawValue))
    }
}

/// The root: `strait`.
struct StraitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "strait",
        abstract: "A multi-tenant edge router: SSH, Postgres and web on one port.",
        discussion: """
            EXAMPLES
              strait config init --domain acme.example.com --service www=http://10.0.3.8:80
              strait check strait.yaml
              strait serve --config strait.yaml
              strait explain --sni orders.acme.example.com --alpn postgresql
              ssh -o ProxyCommand='strait connect %h' shell.acme.example.com

            EXIT CODES
              0 done, 1 refused or failed, 2 usage, 4 cannot reach the router
            """,
        version: BuildInformation.text,
        subcommands: [
            ServeCommand.self, CheckCommand.self, ExplainCommand.self, ConnectCommand.self,
            StatusCommand.self, TopCommand.self, WatchCommand.self, PortCommand.self,
            NameCommand.self, RegionCommand.self,
            RouterCommand.self,
            ConnectionCommand.self,
            CertificateCommand.self,
            AuthorityCommand.self, ReloadCommand.self, UpgradeCommand.self,
            DrainCommand.self, HealthcheckCommand.self,
            TenantCommand.self, ServiceCommand.self, ExportCommand.self, ImportCommand.self,
            AuditCommand.self, OperatorCommand.self, WhoAmICommand.self, ConfigCommand.self,
            CompletionsCommand.self,
        ])
}

/// Why a command ends with something else than 0.
struct CommandFailure: Error {
    var status: CommandStatus
    /// What, why, and what to do; empty where it has been told already.
    var message: String

    init(_ status: CommandStatus, _ message: String = "") {
        self.status = status
        self.message = message
    }
}

/// How answers are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// `--format`.
struct FormatOptions: ParsableArguments {
    @Option(help: "How the answer is printed: text or json.")
    var format: OutputFormat = .text

    /// Prints an answer: as one line of JSON, or as `text` makes it.
    func write<Answer: Encodable>(_ answer: Answer, text: (Answer) throws -> String) throws {
        switch self.format {
        case .json:
            writeOutput(String(decoding: try AnswerJSON.encode(answer), as: UTF8.self) + "\n")
        case .text: writeOutput(try text(answer))
        }
    }
}
