// README's command lines and what they print: against the binary's own account of its arguments,
// and against what tools/quickstart runs, on a router with its configuration.

import Foundation
import Testing

/// A command of the program, as `--experimental-dump-help` describes it.
struct CommandDescription: Decodable, Sendable {
    struct Argument: Decodable, Sendable {
        struct Name: Decodable, Sendable {
            let kind: String
            let name: String
        }
        let kind: String
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
    }

    let commandName: String
    let arguments: [Argument]?
    let subcommands: [CommandDescription]?

    /// What its commands are called.
    var names: [String] { (self.subcommands ?? []).map(\.commandName) }

    /// What is wrong with the words of a command line; nil when they are understood.
    func problem(in words: ArraySlice<Substring>) -> String? {
        if let next = words.first, let command = self.subcommand(String(next)) {
            return command.problem(in: words.dropFirst())
        }
        let positional = (self.arguments ?? []).filter { $0.kind == "positional" }
        var given = 0
        var rest = words
        while let word = rest.popFirst() {
            guard word.hasPrefix("-"), word != "-" else {
                if word != "…" { given += 1 }
                continue
            }
            guard let option = self.option(String(word)) else {
                return "\(self.commandName) knows no \(word)"
            }
            if option.kind == "option", rest.popFirst() == nil { return "\(word) lacks a value" }
        }
        if given > positional.count, !positional.contains(where: \.isRepeating) {
            return "\(self.commandName) takes \(positional.count) arguments, not \(given)"
        }
        let needed = positional.count { !$0.isOptional }
        return given < needed ? "\(self.commandName) needs \(needed) arguments, not \(given)" : nil
    }

    private func subcommand(_ name: String) -> CommandDescription? {
        self.subcommands?.first { $0.commandName == name }
    }

    private func option(_ word: String) -> Argument? {
        self.arguments?.first { argument in
            (argument.names ?? []).contains { name in
                word == (name.kind == "short" ? "-" : "--") + name.name
            }
        }
    }
}

/// README and tools/quickstart, as text.
struct Readme: Sendable {
    let text: String
    let quickstart: String

    init() throws {
        func read(_ path: String) throws -> String {
            try String(contentsOfFile: "\(Programs.repository)/\(path)", encoding: .utf8)
        }
        self.text = try read("README.md")
        self.quickstart = try read("tools/quickstart")
    }

    /// The arguments of every `strait …` in a block or a span of code, without what a comment says.
    var commandLines: [[Substring]] {
        let blocks = self.text.split(separator: "```", omittingEmptySubsequences: false)
        return blocks.enumerated().flatMap { index, block -> [Substring] in
            if index.isMultiple(of: 2) {
                return block.matches(of: /`(strait [^`]*)`/).map(\.1)
            }
            return block.matches(of: /(?:\$ |')(strait (?:[^'\n #]| +(?!#))*)/).map(\.1)
        }.map { $0.split(separator: " ").dropFirst().map { $0 } }
    }

    /// What the block with quickstart's commands shows: each command with its output.
    var shown: [(command: Substring, output: [Substring])] {
        guard let start = self.text.range(of: "```\n$ strait tenant add demo"),
            let end = self.text[start.upperBound...].range(of: "\n```")
        else { return [] }
        let lines = self.text[start.lowerBound..<end.lowerBound].dropFirst(4)
        var found: [(command: Substring, output: [Substring])] = []
        for line in lines.split(separator: "\n") {
            if line.hasPrefix("$ ") {
                found.append((line.dropFirst(2), []))
            } else if !found.isEmpty {
                found[found.count - 1].output.append(line)
            }
        }
        return found
    }

    /// The commands that quickstart shows and runs, with README's port and with short paths.
    var run: [String] {
        self.quickstart.matches(of: /show "[^"]*" (?:\\\n\s*)?"((?:[^"\\]|\\.)*)"/).map {
            var line = String($0.1)
            for (from, to) in [
                ("\\\"", "\""), ("$admin", "--admin $home/admin.sock"), ("$home/", ""),
                ("$strait", "strait"), ("$user@", ""),
                ("$domain", "demo.localhost"), ("$port", "8443"), ("$pg_port", "10432"),
            ] { line = line.replacing(from, with: to) }
            return line
        }
    }

    /// Quickstart's configuration without its first lines, which each ``Router`` has.
    func configuration(port: Int) throws -> String {
        let start = try #require(self.quickstart.range(of: "\nregistry:"))
        let rest = self.quickstart[start.lowerBound...]
        let text = rest[..<(try #require(rest.range(of: "\nEND\n"))).lowerBound]
        return text.replacing("$home/", with: "").replacing("$port", with: "\(port)") + "\n"
    }

    /// Whether `pattern`, in which … stands for anything, is `line`.
    static func fits(_ pattern: some StringProtocol, _ line: String) -> Bool {
        var rest = line[...]
        for (index, part) in pattern.components(separatedBy: "…").enumerated() {
            if part.isEmpty { continue }
            guard let found = rest.range(of: part),
                index > 0 || found.lowerBound == rest.startIndex
            else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.isEmpty || pattern.hasSuffix("…")
    }
}

@Suite("README") struct ReadmeTests {
    private func dumped() async throws -> CommandDescription {
        struct Dump: Decodable { let command: CommandDescription }
        let shell = Shell(directory: NSTemporaryDirectory())
        let output = try await shell.must([Programs.strait, "--experimental-dump-help"])
        return try JSONDecoder().decode(Dump.self, from: output.standardOutput).command
    }

    @Test("shows no command line that the program would not understand")
    func commandLines() async throws {
        let program = try await self.dumped()
        let lines = try Readme().commandLines
        #expect(lines.count > 10)
        for line in lines {
            // A command alone is named, not run: what it needs need not stand there.
            let isNamed = line.count == 1 && program.names.contains(String(line[0]))
            let problem = isNamed ? nil : program.problem(in: line[...])
            #expect(problem == nil, "strait \(line.joined(separator: " ")): \(problem ?? "")")
        }
        for wrong in [
            "reload --now", "connect", "explain --sni", "check a b", "nonsense", "status x",
        ] {
            let words = wrong.split(separator: " ")
            #expect(program.problem(in: words[...]) != nil, "\(wrong) is taken for right")
        }
    }

    @Test("shows commands that quickstart runs, letter by letter but for what … stands for")
    func quickstart() throws {
        let readme = try Readme()
        #expect(readme.shown.count == 5)
        #expect(readme.run.count == 12)
        for (command, output) in readme.shown {
            #expect(readme.run.contains { Readme.fits(command, $0) }, "\(command)")
            #expect(!output.isEmpty)
        }
    }
}

extension EndToEnd {
    @Suite("README, against a router") struct ReadmeRouterTests {
        @Test("shows what strait answers to quickstart's lines", .timeLimit(.minutes(3)))
        func answers() async throws {
            let rig = try EndToEnd.rig()
            let readme = try Readme()
            let port = try Loopback.freePort()
            let router = try await Router.start(
                "readme", try readme.configuration(port: port), in: rig.shell)
            let asked = readme.shown.filter { $0.command.hasPrefix("strait ") }
            #expect(asked.map { $0.command.split(separator: " ")[1] } == Self.commands)
            for (command, shown) in asked {
                let words = command.split(separator: " ").dropFirst().map {
                    switch $0 {
                    case "admin.sock": router.adminSocket
                    case "8443": "\(port)"
                    default: String($0)
                    }
                }
                let output = try await rig.shell.must([Programs.strait] + words)
                var printed = (output.standardError + output.text)
                    .replacing("\(port)", with: "8443").replacing(
                        router.adminSocket, with: "admin.sock"
                    )
                    .split(separator: "\n").map { Self.withoutFigures(String($0)) }[...]
                for line in shown where line.trimmingCharacters(in: .whitespaces) != "…" {
                    let place = printed.firstIndex {
                        Readme.fits(Self.withoutFigures(String(line)), $0)
                    }
                    #expect(place != nil, "\(line)\nis not in\n\(output)")
                    if let place { printed = printed[(place + 1)...] }
                }
            }
            #expect(try await router.daemon.stop() == 0)
        }

        private static let commands: [Substring] = ["tenant", "service", "explain"]

        /// What differs from run to run.
        private static func withoutFigures(_ line: String) -> String {
            line.replacing(/revision \d+/, with: "revision N")
                .replacing(/after [\d.]+ ms/, with: "after N ms")
        }
    }
}
