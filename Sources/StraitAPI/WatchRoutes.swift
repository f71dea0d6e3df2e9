// Changes of the registry as they come: server-sent events (WHATWG HTML, section 9.2).

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import StraitConfig
internal import StraitControl
internal import StraitCore
internal import StraitStore
internal import Synchronization

extension AdminAPI {
    func addWatch(to router: Router<OperatorContext>) {
        let control = self.control
        let keepAlive = self.bounds.watchKeepAlive
        let places = RequestPlaces(self.bounds.watchers)
        router.get("/v1/watch") { request, context in
            try await Self.answer {
                let own = try context.caller.tenant
                let tenant = own ?? request.uri.queryParameters["tenant"].map(String.init)
                if let tenant, !RegisteredFile.isName(tenant) {
                    throw APIProblem(
                        status: .badRequest, title: "tenant is no name",
                        detail: "tenant is the name of one: a-z, 0-9, - and _")
                }
                var after = try Self.revision(request)
                if let own, let asked = after {
                    // Who had the name before is nobody's business.
                    let tenant = try await Self.registry(control).tenant(own)
                    after = max(asked, (tenant.document?.created ?? 1) - 1)
                }
                guard let place = places.take(for: own) else {
                    throw APIProblem(
                        status: .serviceUnavailable, title: "too many watch already",
                        detail: "\(places.count) may watch at once; end one, or ask again")
                }
                let watch = try await RegistryWatch(
                    of: control, tenant: tenant, after: after, keepAlive: keepAlive)
                return Self.stream(watch, of: request, context, place)
            }
        }
    }

    /// `Last-Event-ID` of one who comes again, else `?after=`.
    private static func revision(_ request: Request) throws(APIProblem) -> UInt64? {
        let text =
            HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] }
            ?? request.uri.queryParameters["after"].map(String.init)
        guard let text else { return nil }
        // As the store counts.
        guard let revision = UInt64(text), revision <= UInt64(Int64.max) else {
            throw APIProblem(
                status: .badRequest, title: "after is no revision",
                detail: "after, or Last-Event-ID, is a whole number, 0 or more")
        }
        return revision
    }

    private static func stream(
        _ watch: RegistryWatch, of request: Request, _ context: OperatorContext,
        _ place: RequestPlace
    ) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: ExchangeBounds.streamType, .cacheControl: "no-store"],
            body: ResponseBody { writer in
                defer { withExtendedLifetime(place) {} }
                // Who goes away is noticed at once, and not by the next thing that is said.
                try await request.body.consumeWithCancellationOnInboundClose { _ in
                    var watch = watch
                    try await writer.write(ByteBuffer(string: watch.beginning))
                    var isOver = false
                    while !isOver {
                        let (text, isLast) = await watch.next()
                        try Task.checkCancellation()
                        guard await context.isStillKnown() else { break }
                        try await writer.write(ByteBuffer(string: text))
                        isOver = isLast
                    }
                }
                try await writer.finish(nil)
            })
    }
}

/// Places for requests that last, or cost much: so many at once.
///
/// Administrators have as many as operators, and each tenant's a quarter of them: nobody keeps
/// others out.
final class RequestPlaces: Sendable {
    let count: Int
    private let taken = Mutex<[String?: Int]>([:])

    init(_ count: Int) { self.count = count }

    /// A place until the last reference to it is gone; nil where all are taken.
    ///
    /// - Parameter tenant: Whose administrator asks; nil: an operator.
    /// - Returns: The place.
    func take(for tenant: String?) -> RequestPlace? {
        let isTaken = self.taken.withLock { taken in
            let all = taken.reduce(0) { ($1.key == nil) == (tenant == nil) ? $0 + $1.value : $0 }
            let most = tenant == nil ? self.count : max(self.count / 4, 1)
            guard all < self.count, taken[tenant, default: 0] < most else { return false }
            taken[tenant, default: 0] += 1
            return true
        }
        return isTaken ? RequestPlace(self, tenant) : nil
    }

    fileprivate func giveBack(_ tenant: String?) {
        self.taken.withLock { taken in
            let left = taken[tenant, default: 1] - 1
            taken[tenant] = left > 0 ? left : nil
        }
    }
}

/// One of them.
final class RequestPlace: Sendable {
    private let places: RequestPlaces
    private let tenant: String?

    fileprivate init(_ places: RequestPlaces, _ tenant: String?) {
        self.places = places
        self.tenant = tenant
    }

    deinit { self.places.giveBack(self.tenant) }
}
