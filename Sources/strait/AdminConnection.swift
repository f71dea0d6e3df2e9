// One HTTP request to a router's operator API.

internal import ArgumentParser
internal import Foundation
internal import StraitControl
internal import StraitCore
internal import StraitPosix
internal import Synchronization

/// `--admin` and `--identity`: which router is asked, and as whom.
struct AdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The router: the path of its operator socket, or https://HOST[:PORT]. Else \
            STRAIT_ADMIN, else /run/strait/admin.sock.
            """,
            valueName: "path|url"))
    var admin: String?

    @Option(
        help: ArgumentHelp(
            """
            With https://, who asks: the file that `strait operator issue` wrote. Else \
            STRAIT_IDENTITY, else ~/.config/strait/identity.pem.
            """,
            valueName: "file"))
    var identity: String?

    /// Where the router is asked.
    ///
    /// - Throws: ``CommandFailure`` where it is no place, or nobody can ask there.
    func endpoint() throws(CommandFailure) -> AdminEndpoint {
        let text = self.admin ?? Self.defaultPlace
        guard text.contains("://") else {
            guard self.identity == nil else {
                throw CommandFailure(
                    .usage,
                    "--identity is for --admin https://HOST:PORT; who asks at \(text), a socket, "
                        + "is an operator")
            }
            return .unix(path: URL(fileURLWithPath: text).path)
        }
        guard let (host, port) = AdminEndpoint.parse(text) else {
            throw CommandFailure(
                .usage, "\(text) is no router; write https://HOST:PORT, or a socket's path")
        }
        return .https(host: host, port: port, try self.identityFile())
    }

    private func identityFile() throws(CommandFailure) -> AdminIdentity {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["HOME"] ?? "/"
        let path =
            self.identity ?? environment["STRAIT_IDENTITY"]
            ?? home + "/.config/strait/identity.pem"
        let remedy = "an operator makes one: strait operator issue NAME --out FILE"
        let bytes: [UInt8]
        do {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
            guard mode & 0o077 == 0 else {
                throw CommandFailure(
                    .refused, "\(path) has a key that others may read; chmod 600 \(path)")
            }
            bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(
                .refused, "cannot read the identity \(path); --identity names another, \(remedy)")
        }
        do throws(AdminIdentity.Unusable) {
            return try AdminIdentity(pem: bytes)
        } catch {
            throw CommandFailure(.refused, "\(path): \(error); \(remedy)")
        }
    }

    /// The router's place where none is named.
    static var defaultPlace: String {
        ProcessInfo.processInfo.environment["STRAIT_ADMIN"] ?? "/run/strait/admin.sock"
    }

    /// How long an answer may take: a reload waits for every worker.
    private static let timeoutMilliseconds: Int32 = 30_000

    /// Asks and returns the answer.
    ///
    /// Who asks where is said on standard error: of every question that goes by TLS, and of every
    /// one that changes something.
    ///
    /// `milliseconds` are for each step.
    ///
    /// - Throws: ``CommandFailure`` with status 4 where the router cannot be reached.
    func exchange(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = [],
        milliseconds: Int32 = Self.timeoutMilliseconds
    ) throws -> HTTPAnswerReader.Answer {
        let endpoint = try self.endpoint()
        // A question too long for a target is a POST, and changes nothing.
        Self.announce(endpoint, isChange: method != "GET" && target != "/v1/explain")
        do throws(AdminRequest.Failure) {
            return try AdminRequest(method, target, headers: headers, body: body)
                .exchange(with: endpoint, milliseconds: milliseconds)
        } catch {
            throw Self.failure(error, endpoint)
        }
    }

    /// Asks and returns status and body.
    func request(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = []
    ) throws -> (status: Int, body: [UInt8]) {
        let answer = try self.exchange(method, target, headers: headers, body: body)
        return (answer.status, answer.body)
    }

    /// Asks for a resource, with what to say of it in `If-Match` when it is written.
    ///
    /// - Throws: ``CommandFailure``, also where the answer is not 2xx.
    func read(_ target: String) throws -> (body: [UInt8], entityTag: String) {
        let answer = try self.exchange("GET", target)
        guard CommandStatus(httpStatus: answer.status) == .done else {
            throw CommandFailure(.refused, Self.sentence(answer.status, answer.body))
        }
        return (answer.body, answer.entityTag ?? "*")
    }

    /// Said once by a program.
    private static let isAnnounced = Atomic<Bool>(false)

    static func announce(_ endpoint: AdminEndpoint, isChange: Bool) {
        var isWanted = isChange
        if case .https = endpoint { isWanted = true }
        guard isWanted, !Self.isAnnounced.exchange(true, ordering: .relaxed) else { return }
        writeError("asking \(endpoint) as \(endpoint.identity)\n")
    }

    static func failure(
        _ failure: AdminRequest.Failure, _ endpoint: AdminEndpoint
    ) -> CommandFailure {
        switch failure {
        case .noAnswer(let reason):
            CommandFailure(.unreachable, Self.explain(reason, endpoint))
        case .notSecured(let reason):
            CommandFailure(.unreachable, "cannot reach the router at \(endpoint): \(reason)")
        case .noRouter(let bytes):
            CommandFailure(
                .unreachable, "what answers at \(endpoint) is no router (\(bytes) bytes)")
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

    private static func explain(_ error: PosixError, _ endpoint: AdminEndpoint) -> String {
        let what = "cannot reach the router at \(endpoint): \(error)"
        if error.isForbidden { return what + "; run as the user that runs the router, or as root" }
        if error.isAbsent || error.isRefused {
            return what + "; is `strait serve` running? --admin names another place"
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
            let answer = try AdminRequest("GET", target)
                .send(to: AdminOptions.defaultPlace, milliseconds: Self.milliseconds)
            return names(try AnswerJSON.decode(Answer.self, from: answer.body))
        } catch {
            return []  // no router here: a shell has nothing to show, and nobody to tell
        }
    }
}
