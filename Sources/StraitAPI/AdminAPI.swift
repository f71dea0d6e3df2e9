// The operator API over the UNIX socket. Each route asks the control plane one thing.

internal import Foundation
internal import Hummingbird
package import Logging
internal import NIOCore
internal import ServiceLifecycle
package import StraitControl
internal import StraitCore

/// The operator API as a service.
///
/// It answers until the control plane has ended.
package struct AdminAPI: Service {
    let control: ControlPlane
    private let socket: AdminSocket
    private let logger: Logger
    let bounds: Bounds
    private let whenListening: @Sendable () -> Void

    /// - Parameters:
    ///   - control: Who is asked.
    ///   - socket: Where it listens.
    ///   - logger: For the HTTP library, too.
    ///   - bounds: What connections may take.
    ///   - whenListening: Called once, when the socket can be connected to.
    package init(
        control: ControlPlane, socket: AdminSocket, logger: Logger, bounds: Bounds = Bounds(),
        whenListening: @escaping @Sendable () -> Void = {}
    ) {
        // Before anybody asks for a loop: the library ends the process where it is said later.
        Self.usesOneLoop
        self.control = control
        self.socket = socket
        self.logger = logger
        self.bounds = bounds
        self.whenListening = whenListening
    }

    /// One thread answers all operators, however many cores there are: they belong to the workers,
    /// and each loop holds descriptors.
    private static let usesOneLoop: Void = { NIOSingletons.groupLoopCountSuggestion = 1 }()

    /// Answers until graceful shutdown.
    package func run() async throws {
        let socket = self.socket
        let logger = self.logger
        let bounds = self.bounds
        let whenListening = self.whenListening
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: self.router { _ in .socket },
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [ExchangeBounds(bounds)],
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: bounds.headBytes,
                        maxHeaderListSize: bounds.headBytes))),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: socket.bindPath), serverName: "strait",
                availableConnectionsDelegate: .maximum(bounds.connections, logger: quiet)),
            onServerRunning: { channel in
                do {
                    try socket.publish()
                    whenListening()
                } catch {
                    logger.error("admin.unix: \(error)")
                    channel.close(promise: nil)
                }
            }, logger: quiet)
        try await application.runService(gracefulShutdownSignals: [])
    }

    /// Every request that is taken: `GET /livez`.
    package var takenRequests: Set<String> {
        Set(self.router { _ in .socket }.routes.map { "\($0.method.rawValue) \($0.path)" })
    }

    /// Every request that is taken, and what is said to others; `identify` tells who has a
    /// connection.
    func router(
        _ identify: @escaping @Sendable (ObjectIdentifier) async throws(CallerRefusal) -> Caller
    ) -> Router<OperatorContext> {
        let router = Router(context: OperatorContext.self)
        router.add(middleware: UnknownRequests())
        router.add(
            middleware: Admission(identify: identify, bodyBytesMax: self.bounds.bodyBytes))
        router.get("/v1/openapi.json") { _, _ in
            Response.text(
                OpenAPIDocument.json(version: VersionAnswer.current.version) + "\n",
                contentType: "application/json")
        }
        self.addHealth(to: router)
        self.addConnections(to: router)
        self.addActs(to: router)
        self.addTenants(to: router)
        self.addCertificates(to: router)
        self.addAuthorities(to: router)
        self.addPorts(to: router)
        self.addIdentities(to: router)
        self.addWatch(to: router)
        self.addTop(to: router)
        self.addRenaming(to: router)
        self.addNames(to: router)
        self.addRegions(to: router)
        self.addMoving(to: router)
        self.addRouters(to: router)
        return router
    }

    // MARK: Health and metrics

    private func addHealth(to router: Router<OperatorContext>) {
        let control = self.control
        for path in ["/livez", "/healthz"] {
            router.get(RouterPath(path)) { _, _ in
                let alive = await control.isAlive()
                return Response.text(
                    alive ? "ok\n" : "a worker did not answer within 1 s\n",
                    status: alive ? .ok : .serviceUnavailable)
            }
        }
        router.get("/readyz") { request, _ in
            let answer = await control.readiness()
            let status: HTTPResponse.Status = answer.isReady ? .ok : .serviceUnavailable
            if request.headers[.accept]?.contains("application/json") == true {
                return try Response.json(answer, status: status)
            }
            let verbose = request.uri.queryParameters["verbose"] != nil
            return Response.text(answer.text(verbose: verbose), status: status)
        }
        router.get("/metrics") { _, _ in
            Response.text(
                await control.metricsText(), contentType: PrometheusText.contentType)
        }
        router.get("/version") { _, _ in try Response.json(VersionAnswer.current) }
        router.get("/v1/status") { _, _ in try Response.json(await control.status()) }
    }

    // MARK: Connections

    private func addConnections(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.get("/v1/connections") { request, _ in
            let text = request.uri.queryParameters["limit"]
            let limit = text.flatMap { Int($0) }
            guard text == nil || limit.map({ $0 >= 0 }) == true else {
                return try Response.notANumber("limit")
            }
            return try Response.json(
                await control.connections(limit: limit ?? ControlPlane.listedConnectionsMax))
        }
        router.get("/v1/connections/{id}") { _, context in
            guard let id = Self.connectionID(context) else { return try Response.notAnID() }
            guard let found = await control.record(of: id) else {
                return try Response.sentence(
                    "\(id) is not open, and not among those that ended lately", status: .notFound)
            }
            return Response.text(
                String(decoding: found.json, as: UTF8.self) + "\n", contentType: "application/json")
        }
        router.delete("/v1/connections/{id}") { _, context in
            guard let id = Self.connectionID(context) else { return try Response.notAnID() }
            guard await control.close(id) else {
                return try Response.sentence("\(id) is not open", status: .notFound)
            }
            return try Response.sentence("\(id) closed")
        }
        router.post("/v1/explain") { request, _ in
            let body = try await request.body.collect(upTo: bodyBytesMax)
            do {
                let query = try AnswerJSON.decode(
                    ExplainQuery.self, from: Array(body.readableBytesView))
                return try Response.json(try await control.explain(query))
            } catch let failure as ExplainFailure {
                return try Response.sentence(failure.description, status: .unprocessableContent)
            } catch is DecodingError {
                return try Response.sentence("the body is no question", status: .badRequest)
            }
        }
    }

    private static func connectionID(_ context: OperatorContext) -> ConnectionID? {
        context.parameters.get("id").flatMap { ConnectionID($0) }
    }

    // MARK: Acts

    private func addActs(to router: Router<OperatorContext>) {
        let control = self.control
        router.post("/v1/reload") { _, _ in
            let answer = ReloadAnswer(await control.reload(trigger: "request"))
            let isGood = answer.result == "applied" || answer.result == "unchanged"
            return try Response.json(answer, status: isGood ? .ok : .conflict)
        }
        router.post("/v1/drain") { request, _ in
            let text = request.uri.queryParameters["seconds"]
            let seconds = text.flatMap { UInt32($0) }
            guard text == nil || seconds != nil else { return try Response.notANumber("seconds") }
            await control.requestDrain(within: seconds.map { .seconds(Int64($0)) })
            return try Response.sentence(
                "draining; the process ends when nothing is open any more", status: .accepted)
        }
        self.addUpgrade(to: router)
        router.delete("/v1/drain") { _, _ in
            switch await control.cancelDrain() {
            case .cancelled:
                return try Response.sentence("the drain is taken back")
            case .notDraining:
                return try Response.sentence("the router is not draining")
            case .tooLate:
                return try Response.sentence(
                    "too late: the process ends; start the router again", status: .conflict)
            case .refused(let reason):
                return try Response.sentence(reason, status: .conflict)
            }
        }
    }
}

extension AdminAPI {
    /// What `POST /v1/upgrade` may say; everything may be left out.
    private struct UpgradeRequest: Decodable {
        var program: String?
        var onlyOther: Bool?
        var timeoutSeconds: UInt32?
    }

    private func addUpgrade(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.post("/v1/upgrade") { request, _ in
            let body = try await request.bytes(upTo: bodyBytesMax)
            let wish: UpgradeRequest
            do {
                wish = try AnswerJSON.decode(
                    UpgradeRequest.self, from: body.isEmpty ? Array("{}".utf8) : body)
            } catch {
                return try Response.sentence("the body is no upgrade", status: .badRequest)
            }
            let longest = Limits.upgradeTimeoutMax.components.seconds
            let seconds =
                wish.timeoutSeconds.map(Int64.init) ?? Limits.upgradeTimeout.components.seconds
            guard (1...longest).contains(seconds) else {
                return try Response.sentence(
                    "timeout_seconds is a number from 1 to \(longest)", status: .badRequest)
            }
            guard wish.program?.hasPrefix("/") != false else {
                return try Response.sentence("program is an absolute path", status: .badRequest)
            }
            let answer = await control.upgrade(
                program: wish.program, onlyOther: wish.onlyOther ?? false,
                within: .seconds(seconds))
            return try Response.json(answer, status: answer.result == "refused" ? .conflict : .ok)
        }
        router.post("/v1/cancel-key") { request, _ in
            let body = try await request.bytes(upTo: bodyBytesMax)
            let question: CancelKeyQuestion
            do {
                question = try AnswerJSON.decode(CancelKeyQuestion.self, from: body)
            } catch {
                return try Response.sentence("the body is no cancel key", status: .badRequest)
            }
            guard let answer = await control.cancelTarget(of: question) else {
                return try Response.sentence("not a key of this process", status: .notFound)
            }
            return try Response.json(answer)
        }
        router.delete("/v1/upgrade") { _, _ in
            let answer = await control.rollBack()
            return try Response.json(answer, status: answer.result == "refused" ? .conflict : .ok)
        }
    }
}

/// Says in the API's own form that there is no such request.
private struct UnknownRequests: RouterMiddleware {
    typealias Context = OperatorContext

    @concurrent func handle(
        _ request: Request, context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            let methods = APIOperation.methods(of: request.uri.path)
            guard methods.isEmpty else {
                var answer = try Response.sentence(
                    "\(request.method) \(request.uri.path) is not taken; "
                        + methods.joined(separator: ", "),
                    status: .methodNotAllowed)
                answer.headers[.allow] = methods.joined(separator: ", ")
                return answer
            }
            return try Response.sentence(
                "there is no such request: \(request.method) \(request.uri.path)", status: .notFound
            )
        }
    }
}

extension Response {
    fileprivate static func notANumber(_ name: String) throws -> Response {
        try .sentence("\(name) is a whole number, 0 or more", status: .badRequest)
    }

    fileprivate static func text(
        _ text: String, status: HTTPResponse.Status = .ok,
        contentType: String = "text/plain; charset=utf-8"
    ) -> Response {
        Response(
            status: status, headers: [.contentType: contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    fileprivate static func json(
        _ answer: some Encodable, status: HTTPResponse.Status = .ok
    ) throws -> Response {
        let bytes = try AnswerJSON.encode(answer)
        return .text(
            String(decoding: bytes, as: UTF8.self) + "\n", status: status,
            contentType: "application/json")
    }

    fileprivate static func sentence(
        _ text: String, status: HTTPResponse.Status = .ok
    ) throws -> Response {
        try .json(SentenceAnswer(text: text), status: status)
    }

    fileprivate static func notAnID() throws -> Response {
        try .sentence("a connection id is c- and 13 characters", status: .badRequest)
    }
}
