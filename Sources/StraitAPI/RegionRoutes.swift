// Regions: list, show, put, delete.

internal import Hummingbird
internal import NIOCore
internal import StraitControl

extension AdminAPI {
    /// What a region may be put as; its name is in the path.
    private struct RegionBody: Decodable {
        var name: String?
        var description: String?
    }

    func addRegions(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.get("/v1/regions") { request, _ in
            try await Self.answer {
                let page = try Page(request)
                let answer = try await Self.registry(control).regions(
                    after: page.after, limit: page.limit)
                return try Self.json(answer)
            }
        }
        router.get("/v1/regions/{name}") { _, context in
            try await Self.answer {
                let answer = try await Self.registry(control).region(
                    try context.parameters.require("name"))
                return try Self.json(answer, revision: answer.revision)
            }
        }
        router.put("/v1/regions/{name}") { request, context in
            try await Self.answer {
                let name = try context.parameters.require("name")
                let precondition = try Precondition(request)
                let bytes = try await request.bytes(upTo: bodyBytesMax)
                let body = try Self.decoded(
                    RegionBody.self, bytes.isEmpty ? Array("{}".utf8) : bytes,
                    "the body is no region", #"it is {"description":"..."}, and may be empty"#)
                guard body.name == nil || body.name == name else {
                    throw APIProblem(
                        status: .unprocessableContent, title: "the name is another one",
                        detail: "name is \"\(name)\", as in the path, or left out")
                }
                let write = try await control.putRegion(
                    RegionRow(name: name, description: body.description), if: precondition,
                    by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: write.isNew ? .created : .ok)
            }
        }
        router.delete("/v1/regions/{name}") { request, context in
            try await Self.answer {
                let write = try await control.removeRegion(
                    try context.parameters.require("name"), if: try Precondition(request),
                    by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: .ok)
            }
        }
    }
}

extension APIOperation {
    /// Requests about regions.
    static let regions: [APIOperation] = {
        let name = Parameter(
            name: "name", schema: #"{"type":"string","minLength":1,"maxLength":63}"#,
            sentence: "The region's name.", isInPath: true)
        return [
            APIOperation(
                method: "GET", path: "/v1/regions", sentence: "Regions, by their names.",
                parameters: Parameter.page,
                answers: [
                    Answer(
                        status: 200, sentence: "A page.",
                        schema: #"{"type":"object","required":["regions"]}"#)
                ] + Answer.refusals(400, 422, 503)),
            APIOperation(
                method: "GET", path: "/v1/regions/{name}", sentence: "A region.",
                parameters: [name],
                answers: [Answer(status: 200, sentence: "It.")] + Answer.refusals(404, 422, 503)),
            APIOperation(
                method: "PUT", path: "/v1/regions/{name}", sentence: "Makes or changes a region.",
                parameters: [name] + Parameter.manner,
                body: #"{"type":"object","properties":{"name":{"type":["string","null"]},"#
                    + #""description":{"type":["string","null"]}}}"#,
                isConditional: true,
                answers: [.written(200), .written(201)]
                    + [.tooLarge]
                    + Answer.refusals(400, 409, 412, 422, 503, 507)),
            APIOperation(
                method: "DELETE", path: "/v1/regions/{name}",
                sentence: "Takes a region out where nobody is at home.",
                parameters: [name] + Parameter.manner, isConditional: true,
                answers: [.written(200)] + Answer.refusals(400, 404, 409, 412, 422, 503, 507)),
        ]
    }()
}
