// Renaming a tenant.
//
// The old name answers 410 with `renamed_to`, whatever is asked of it. A redirect (308) would be
// followed by most programs unasked, method and body kept: a DELETE would take out a tenant that
// nobody named, and a PUT repeats the old name in its body, which is wrong behind the redirect.

internal import Foundation
internal import Hummingbird
internal import NIOCore
internal import StraitConfig
internal import StraitControl

extension AdminAPI {
    func addRenaming(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.post("/v1/tenants/{name}/rename") { request, context in
            try await Self.answer {
                let name = try context.parameters.require("name")
                let precondition = try Precondition(request)
                let body = try await request.bytes(upTo: bodyBytesMax)
                let wish = try Self.decoded(
                    RenameWish.self, body, "the body is no rename",
                    #"it is {"name":"anvil","domain":"anvil.example.com","#
                        + #""grace":"720h"}, where domain and grace may be left out"#)
                let write = try await control.renameTenant(
                    name, wish, if: precondition, by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: .ok)
            }
        }
    }
}

extension APIOperation {
    /// Requests that rename.
    static let renaming = [
        APIOperation(
            method: "POST", path: "/v1/tenants/{name}/rename",
            sentence: "Gives a tenant another name; the old ones lead to it for a while.",
            parameters: [.tenant] + Parameter.manner,
            body: #"{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"#
                + #""domain":{"type":["string","null"]},"grace":{"type":["string","null"]}}}"#,
            isConditional: true,
            answers: [.written(200)]
                + [.tooLarge]
                + Answer.refusals(400, 404, 409, 410, 412, 422, 503, 507))
    ]
}
