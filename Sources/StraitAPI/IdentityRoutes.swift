// Operators and tenants' administrators: list, issue, withdraw; and who asks.

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import StraitControl

extension AdminAPI {
    func addIdentities(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.get("/v1/whoami") { _, context in
            try await Self.answer {
                try Self.json(WhoAsksAnswer(try context.caller))
            }
        }
        for path in ["/v1/operators", "/v1/tenants/{name}/administrators"] {
            router.get(RouterPath(path)) { _, context in
                try await Self.answer {
                    try Self.json(
                        await Self.registry(control).identities(of: context.parameters.get("name")))
                }
            }
            router.post(RouterPath(path)) { request, context in
                try await Self.answer {
                    let body = try await request.bytes(upTo: bodyBytesMax)
                    let issued = try await Self.registry(control).issueIdentity(
                        try Self.identityRequest(body), of: context.parameters.get("name"),
                        by: try context.caller.name)
                    return try Self.json(issued, status: .created)
                }
            }
            router.delete(RouterPath(path + "/{fingerprint}")) { _, context in
                try await Self.answer {
                    let revision = try await Self.registry(control).removeIdentity(
                        try context.parameters.require("fingerprint"),
                        of: context.parameters.get("name"), by: try context.caller.name)
                    return Self.json("{\"revision\":\(revision)}", revision: revision)
                }
            }
        }
    }

    private static func identityRequest(_ body: [UInt8]) throws(APIProblem) -> IdentityRequest {
        try Self.decoded(
            IdentityRequest.self, body, "the body is no request for a certificate",
            #"expected {"name": "anna", "valid_seconds": 2592000}"#)
    }
}

extension APIOperation {
    static let identities =
        [
            APIOperation(
                method: "GET", path: "/v1/whoami", sentence: "Who asks.",
                answers: [Answer(status: 200, sentence: "Name and role.")])
        ] + Self.identities("/v1/operators", [])
        + Self.identities("/v1/tenants/{name}/administrators", [.tenant])

    private static func identities(
        _ path: String, _ parameters: [Parameter]
    ) -> [APIOperation] {
        [
            APIOperation(
                method: "GET", path: path, sentence: "Who has a certificate.",
                parameters: parameters,
                answers: [Answer(status: 200, sentence: "They.")]
                    + Answer.refusals(400, 404, 422, 503)),
            APIOperation(
                method: "POST", path: path, sentence: "Issues a certificate with its key.",
                parameters: parameters,
                body: """
                    {"type":"object","required":["name"],"properties":{"name":{"type":"string",\
                    "minLength":1,"maxLength":64},"valid_seconds":{"type":"integer"}}}
                    """,
                answers: [
                    Answer(status: 201, sentence: "It."),
                    .tooLarge,
                ] + Answer.refusals(400, 404, 409, 422, 503, 507)),
            APIOperation(
                method: "DELETE", path: path + "/{fingerprint}", sentence: "Withdraws one.",
                parameters: parameters + [
                    Parameter(
                        name: "fingerprint", schema: #"{"type":"string","minLength":1}"#,
                        sentence: "SHA-256 of the certificate, in hexadecimal.", isInPath: true)
                ],
                answers: [Answer(status: 200, sentence: "The revision that has it.")]
                    + Answer.refusals(400, 404, 409, 422, 503, 507)),
        ]
    }
}
