// Tenants of the registry: list, show, put, delete; and the rows that tell who changed them.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import StraitConfig
internal import StraitControl
internal import StraitCore
internal import StraitStore

extension AdminAPI {
    func addTenants(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.get("/v1/tenants") { request, context in
            try await Self.answer {
                let page = try Page(request)
                if let own = try context.caller.tenant {
                    let tenant = try await Self.registry(control).tenant(own)
                    let items = page.holds(own) && tenant.document != nil ? [tenant.json] : []
                    return Self.list("tenants", items, next: nil)
                }
                let found = try await Self.registry(control).tenants(
                    after: page.after, limit: page.limit)
                let items = found.tenants.filter { $0.document != nil }.map(\.json)
                return Self.list(
                    "tenants", items, next: found.hasMore ? found.tenants.last?.name : nil)
            }
        }
        router.get("/v1/tenants/{name}") { _, context in
            try await Self.answer {
                let name = try context.parameters.require("name")
                let registry = try Self.registry(control)
                guard let document = try await registry.tenant(name).document else {
                    throw await registry.missing(name)
                }
                return Self.json(
                    String(decoding: document.value, as: UTF8.self), revision: document.changed)
            }
        }
        router.get("/v1/tenants/{name}/problems") { _, context in
            try await Self.answer {
                try Self.json(
                    try await control.problems(
                        ofTenant: try context.parameters.require("name"),
                        as: try context.caller.role))
            }
        }
        router.put("/v1/tenants/{name}") { request, context in
            try await Self.answer {
                let name = try context.parameters.require("name")
                let precondition = try Precondition(request)
                let body = try await request.bytes(upTo: bodyBytesMax)
                let write = try await control.putTenant(
                    name, body, if: precondition, by: try context.caller.name,
                    as: try context.caller.role, Self.manner(request))
                return try Self.written(write, status: write.isNew ? .created : .ok)
            }
        }
        router.delete("/v1/tenants/{name}") { request, context in
            try await Self.answer {
                let write = try await control.removeTenant(
                    try context.parameters.require("name"), if: try Precondition(request),
                    by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: .ok)
            }
        }
        router.get("/v1/audit") { request, context in
            try await Self.answer {
                let page = try Page(request)
                let own = try context.caller.tenant
                let found = try await Self.registry(control).audit(
                    after: page.after, limit: page.limit, of: own)
                let items = try found.entries.map {
                    String(decoding: try AnswerJSON.encode($0), as: UTF8.self)
                }
                return Self.list("entries", items, next: found.next)
            }
        }
    }

    /// `?dry_run=true`, `?wait=false`.
    static func manner(_ request: Request) -> WriteManner {
        if request.uri.queryParameters["dry_run"] == "true" { return .tried }
        return request.uri.queryParameters["wait"] == "false" ? .acknowledged : .live
    }

    static func registry(_ control: ControlPlane) throws(RegistryRefusal) -> Registry {
        guard let registry = control.registry else {
            throw .store(.unavailable(ControlPlane.noRegistry))
        }
        return registry
    }

    // MARK: Answers

    /// Answers, or says why not (RFC 9457).
    static func answer(
        _ body: () async throws -> Response
    ) async throws -> Response {
        do {
            return try await body()
        } catch let refusal as RegistryRefusal {
            return APIProblem(refusal).response
        } catch let error as StoreError {
            return APIProblem(.store(error)).response
        } catch let problem as APIProblem {
            return problem.response
        }
    }

    /// What a body says as JSON.
    ///
    /// - Throws: ``APIProblem`` with what it is to be.
    static func decoded<Body: Decodable>(
        _: Body.Type, _ body: [UInt8], _ title: String, _ detail: String
    ) throws(APIProblem) -> Body {
        do {
            return try AnswerJSON.decode(Body.self, from: body)
        } catch {
            throw APIProblem(status: .badRequest, title: title, detail: detail)
        }
    }

    static func json(
        _ text: String, status: HTTPResponse.Status = .ok, revision: UInt64? = nil
    ) -> Response {
        var headers: HTTPFields = [.contentType: "application/json"]
        if let revision { headers[.eTag] = "\"\(revision)\"" }
        return Response(
            status: status, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n")))
    }

    static func list(
        _ name: String, _ items: [String], next: String?, more: String = ""
    ) -> Response {
        let last = next.map { ",\"next\":\(JSONString.quoted($0))" } ?? ""
        return Self.json("{\"\(name)\":[\(items.joined(separator: ","))]\(more)\(last)}")
    }

    static func written(
        _ write: RegistryWrite, status: HTTPResponse.Status
    ) throws -> Response {
        try Self.json(write, status: status, revision: write.revision)
    }
}

extension RegisteredTenant {
    /// One item of a list.
    fileprivate var json: String {
        let document = self.document.map { String(decoding: $0.value, as: UTF8.self) } ?? "null"
        return "{\"name\":\(JSONString.quoted(self.name)),"
            + "\"revision\":\(self.document?.changed ?? 0),\"document\":\(document)}"
    }
}

/// Which part of a list.
struct Page {
    var after: String?
    var limit: Int

    /// Whether an item of that name is on this page or behind it.
    func holds(_ name: String) -> Bool { self.after.map { $0 < name } ?? true }

    init(_ request: Request, afterBytesMax: Int = 100) throws(APIProblem) {
        self.after = request.uri.queryParameters["after"].map(String.init)
        if let after,
            !(1...afterBytesMax).contains(after.utf8.count)
                || after.utf8.contains(where: { $0 < 32 })
        {
            throw APIProblem(
                status: .badRequest, title: "after is no item",
                detail: "after is the `next` of the page before, 1 to \(afterBytesMax) bytes")
        }
        let text = request.uri.queryParameters["limit"]
        guard let limit = text.map({ Int($0) }) ?? 100,
            (1...Limits.storePageRowsMax).contains(limit)
        else {
            throw APIProblem(
                status: .badRequest, title: "limit is no number of items",
                detail: "limit is a whole number from 1 to \(Limits.storePageRowsMax)")
        }
        self.limit = limit
    }
}

extension Request {
    /// The body, of at most `count` bytes.
    func bytes(upTo count: Int) async throws -> [UInt8] {
        Array(try await self.body.collect(upTo: count).readableBytesView)
    }
}

extension Precondition {
    /// RFC 9110 §13.1.
    init(_ request: Request) throws(APIProblem) {
        if let text = request.headers[.ifNoneMatch] {
            guard text == "*" else {
                throw APIProblem(
                    status: .badRequest, title: "If-None-Match with an entity tag",
                    detail: "If-None-Match: * makes what is not there; nothing else is understood")
            }
            self = .absent
            return
        }
        guard let text = request.headers[.ifMatch] else {
            self = .none
            return
        }
        guard text != "*" else {
            self = .present
            return
        }
        let digits = text.hasPrefix("\"") && text.hasSuffix("\"") ? text.dropFirst().dropLast() : ""
        guard let revision = UInt64(digits) else {
            throw APIProblem(
                status: .badRequest, title: "If-Match with an unknown entity tag",
                detail: "If-Match has the ETag of an answer, a revision in quotes, or *")
        }
        self = .revision(revision)
    }
}
