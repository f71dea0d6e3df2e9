// The command line: what runs, what ends without running, and what is printed.

import ArgumentParser
import StraitControl
import Testing
import strait

@Suite("The command line") struct CommandLineTests {
    @Test(
        "names the command that runs",
        arguments: [
            ("serve --config a.yaml", "ServeCommand"), ("serve --check", "ServeCommand"),
            ("check", "CheckCommand"), ("check --strict --format json a.yaml", "CheckCommand"),
            ("explain --sni a.test --alpn h2 --alpn http/1.1 --port 443", "ExplainCommand"),
            ("explain --as raw --listener public --from ::1", "ExplainCommand"),
            ("explain --connection c-0000000000001", "ExplainCommand"),
            ("connect a.test", "ConnectCommand"),
            ("connect --listen 127.0.0.1:3306 --service-protocol mysql a.test", "ConnectCommand"),
            ("connect --listen unix:/tmp/mysql.sock a.test", "ConnectCommand"),
            ("top --sort bytes --limit 5 --interval 1 --once --batch", "TopCommand"),
            ("watch --tenant acme --after 7 --format json", "WatchCommand"),
            ("status --admin /run/a.sock", "StatusCommand"), ("reload", "ReloadCommand"),
            ("drain --seconds 5", "DrainCommand"), ("drain --cancel", "DrainCommand"),
            ("healthcheck --ready", "HealthcheckCommand"), ("connection ls --limit 5", "List"),
            ("connection show c-0000000000001", "Show"),
            ("connection close c-0000000000001", "Close"),
            ("config init --domain a.test --service w=http://10.0.0.1:80", "Initial"),
            ("config ssh a.test", "SSH"),
            ("config ssh --ca ca.pem --certificate a.pem --key a.key a.test", "SSH"),
            ("config kube a.test", "Kube"),
            ("config kube --router [::1]:8443 --ca ca.pem --token-file t a.test", "Kube"),
            ("completions zsh", "CompletionsCommand"),
            ("--help", "HelpCommand"), ("explain --help", "HelpCommand"),
            ("help config init", "HelpCommand"),
        ])
    func runs(line: String, command: String) throws {
        guard case .command(let read) = CommandLineReading(Self.words(line)) else {
            Issue.record("\(line) must run")
            return
        }
        #expect("\(type(of: read))" == command)
    }

    @Test(
        "ends with 2 and a sentence where it is wrong",
        arguments: [
            ("serv", "serv"), ("serve --nonsense", "--nonsense"),
            ("serve extra", "extra"), ("check a.yaml b.yaml", "b.yaml"),
            ("status --format xml", "xml"), ("explain --port 70000", "70000"),
            ("explain --as smtp", "smtp"), ("explain --connection x", "no connection id"),
            ("explain --connection c-0000000000001 --sni a.test", "goes alone"),
            ("top --sort name", "name"), ("top --interval 0", "--interval"),
            ("top --limit 1001", "--limit"), ("watch --after x", "after"),
            ("connect", "host"), ("connect --certificate a.pem a.test", "go together"),
            ("config ssh --key a.key a.test", "go together"),
            ("config kube --certificate a.pem a.test", "go together"),
            ("config kube https://a.test", "no host name"),
            ("config kube --router a:b a.test", "no port"),
            ("connect --listen 3306 a.test", "ADDRESS:PORT"),
            ("connect --listen unix:mysql.sock a.test", "unix:/PATH"),
            ("drain --seconds -1", "seconds"), ("drain --seconds 5 --cancel", "--cancel"),
            ("connection show x", "no connection id"), ("connection close", "id"),
            ("config init --domain a..b --service w=http://10.0.0.1:80", "no host name"),
            ("config init --domain a.test --service w=gopher://10.0.0.1:80", "PROTOCOL"),
            ("config init --domain a.test --service w=http://name:80", "PROTOCOL"),
            ("config init --domain a.test --service w=http://localhost:80", "an IP address"),
            (
                "config init --domain a.test --service w=http://10.0.0.1:80 --listen 443",
                "[::]:443"
            ),
            ("config init --domain other.test --service w=http://10.0.0.1:80", "another name"),
            ("completions csh", "csh"),
        ])
    func wrong(line: String, word: String) {
        guard case .end(let status, let message) = CommandLineReading(Self.words(line)) else {
            Issue.record("\(line) must not run")
            return
        }
        #expect(status == .usage)
        #expect(message.contains(word), "\(message)")
    }

    @Test(
        "ends well where it asks for a version or a completion",
        arguments: [
            ("--version", "strait"), ("--generate-completion-script bash", "complete"),
        ])
    func asked(line: String, word: String) {
        guard case .end(.done, let message) = CommandLineReading(Self.words(line)) else {
            Issue.record("\(line) must end well")
            return
        }
        #expect(message.contains(word))
    }

    @Test("every command has help that begins with examples, and breaks none of them")
    func help() {
        let narrow = CommandLineReading.help(columns: 80)
        let wide = CommandLineReading.help(columns: 400)
        #expect(narrow.count > 15)
        for (command, page) in narrow {
            #expect(page.contains("OVERVIEW"), "\(command)")
            let lines = Set(page.split(separator: "\n"))
            for line in (wide[command] ?? "").split(separator: "\n")
            where line.hasPrefix("  strait ") || line.hasPrefix("  ssh ") {
                #expect(lines.contains(line), "broken at 80 columns: \(line)")
            }
        }
    }

    @Test(
        "an HTTP status becomes an exit code",
        arguments: [
            (200, CommandStatus.done), (202, .done), (400, .refused), (404, .refused),
            (409, .refused), (503, .refused), (101, .refused),
        ])
    func status(http: Int, expected: CommandStatus) {
        #expect(CommandStatus(httpStatus: http) == expected)
    }

    private static func words(_ line: String) -> [String] {
        line.split(separator: " ").map(String.init)
    }
}
