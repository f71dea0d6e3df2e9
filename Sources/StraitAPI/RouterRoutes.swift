// Routers: who is there.

internal import Hummingbird
internal import StraitControl

extension AdminAPI {
    func addRouters(to router: Router<OperatorContext>) {
        let control = self.control
        router.get("/v1/routers") { request, _ in
            try await Self.answer {
                let page = try Page(request)
                let answer = try await control.routers(
                    after: page.after, limit: page.limit)
                return try Self.json(answer)
            }
        }
        router.get("/v1/routers/{name}") { _, context in
            try await Self.answer {
                let answer = try await control.router(
                    try context.parameters.require("name"))
                return try Self.json(answer)
            }
        }
    }
}

extension APIOperation {
    /// Requests about routers.
    static let routers: [APIOperation] = [
        APIOperation(
            method: "GET", path: "/v1/routers", sentence: "Routers, by their names.",
            parameters: Parameter.page,
            answers: [
                Answer(
                    status: 200, sentence: "A page.",
                    schema: #"{"type":"object","required":["routers"]}"#)
            ] + Answer.refusals(400, 422, 503)),
        APIOperation(
            method: "GET", path: "/v1/routers/{name}", sentence: "A router.",
            parameters: [
                Parameter(
                    name: "name", schema: #"{"type":"string","minLength":1,"maxLength":63}"#,
                    sentence: "The router's name.", isInPath: true)
            ],
            answers: [Answer(status: 200, sentence: "It.")] + Answer.refusals(404, 422, 503)),
    ]
}
