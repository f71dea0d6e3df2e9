// One HTTP request over the operators' UNIX socket.

internal import ArgumentParser
internal import Foundation
internal import StraitControl
internal import StraitCore
internal import StraitPosix

/// `--admin`: which router is asked.
struct AdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The router's operator socket. Else STRAIT_ADMIN, else /run/strait/admin.sock.",
            valueName: "path"))
    var admin: String?

    /// The socket's path.
    var path: String {
        self.admin ?? Self.defaultPath
    }

    /// The socket's path where none is named.
    static var defaultPath: String {
        ProcessInfo.processInfo.environment["STRAIT_ADMIN"] ?? "/run/strait/admin.sock"
    }

    /// How long an answer may take: a reload waits for every worker.
    private static let timeoutMilliseconds: Int32 = 30_000

    /// Asks and returns status and body.
    ///
    /// - Throws: ``CommandFailure`` with status 4 where the router cannot be reached.
    func request(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = []
    ) throws -> (status: Int, body: [UInt8]) {
        try Self.request(
            method, target, headers: headers, body: body, path: self.path,
            milliseconds: Self.timeoutMilliseconds)
    }

    /// Asks for a resource, with what to say of it in `If-Match` when it is written.
    ///
    /// - Throws: ``CommandFailure``, also where the answer is not 2xx.
    func read(_ target: String) throws -> (body: [UInt8], entityTag: String) {
        let answer: HTTPAnswerReader.Answer
        do throws(AdminRequest.Failure) {
            answer = try AdminRequest("GET", target)
                .exchange(with: self.path, milliseconds: Self.timeoutMilliseconds)
        } catch {
            throw Self.failure(error, self.path)
        }
        guard CommandStatus(httpStatus: answer.status) == .done else {
            throw CommandFailure(.refused, Self.sentence(answer.status, answer.body))
        }
        return (answer.body, answer.entityTag ?? "*")
    }

    /// The same of the router at `path`, waiting no longer than `milliseconds` for each step.
    static func request(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = [],
        path: String, milliseconds: Int32
    ) throws -> (status: Int, body: [UInt8]) {
        do throws(AdminRequest.Failure) {
            return try AdminRequest(method, target, headers: headers, body: body)
                .send(to: path, milliseconds: milliseconds)
        } catch {
            throw Self.failure(error, path)
        }
    }

    private static func failure(_ failure: AdminRequest.Failure, _ path: String) -> CommandFailure {
        switch failure {
        case .noAnswer(let reason): CommandFailure(.unreachable, Self.explain(reason, path))
        case .noRouter(let bytes):
            CommandFailure(.unreachable, "what answers at \(path) is no router (\(bytes) bytes)")
        }
    }

    /// Asks, decodes, and makes a failure of an answer that is not 2xx.
    func ask<Answer: Decodable>(
        _: Answer.Type, _ method: String, _ target: String, headers: [String: String] = [:],
        body: [UInt8] = []
    ) throws -> Answer {
        let (status, bytes) = try self.request(method, target, headers: headers, body: body)
        guard CommandStatus(httpStatus: status) == .done else {
            throw CommandFailure(.refused, Self.sentence(status, bytes))
        }
        do {
            return try AnswerJSON.decode(Answer.self, from: bytes)
        } catch {
            throw CommandFailure(
                .refused, "the router's answer cannot be read; is it of another version?")
        }
    }

    /// What a refusal says.
    static func sentence(_ status: Int, _ body: [UInt8]) -> String {
        do {
            return try AnswerJSON.decode(RefusalAnswer.self, from: body).text
        } catch {
            return Self.plainSentence(status, body)
        }
    }

    private static func plainSentence(_ status: Int, _ body: [UInt8]) -> String {
        do {
            return try AnswerJSON.decode(SentenceAnswer.self, from: body).text
        } catch {
            let text = String(decoding: body, as: UTF8.self)
            return text.isEmpty ? "the router answered \(status)" : text
        }
    }

    private static func explain(_ error: PosixError, _ path: String) -> String {
        let what = "cannot reach the router at \(path): \(error)"
        if error.isForbidden { return what + "; run as the user that runs the router, or as root" }
        if error.isAbsent || error.isRefused {
            return what + "; is `strait serve` running? --admin names another socket"
        }
        return what
    }
}

extension CompletionKind {
    /// How long a shell waits for names at most, for each step.
    private static let milliseconds: Int32 = 500

    /// Ids of connections that are open in the router at the usual place.
    static var connectionID: CompletionKind {
        .custom { _, _, _ in
            Self.names([ConnectionAnswer].self, "/v1/connections?limit=100") { $0.map(\.id) }
        }
    }

    /// Names of the listeners of the router at the usual place.
    static var listener: CompletionKind {
        .custom { _, _, _ in
            Self.names(StatusAnswer.self, "/v1/status") { $0.listeners.map(\.name) }
        }
    }

    private static func names<Answer: Decodable>(
        _: Answer.Type, _ target: String, _ names: (Answer) -> [String]
    ) -> [String] {
        do {
            let answer = try AdminOptions.request(
                "GET", target, path: AdminOptions.defaultPath, milliseconds: Self.milliseconds)
            return names(try AnswerJSON.decode(Answer.self, from: answer.body))
        } catch {
            return []  // no router here: a shell has nothing to show, and nobody to tell
        }
    }
}
