// A whole registry out, page by page, and into another.

internal import Hummingbird
internal import NIOCore
internal import StraitConfig
internal import StraitControl
internal import StraitCore

extension AdminAPI {
    func addMoving(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.get("/v1/state/tenants") { request, _ in
            try await Self.answer {
                let page = try Page(request)
                let found = try await Self.registry(control).movedTenants(
                    after: page.after, limit: page.limit)
                let unreadable = found.unreadable.map { JSONString.quoted($0) }
                return Self.list(
                    "tenants", found.items, next: found.next,
                    more: unreadable.isEmpty
                        ? "" : ",\"unreadable\":[\(unreadable.joined(separator: ","))]")
            }
        }
        router.put("/v1/state/tenants/{name}") { request, context in
            try await Self.answer {
                let body = try await request.bytes(upTo: bodyBytesMax)
                let write = try await control.moveTenant(
                    try context.parameters.require("name"), body, by: try context.caller.name,
                    Self.manner(request))
                return try Self.written(write, status: write.isNew ? .created : .ok)
            }
        }
        router.get("/v1/state/ports") { request, _ in
            try await Self.answer {
                let page = try Page(request)
                return try Self.json(
                    try await Self.registry(control).movedPorts(
                        after: page.after, limit: page.limit))
            }
        }
        router.put("/v1/state/ports") { request, context in
            try await Self.answer {
                let moved = try Self.decoded(
                    MovedPorts.self, try await request.bytes(upTo: bodyBytesMax), Self.unread,
                    #"it is {"ports":[{"region":"eu","port":11105,"tenant":"acme","kind":"ssh"}]}"#)
                let write = try await control.movePorts(
                    moved.ports, by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: .ok)
            }
        }
        router.get("/v1/state/installation") { _, _ in
            try await Self.answer {
                try Self.json(try await Self.registry(control).movedInstallation())
            }
        }
        router.put("/v1/state/installation") { request, context in
            try await Self.answer {
                let moved = try Self.decoded(
                    MovedInstallation.self, try await request.bytes(upTo: bodyBytesMax),
                    Self.unread, #"it is {"certificate":"PEM","sealed_key":"base64"}"#)
                let write = try await control.moveInstallation(
                    moved, by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: .ok)
            }
        }
    }

    private static let unread = "the body cannot be read"
}

extension APIOperation {
    /// Requests that move a registry.
    static let moving: [APIOperation] = {
        func list(_ name: String) -> Answer {
            Answer(
                status: 200, sentence: "A page.",
                schema: #"{"type":"object","required":["\#(name)"]}"#)
        }
        let text = #"{"type":"string"}"#
        return [
            APIOperation(
                method: "GET", path: "/v1/state/tenants",
                sentence: "Tenants with what was uploaded for them, keys as they are sealed.",
                parameters: Parameter.page,
                answers: [list("tenants")] + Answer.refusals(400, 422, 503)),
            APIOperation(
                method: "PUT", path: "/v1/state/tenants/{name}",
                sentence: "Makes or changes a tenant with what was uploaded for it elsewhere.",
                parameters: [.tenant] + Parameter.manner,
                body: #"{"type":"object","required":["document"],"properties":{"document":"#
                    + ##"{"$ref":"#/components/schemas/Tenant"},"certificates":{"type":"array"},"##
                    + #""authorities":{"type":"array"}}}"#,
                answers: [.written(200), .written(201), .tooLarge]
                    + Answer.refusals(400, 409, 410, 422, 503, 507)),
            APIOperation(
                method: "GET", path: "/v1/state/ports",
                sentence: "Ports of all regions that are leased or in quarantine.",
                parameters: Parameter.page,
                answers: [list("ports")] + Answer.refusals(400, 422, 503)),
            APIOperation(
                method: "PUT", path: "/v1/state/ports",
                sentence: "Keeps up to \(Limits.movedPortsMax) ports for tenants that are to come.",
                parameters: Parameter.manner,
                body: #"{"type":"object","required":["ports"],"properties":{"ports":"#
                    + #"{"type":"array","items":{"type":"object"}}}}"#,
                answers: [.written(200), .tooLarge] + Answer.refusals(400, 409, 422, 503, 507)),
            APIOperation(
                method: "GET", path: "/v1/state/installation",
                sentence: "The installation's authority, its key as it is sealed.",
                answers: [Answer(status: 200, sentence: "It.")]
                    + Answer.refusals(404, 422, 503)),
            APIOperation(
                method: "PUT", path: "/v1/state/installation",
                sentence: "Takes up another installation's authority where nobody trusts this one.",
                parameters: Parameter.manner,
                body: #"{"type":"object","required":["certificate","sealed_key"],"properties":"#
                    + #"{"certificate":\#(text),"sealed_key":\#(text)}}"#,
                answers: [.written(200), .tooLarge] + Answer.refusals(400, 409, 422, 503, 507)),
        ]
    }()
}
