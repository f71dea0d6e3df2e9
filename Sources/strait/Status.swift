// `strait status`, `reload`, `drain`, `healthcheck`: plain verbs to a running router.

internal import ArgumentParser
internal import StraitControl

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say what is live: revision, workers, services.",
        discussion: """
            EXAMPLES
              strait status
              strait status --format json | jq .revision
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func run() throws {
        let answer = try self.admin.ask(StatusAnswer.self, "GET", "/v1/status")
        switch self.format.format {
        case .json:
            writeOutput(String(decoding: try AnswerJSON.encode(answer), as: UTF8.self) + "\n")
        case .text: writeOutput(AnswerText.status(answer))
        }
    }
}

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Read the configuration again, wait, and say what came of it.",
        discussion: """
            EXAMPLES
              strait reload
              strait reload --format json | jq .verdict.revision
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func run() throws {
        let (status, body) = try self.admin.request("POST", "/v1/reload")
        let answer: ReloadAnswer
        do {
            answer = try AnswerJSON.decode(ReloadAnswer.self, from: body)
        } catch {
            throw CommandFailure(.refused, AdminOptions.sentence(status, body))
        }
        switch self.format.format {
        case .json:
            writeOutput(String(decoding: try AnswerJSON.encode(answer), as: UTF8.self) + "\n")
        case .text:
            for problem in answer.problems { writeOutput(problem.text + "\n") }
            writeOutput(answer.text + "\n")
        }
        guard CommandStatus(httpStatus: status) == .done else { throw CommandFailure(.refused) }
    }
}

struct DrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Accept nothing new, finish what is open, end the router.",
        discussion: """
            EXAMPLES
              strait drain                  the deadline is timeouts.drain
              strait drain --seconds 600
              strait drain --cancel         take it back, while something is still open
            """)

    @Option(help: "Seconds after which what is still open is ended.")
    var seconds: UInt32?

    @Flag(help: "Take a drain back: listen and route again. Not after a signal.")
    var cancel = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func validate() throws {
        guard !self.cancel || self.seconds == nil else {
            throw ValidationError("--cancel takes a drain back: it has no --seconds")
        }
    }

    func run() throws {
        guard !self.cancel else {
            let answer = try self.admin.ask(SentenceAnswer.self, "DELETE", "/v1/drain")
            try self.format.write(answer) { $0.text + "\n" }
            return
        }
        let query = self.seconds.map { "?seconds=\($0)" } ?? ""
        let answer = try self.admin.ask(SentenceAnswer.self, "POST", "/v1/drain" + query)
        try self.format.write(answer) { $0.text + "\n" }
    }
}

struct HealthcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Ask whether the router lives, or is ready. For containers and scripts.",
        discussion: """
            EXAMPLES
              strait healthcheck            0 when every worker answers
              strait healthcheck --ready    0 when connections can be routed
            """)

    @Flag(help: "Ask for readiness instead of life.")
    var ready = false

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func run() throws {
        let (status, body) = try self.admin.request("GET", self.ready ? "/readyz" : "/livez")
        if self.ready {
            let answer = try AnswerJSON.decode(ReadinessAnswer.self, from: body)
            try self.format.write(answer) { $0.text(verbose: true) }
        } else {
            let text = String(decoding: body, as: UTF8.self)
            try self.format.write(SentenceAnswer(text: text)) { $0.text }
        }
        guard CommandStatus(httpStatus: status) == .done else { throw CommandFailure(.refused) }
    }
}
