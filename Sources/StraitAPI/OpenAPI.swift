// The operator API as an OpenAPI 3.1 document. A test holds it to the routes, and schemathesis
// holds the answers to it.

internal import StraitConfig

/// One request that the API takes.
struct APIOperation {
    /// A parameter of path or query.
    struct Parameter {
        var name: String
        /// JSON Schema, as JSON.
        var schema: String
        /// Empty in a path.
        var sentence = ""
        var isInPath = false
    }

    /// What comes back with one status.
    struct Answer {
        var status: Int
        var sentence: String
        /// Nil: it has no body.
        var contentType: String? = "application/json"
        /// JSON Schema, as JSON.
        var schema = "{\"type\":\"object\"}"
    }

    var method: String
    /// With `{name}` where something stands in its place.
    var path: String
    var sentence: String
    var parameters: [Parameter] = []
    /// JSON Schema of the body, as JSON; nil: there is none.
    var body: String?
    var isConditional = false
    var answers: [Answer]
}

/// The document.
enum OpenAPIDocument {
    /// As JSON.
    static func json(version: String) -> String {
        let paths = Dictionary(grouping: APIOperation.all, by: \.path).sorted { $0.key < $1.key }
            .map { path, operations in
                let items = operations.sorted { $0.method < $1.method }
                    .map { "\"\($0.method.lowercased())\":\($0.json)" }
                return "\(JSONString.quoted(path)):{\(items.joined(separator: ","))}"
            }
        return """
            {"openapi":"3.1.0","info":{"title":"Strait, operator API","version":\
            \(JSONString.quoted(version)),"description":"On the UNIX socket of the operators, \
            whoever may open which is an operator; and by TLS at admin.https, with a certificate \
            of an operator or of a tenant's administrator. Each request says which roles may ask \
            for it; others get 403, and who is not known gets 401."},\
            "paths":{\(paths.joined(separator: ","))},\
            "components":{"schemas":{"Tenant":\(ConfigurationReference.tenantSchema),\
            "Write":\(Self.write),"Problem":\(Self.problem)}}}
            """
    }

    private static let write = """
        {"type":"object","required":["revision","is_new","is_live","milliseconds"],"properties":\
        {"revision":{"type":"integer","minimum":0},"is_new":{"type":"boolean"},\
        "is_live":{"type":"boolean"},"milliseconds":{"type":"number","minimum":0},\
        "remarks":{"type":"array","items":{"type":"string"}}}}
        """

    private static let problem = """
        {"type":"object","required":["title","status","detail"],"properties":{"title":\
        {"type":"string"},"status":{"type":"integer"},"detail":{"type":"string"},\
        "renamed_to":{"type":"string"},"problems":\
        {"type":"array","items":{"type":"object","required":["severity","code","path","found",\
        "expected","remedy"]}}}}
        """
}

extension APIOperation {
    fileprivate var json: String {
        var members = [
            "\"operationId\":\(JSONString.quoted(self.identifier))",
            "\"summary\":\(JSONString.quoted(self.sentence))",
            "\"x-roles\":\(Self.access(self.method, self.path).rolesJSON)",
        ]
        let parameters = self.parameters.map(\.json) + self.headers
        if !parameters.isEmpty {
            members.append("\"parameters\":[\(parameters.joined(separator: ","))]")
        }
        if let body {
            members.append(
                "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":"
                    + "{\"schema\":\(body)}}}")
        }
        // An administrator's changes go one after the other.
        let isInTurn = Self.access(self.method, self.path) == .ofTenant && self.method != "GET"
        let all = self.answers + Answer.refusals(401, 403) + Answer.refusals(isInTurn ? [429] : [])
        let answers = all.map { answer in
            let content = answer.contentType.map {
                ",\"content\":{\"\($0)\":{\"schema\":\(answer.schema)}}"
            }
            return "\"\(answer.status)\":{\"description\":\(JSONString.quoted(answer.sentence))"
                + (content ?? "") + "}"
        }
        members.append("\"responses\":{\(answers.joined(separator: ","))}")
        return "{\(members.joined(separator: ","))}"
    }

    private var identifier: String {
        let words = self.path.split { "/{}.".contains($0) }
        return ([self.method.lowercased()] + words.map(String.init)).joined(separator: "_")
    }

    private var headers: [String] {
        guard self.isConditional else { return [] }
        return ["If-Match", "If-None-Match"].map { name in
            "{\"name\":\"\(name)\",\"in\":\"header\",\"required\":false,"
                + "\"schema\":{\"type\":\"string\"}}"
        }
    }
}

extension APIOperation.Parameter {
    fileprivate var json: String {
        "{\"name\":\"\(self.name)\",\"in\":\"\(self.isInPath ? "path" : "query")\","
            + "\"required\":\(self.isInPath),\"schema\":\(self.schema),"
            + "\"description\":\(JSONString.quoted(self.sentence))}"
    }

    static let tenant = APIOperation.Parameter(
        name: "name", schema: #"{"type":"string","minLength":1,"maxLength":63}"#,
        sentence: "The tenant's name.", isInPath: true)
    static let page = [
        APIOperation.Parameter(
            name: "limit", schema: #"{"type":"integer","minimum":1,"maximum":1000}"#,
            sentence: "How many items a page has; 100 where it is not said."),
        APIOperation.Parameter(
            name: "after", schema: #"{"type":"string","minLength":1,"maxLength":100}"#,
            sentence: "The `next` of the page before."),
    ]
    static let manner = [
        APIOperation.Parameter(
            name: "dry_run", schema: #"{"type":"boolean"}"#,
            sentence: "Nothing is changed; what is wrong is told."),
        APIOperation.Parameter(
            name: "wait", schema: #"{"type":"boolean"}"#,
            sentence: "Whether the answer waits until every worker obeys."),
    ]
}

extension APIOperation.Answer {
    static func refusals(_ statuses: Int...) -> [APIOperation.Answer] { Self.refusals(statuses) }

    fileprivate static func refusals(_ statuses: [Int]) -> [APIOperation.Answer] {
        statuses.map { status in
            APIOperation.Answer(
                status: status, sentence: "Why not (RFC 9457).",
                contentType: "application/problem+json",
                schema: ##"{"$ref":"#/components/schemas/Problem"}"##)
        }
    }

    static let tooLarge = APIOperation.Answer(
        status: 413, sentence: "The body is too large.", contentType: nil)

    static func written(_ status: Int) -> APIOperation.Answer {
        APIOperation.Answer(
            status: status, sentence: "What it came to.",
            schema: ##"{"$ref":"#/components/schemas/Write"}"##)
    }

    fileprivate static func text(_ status: Int, _ sentence: String) -> APIOperation.Answer {
        APIOperation.Answer(
            status: status, sentence: sentence, contentType: "text/plain",
            schema: #"{"type":"string"}"#)
    }

    fileprivate static func sentence(_ status: Int) -> APIOperation.Answer {
        APIOperation.Answer(
            status: status, sentence: "One sentence.",
            schema: #"{"type":"object","required":["text"]}"#)
    }
}

extension APIOperation {
    /// What may be asked of a path; nothing where there is no such path.
    static func methods(of path: String) -> [String] {
        let steps = path.split(separator: "/", omittingEmptySubsequences: false)
        return Self.all.filter { operation in
            let known = operation.path.split(separator: "/", omittingEmptySubsequences: false)
            return known.count == steps.count
                && zip(known, steps).allSatisfy { $0 == $1 || ($0.hasPrefix("{") && !$1.isEmpty) }
        }.map(\.method).sorted()
    }

    /// Every request, in the order in which the reference has them.
    static let all =
        Self.health + Self.connections + Self.acts + Self.tenants + Self.watching + Self.renaming
        + Self.names + Self.regions + Self.routers + Self.moving
        + Self.material("certificates") + Self.material("authorities")
        + Self.identities

    private static let health = [
        APIOperation(
            method: "GET", path: "/livez", sentence: "Whether every worker answers.",
            answers: [.text(200, "It lives."), .text(503, "A worker did not answer.")]),
        APIOperation(
            method: "GET", path: "/healthz", sentence: "As /livez.",
            answers: [.text(200, "It lives."), .text(503, "A worker did not answer.")]),
        APIOperation(
            method: "GET", path: "/readyz", sentence: "Whether connections can be routed.",
            parameters: [
                Parameter(
                    name: "verbose", schema: #"{"type":"string"}"#, sentence: "Lists the checks.")
            ], answers: [.text(200, "Ready."), .text(503, "Not ready, and why.")]),
        APIOperation(
            method: "GET", path: "/metrics", sentence: "Prometheus' text format.",
            answers: [.text(200, "All metrics.")]),
        APIOperation(
            method: "GET", path: "/version", sentence: "The release.",
            answers: [Answer(status: 200, sentence: "The release.")]),
        APIOperation(
            method: "GET", path: "/v1/status", sentence: "What is live.",
            answers: [Answer(status: 200, sentence: "What is live.")]),
        APIOperation(
            method: "GET", path: "/v1/openapi.json", sentence: "This document.",
            answers: [Answer(status: 200, sentence: "This document.")]),
    ]

    private static let connections = [
        APIOperation(
            method: "GET", path: "/v1/connections", sentence: "Open connections, the oldest first.",
            parameters: [
                Parameter(
                    name: "limit", schema: #"{"type":"integer","minimum":0}"#,
                    sentence: "At most so many.")
            ],
            answers: [
                Answer(status: 200, sentence: "Connections.", schema: #"{"type":"array"}"#),
                .sentence(400),
            ]),
        APIOperation(
            method: "GET", path: "/v1/connections/{id}", sentence: "The access record of one.",
            parameters: [.connection],
            answers: [Answer(status: 200, sentence: "It."), .sentence(400), .sentence(404)]),
        APIOperation(
            method: "DELETE", path: "/v1/connections/{id}", sentence: "Ends one.",
            parameters: [.connection],
            answers: [.sentence(200), .sentence(400), .sentence(404)]),
        APIOperation(
            method: "POST", path: "/v1/explain", sentence: "Where a connection would go, and why.",
            body: #"{"type":"object"}"#,
            answers: [
                Answer(status: 200, sentence: "The decision."), .sentence(400), .sentence(422),
            ]),
    ]

    private static let acts = [
        APIOperation(
            method: "POST", path: "/v1/reload", sentence: "Reads the configuration again.",
            answers: [
                Answer(status: 200, sentence: "The verdict."),
                Answer(status: 409, sentence: "The problems."),
            ]),
        APIOperation(
            method: "POST", path: "/v1/drain", sentence: "Ends when nothing is open any more.",
            parameters: [
                Parameter(
                    name: "seconds", schema: #"{"type":"integer","minimum":0}"#,
                    sentence: "What is open then is ended.")
            ], answers: [.sentence(202), .sentence(400)]),
        APIOperation(
            method: "DELETE", path: "/v1/drain", sentence: "Takes a drain back.",
            answers: [.sentence(200), .sentence(409)]),
        APIOperation(
            method: "POST", path: "/v1/upgrade", sentence: "Lets a newer program take over.",
            body: #"{"type":"object"}"#,
            answers: [
                Answer(status: 200, sentence: "What came of it."), .sentence(400),
                Answer(status: 409, sentence: "Why this one serves on."),
            ]),
        APIOperation(
            method: "DELETE", path: "/v1/upgrade", sentence: "Goes back to the process before.",
            answers: [
                Answer(status: 200, sentence: "What came of it."),
                Answer(status: 409, sentence: "There is none."),
            ]),
        APIOperation(
            method: "POST", path: "/v1/cancel-key",
            sentence: "Between processes of one router: what a cancel key stands for.",
            body: #"{"type":"object"}"#,
            answers: [
                Answer(status: 200, sentence: "Its target."), .sentence(400), .sentence(404),
            ]),
    ]

    private static let tenants = [
        APIOperation(
            method: "GET", path: "/v1/ports", sentence: "Ports that tenants have, or had.",
            parameters: Parameter.page,
            answers: [Answer(status: 200, sentence: "A page.")] + Answer.refusals(400, 422, 503)),
        APIOperation(
            method: "GET", path: "/v1/tenants/{name}/ports", sentence: "Ports of a tenant.",
            parameters: [.tenant],
            answers: [Answer(status: 200, sentence: "They.")] + Answer.refusals(400, 404, 422, 503)
        ),
        APIOperation(
            method: "GET", path: "/v1/installation/authority",
            sentence: "The certificate of the installation's authority.",
            answers: [Answer(status: 200, sentence: "It.")] + Answer.refusals(404, 503)),
        APIOperation(
            method: "GET", path: "/v1/tenants", sentence: "Tenants, by their names.",
            parameters: Parameter.page,
            answers: [
                Answer(
                    status: 200, sentence: "A page.",
                    schema: #"{"type":"object","required":["tenants"]}"#)
            ] + Answer.refusals(400, 422, 503)),
        APIOperation(
            method: "GET", path: "/v1/tenants/{name}", sentence: "A tenant's document.",
            parameters: [.tenant],
            answers: [
                Answer(
                    status: 200, sentence: "It.",
                    schema: ##"{"$ref":"#/components/schemas/Tenant"}"##)
            ] + Answer.refusals(404, 410, 422, 503)),
        APIOperation(
            method: "GET", path: "/v1/tenants/{name}/problems",
            sentence: "What keeps a tenant's rows, or its ports, from being live here.",
            parameters: [.tenant],
            answers: [
                Answer(
                    status: 200, sentence: "It.",
                    schema: #"{"type":"object","required":["tenant","problems","remarks"]}"#)
            ] + Answer.refusals(404, 410, 422, 503)),
        APIOperation(
            method: "PUT", path: "/v1/tenants/{name}", sentence: "Makes or changes a tenant.",
            parameters: [.tenant] + Parameter.manner,
            body: ##"{"$ref":"#/components/schemas/Tenant"}"##, isConditional: true,
            answers: [.written(200), .written(201)]
                + [.tooLarge]
                + Answer.refusals(400, 409, 410, 412, 422, 503, 507)),
        APIOperation(
            method: "DELETE", path: "/v1/tenants/{name}", sentence: "Takes a tenant out.",
            parameters: [.tenant] + Parameter.manner, isConditional: true,
            answers: [.written(200)] + Answer.refusals(400, 404, 409, 410, 412, 422, 503, 507)),
        APIOperation(
            method: "GET", path: "/v1/audit", sentence: "Who changed what, the oldest first.",
            parameters: Parameter.page,
            answers: [
                Answer(
                    status: 200, sentence: "A page.",
                    schema: #"{"type":"object","required":["entries"]}"#)
            ] + Answer.refusals(400, 422, 503)),
    ]
}

extension APIOperation {
    /// What tenants have beside their documents: `certificates`, `authorities`.
    private static func material(_ kind: String) -> [APIOperation] {
        let list = "/v1/tenants/{name}/\(kind)"
        let item = "\(list)/{item}"
        let whole = Answer(status: 200, sentence: "It.")
        return [
            APIOperation(
                method: "GET", path: list, sentence: "What the tenant has.",
                parameters: [.tenant], answers: [whole] + Answer.refusals(400, 404, 410, 422, 503)),
            APIOperation(
                method: "GET", path: item, sentence: "One; never its private key.",
                parameters: [.tenant, .item],
                answers: [whole] + Answer.refusals(400, 404, 410, 422, 503)
            ),
            APIOperation(
                method: "PUT", path: item, sentence: "Puts one in, or another in its place.",
                parameters: [.tenant, .item] + Parameter.manner, body: #"{"type":"object"}"#,
                isConditional: true,
                answers: [.written(200), .written(201)]
                    + [.tooLarge]
                    + Answer.refusals(400, 404, 409, 410, 412, 422, 503, 507)),
            APIOperation(
                method: "DELETE", path: item, sentence: "Takes one out.",
                parameters: [.tenant, .item] + Parameter.manner, isConditional: true,
                answers: [.written(200)]
                    + Answer.refusals(400, 404, 409, 410, 412, 422, 503, 507)),
        ]
    }
}

extension APIOperation.Parameter {
    fileprivate static let item = APIOperation.Parameter(
        name: "item", schema: #"{"type":"string","minLength":1,"maxLength":63}"#,
        sentence: "Its name.", isInPath: true)
    fileprivate static let connection = APIOperation.Parameter(
        name: "id", schema: #"{"type":"string","minLength":1}"#,
        sentence: "c- and 13 characters.", isInPath: true)
}
