// `strait check`: every problem at once.

internal import ArgumentParser
internal import Foundation
internal import StraitConfig
internal import StraitControl
internal import StraitPosix
internal import StraitSnapshot

/// A configuration that was judged as a whole: read, and put together.
struct JudgedConfiguration {
    var compiled: CompiledConfiguration?
    var configuration: Configuration?
    var problems: [ConfigurationProblem]

    /// Reads and compiles `path`, without starting anything.
    init(path: String) {
        let reading = ConfigurationReader().read(path: path)
        self.configuration = reading.configuration
        self.problems = reading.problems
        guard let draft = reading.draft else { return }
        var compiler = SnapshotCompiler()
        let now = Timestamp(nanoseconds: wallClockNanoseconds())
        do throws(ConfigurationRefused) {
            guard let configuration = reading.configuration else {
                throw ConfigurationRefused(
                    problems: compiler.problems(inFilesOf: draft, now: now))
            }
            let compiled = try compiler.compile(configuration, revision: 1, epoch: 0, now: now)
            self.compiled = compiled
            self.problems += compiled.warnings
        } catch {
            self.problems += error.problems
        }
        self.problems.sort { ($0.line, $0.column) < ($1.line, $1.column) }
    }

    var errors: Int { self.problems.count { $0.severity == .error } }
    var warnings: Int { self.problems.count - self.errors }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate a configuration: every problem, with line and remedy.",
        discussion: """
            EXAMPLES
              strait check strait.yaml
              strait check --strict strait.yaml          warnings fail, too
              strait check --format json strait.yaml | jq .
            """)

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String = "/etc/strait/strait.yaml"

    @Flag(help: "Fail on warnings, too.")
    var strict = false

    @OptionGroup var format: FormatOptions

    func run() throws {
        let judged = JudgedConfiguration(path: self.file)
        let isGood = judged.errors == 0 && !(self.strict && judged.warnings > 0)
        switch self.format.format {
        case .text: Self.printText(judged)
        case .json:
            let answer = CheckAnswer(
                ok: isGood, errors: judged.errors, warnings: judged.warnings,
                problems: judged.problems.map(ProblemAnswer.init))
            writeOutput(String(decoding: try AnswerJSON.encode(answer), as: UTF8.self) + "\n")
        }
        guard isGood else { throw CommandFailure(.refused) }
    }

    /// The problems are what was asked for, so they are data.
    static func printText(_ judged: JudgedConfiguration) {
        for problem in judged.problems { writeOutput(problem.text + "\n") }
        let read = Self.counted(judged)
        if judged.problems.isEmpty {
            writeOutput("ok: \(read). Not tested: upstreams.\n")
            return
        }
        let errors = "\(judged.errors) error\(judged.errors == 1 ? "" : "s")"
        let warnings = "\(judged.warnings) warning\(judged.warnings == 1 ? "" : "s")"
        writeOutput("\(errors), \(warnings)\(read.isEmpty ? "" : "; \(read) read").\n")
    }

    private static func counted(_ judged: JudgedConfiguration) -> String {
        guard let configuration = judged.configuration else { return "" }
        let services = configuration.tenants.flatMap(\.services)
        let names = configuration.tenants.reduce(0) { sum, tenant in
            sum + tenant.domains.count * (1 + tenant.services.count)
                + tenant.services.reduce(0) { $0 + $1.hosts.count }
        }
        func words(_ count: Int, _ noun: String) -> String {
            "\(count) \(noun)\(count == 1 ? "" : "s")"
        }
        return [
            words(configuration.tenants.count, "tenant"), words(services.count, "service"),
            words(names, "name"), words(configuration.listeners.count, "listener"),
        ].joined(separator: ", ")
    }
}

/// The JSON of `strait check`.
struct CheckAnswer: Codable {
    var ok: Bool
    var errors: Int
    var warnings: Int
    var problems: [ProblemAnswer]
}
