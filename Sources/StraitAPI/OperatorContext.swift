// Who asks, beside each request; and what its role may ask for.

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import StraitControl
internal import Synchronization

/// What goes with a request of the operator API.
struct OperatorContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Of the connection that brought it.
    let connection: ObjectIdentifier
    /// Set before any route is asked.
    fileprivate var identified: Caller?
    fileprivate var identify: (@Sendable (ObjectIdentifier) async throws(CallerRefusal) -> Caller)?

    init(source: ApplicationRequestContextSource) {
        self.coreContext = .init(source: source)
        self.connection = ObjectIdentifier(source.channel)
    }

    /// Who asks.
    var caller: Caller {
        get throws(APIProblem) {
            guard let identified else { throw APIProblem.nobody("who asks is not known") }
            return identified
        }
    }

    /// Whether who asked is still who it was: an answer may last.
    func isStillKnown() async -> Bool {
        do throws(CallerRefusal) {
            return try await self.identify?(self.connection) == self.identified
        } catch {
            return false
        }
    }
}

/// Finds out who asks, and refuses what its role may not.
struct Admission: RouterMiddleware {
    typealias Context = OperatorContext

    /// Who has a connection.
    let identify: @Sendable (ObjectIdentifier) async throws(CallerRefusal) -> Caller
    /// Of a request's body.
    let bodyBytesMax: Int
    /// Of those who administer tenants.
    private let turns = AdministratorTurns()

    init(
        identify: @escaping @Sendable (ObjectIdentifier) async throws(CallerRefusal) -> Caller,
        bodyBytesMax: Int
    ) {
        self.identify = identify
        self.bodyBytesMax = bodyBytesMax
    }

    @concurrent func handle(
        _ request: Request, context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        var request = request
        let caller: Caller
        do throws(CallerRefusal) {
            caller = try await self.identify(context.connection)
        } catch {
            return APIProblem(error).response
        }
        if request.hasBody {
            // One that nobody reads would keep its connection, and with it the process.
            guard request.method != .get || context.endpointPath == nil else {
                return APIProblem(
                    status: .badRequest, title: "GET with a body",
                    detail: "what is asked for stands in the path and behind it"
                ).response
            }
            _ = try await request.collectBody(upTo: self.bodyBytesMax)
            // It may have taken a while to come: whoever was withdrawn meanwhile is nobody.
            do throws(CallerRefusal) {
                guard try await self.identify(context.connection) == caller else {
                    throw .unknown("the certificate counts for something else since")
                }
            } catch {
                return APIProblem(error).response
            }
        }
        let access = APIOperation.access(request.method.rawValue, context.endpointPath)
        if let refusal = access.refusal(caller, tenant: context.parameters.get("name")) {
            return APIProblem.notAllowed(refusal).response
        }
        var context = context
        context.identified = caller
        context.identify = self.identify
        guard let tenant = caller.tenant, request.method != .get, request.method != .head else {
            return try await next(request, context)
        }
        guard self.turns.begin(tenant) else { return APIProblem.busy }
        defer { self.turns.end(tenant) }
        return try await next(request, context)
    }
}

/// Which tenants' administrators change something, or try to: one change of a tenant at a time, so
/// that a flood of them has one place among those of others.
private final class AdministratorTurns: Sendable {
    private let tenants = Mutex<Set<String>>([])

    /// False where one is under way.
    func begin(_ tenant: String) -> Bool { self.tenants.withLock { $0.insert(tenant).inserted } }

    func end(_ tenant: String) { self.tenants.withLock { _ = $0.remove(tenant) } }
}

extension APIProblem {
    init(_ refusal: CallerRefusal) {
        switch refusal {
        case .unknown(let why): self = .nobody(why)
        case .unavailable(let why):
            self.init(
                status: .serviceUnavailable, title: "who asks cannot be found out", detail: why)
        }
    }

    fileprivate static func nobody(_ why: String) -> APIProblem {
        APIProblem(status: .unauthorized, title: "nobody known", detail: why)
    }

    fileprivate static var busy: Response {
        var answer = APIProblem(
            status: .tooManyRequests, title: "one change at a time",
            detail: "another change by an administrator of the tenant is under way; ask again"
        ).response
        answer.headers[.retryAfter] = "1"
        return answer
    }

    fileprivate static func notAllowed(_ why: String) -> APIProblem {
        APIProblem(status: .forbidden, title: "not with your role", detail: why)
    }
}

extension Request {
    /// Whether bytes come behind the head.
    fileprivate var hasBody: Bool {
        let length = self.headers[.contentLength].map { Int($0) ?? 1 } ?? 0
        return length > 0 || self.headers[.transferEncoding] != nil
    }
}
