// `strait explain`: where a connection would go, or where one went.

internal import ArgumentParser
internal import Foundation
internal import StraitConfig
internal import StraitControl
internal import StraitCore

extension ExplainQuery.Opening: ExpressibleByArgument {}

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say where a connection would go and why, or what happened to one.",
        discussion: """
            EXAMPLES
              strait explain --sni orders.acme.example.com --alpn postgresql
              strait explain --config strait.yaml --sni www.acme.test --alpn h2 --port 443
              strait explain --as ssh --port 443 --from 203.0.113.7
              strait explain --connection c-0e9m3kq7xw2ab
            """)

    @Option(help: "A configuration file; else the running router is asked.")
    var config: String?

    @Option(help: "The server name (SNI).")
    var sni: String?

    @Option(help: "An ALPN identifier that is offered; may be repeated, the first is preferred.")
    var alpn: [String] = []

    @Option(help: "The listener's port.")
    var port: UInt16?

    @Option(help: "The listener's name.", completion: .listener)
    var listener: String?

    @Option(help: "The address that the connection comes from.")
    var from: String?

    @Option(
        name: .customLong("as"),
        help: "How it begins: tls, postgres (SSLRequest first), ssh, cancel, raw.")
    var opening: ExplainQuery.Opening = .tls

    @Option(
        help: "A connection id, as error texts, records and lists have it.",
        completion: .connectionID)
    var connection: String?

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func validate() throws {
        guard let connection = self.connection else { return }
        guard ConnectionID(connection) != nil else {
            throw ValidationError("\"\(connection)\" is no connection id: c- and 13 characters")
        }
        guard self.config == nil, self.sni == nil, self.alpn.isEmpty else {
            throw ValidationError("--connection goes alone: what happened needs no question")
        }
    }

    func run() throws {
        if let connection = self.connection {
            try self.explainConnection(connection)
            return
        }
        let query = ExplainQuery(
            serverName: self.sni, applicationProtocols: self.alpn, listener: self.listener,
            port: self.port, from: self.from, opening: self.opening)
        let answer =
            try self.config.map { try Self.answer(query, file: $0) }
            ?? self.admin.ask(
                ExplainAnswer.self, "POST", "/v1/explain", body: try AnswerJSON.encode(query))
        switch self.format.format {
        case .json:
            writeOutput(String(decoding: try AnswerJSON.encode(answer), as: UTF8.self) + "\n")
        case .text: writeOutput(AnswerText.explanation(answer))
        }
        guard answer.decision == "service" else { throw CommandFailure(.refused) }
    }

    private static func answer(_ query: ExplainQuery, file: String) throws -> ExplainAnswer {
        let judged = JudgedConfiguration(path: file)
        guard let compiled = judged.compiled else {
            for problem in judged.problems { writeError(problem.text + "\n") }
            throw CommandFailure(.refused, "\(file) cannot be used")
        }
        if compiled.configuration.registry != nil {
            writeError(
                "\(file): tenants of its registry are not looked at; without --config the running "
                    + "router is asked\n")
        }
        do throws(ExplainFailure) {
            return try query.answer(from: compiled.snapshot)
        } catch {
            throw CommandFailure(.refused, error.description)
        }
    }

    // MARK: One connection

    private func explainConnection(_ id: String) throws {
        let (status, body) = try self.admin.request("GET", "/v1/connections/\(id)")
        guard CommandStatus(httpStatus: status) == .done else {
            throw CommandFailure(.refused, AdminOptions.sentence(status, body))
        }
        switch self.format.format {
        case .json: writeOutput(String(decoding: body, as: UTF8.self))
        case .text: writeOutput(try AnswerText.story(ofRecord: body))
        }
    }
}
