// Host names: all of them, or one tenant's.

internal import Hummingbird
internal import StraitControl

extension AdminAPI {
    func addNames(to router: Router<OperatorContext>) {
        let control = self.control
        router.get("/v1/names") { request, context in
            try await Self.answer {
                let page = try Page(request, afterBytesMax: 255)
                let own = try context.caller.tenant
                let answer = try await control.nameListings(
                    after: page.after, limit: page.limit,
                    of: own ?? request.uri.queryParameters["tenant"].map(String.init))
                return try Self.json(answer)
            }
        }
    }
}

extension APIOperation {
    /// Requests about names.
    static let names = [
        APIOperation(
            method: "GET", path: "/v1/names", sentence: "Host names, in the order of their bytes.",
            parameters: [
                Parameter.page[0],
                Parameter(
                    name: "after", schema: #"{"type":"string","minLength":1,"maxLength":255}"#,
                    sentence: "The `next` of the page before."),
                Parameter(
                    name: "tenant", schema: #"{"type":"string","minLength":1,"maxLength":63}"#,
                    sentence: "Only this tenant's."),
            ],
            answers: [
                Answer(
                    status: 200, sentence: "A page.",
                    schema: #"{"type":"object","required":["names"]}"#)
            ] + Answer.refusals(400, 404, 410, 422, 503))
    ]
}
