// Certificates and authorities of tenants, and the installation's own: list, show, put, delete. No
// answer has a key.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import StraitControl

extension AdminAPI {
    func addCertificates(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.get("/v1/tenants/{name}/certificates") { _, context in
            try await Self.answer {
                try Self.json(
                    await control.certificates(of: try context.parameters.require("name")))
            }
        }
        router.get("/v1/tenants/{name}/certificates/{item}") { _, context in
            try await Self.answer {
                let found = try await control.certificate(
                    try context.parameters.require("item"),
                    of: try context.parameters.require("name"))
                return try Self.json(found, revision: found.revision)
            }
        }
        router.put("/v1/tenants/{name}/certificates/{item}") { request, context in
            try await Self.answer {
                let precondition = try Precondition(request)
                let body = try await request.bytes(upTo: bodyBytesMax)
                let write = try await control.putCertificate(
                    try context.parameters.require("item"),
                    of: try context.parameters.require("name"), body, if: precondition,
                    by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: write.isNew ? .created : .ok)
            }
        }
        router.delete("/v1/tenants/{name}/certificates/{item}") { request, context in
            try await Self.answer {
                let write = try await control.removeCertificate(
                    try context.parameters.require("item"),
                    of: try context.parameters.require("name"), if: try Precondition(request),
                    by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: .ok)
            }
        }
    }

    func addAuthorities(to router: Router<OperatorContext>) {
        let control = self.control
        let bodyBytesMax = self.bounds.bodyBytes
        router.get("/v1/tenants/{name}/authorities") { _, context in
            try await Self.answer {
                try Self.json(
                    await control.authorities(of: try context.parameters.require("name")))
            }
        }
        router.get("/v1/tenants/{name}/authorities/{item}") { _, context in
            try await Self.answer {
                let found = try await control.authority(
                    try context.parameters.require("item"),
                    of: try context.parameters.require("name"))
                return try Self.json(found, revision: found.revision)
            }
        }
        router.put("/v1/tenants/{name}/authorities/{item}") { request, context in
            try await Self.answer {
                let precondition = try Precondition(request)
                let body = try await request.bytes(upTo: bodyBytesMax)
                let write = try await control.putAuthority(
                    try context.parameters.require("item"),
                    of: try context.parameters.require("name"), body, if: precondition,
                    by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: write.isNew ? .created : .ok)
            }
        }
        router.delete("/v1/tenants/{name}/authorities/{item}") { request, context in
            try await Self.answer {
                let write = try await control.removeAuthority(
                    try context.parameters.require("item"),
                    of: try context.parameters.require("name"), if: try Precondition(request),
                    by: try context.caller.name, Self.manner(request))
                return try Self.written(write, status: .ok)
            }
        }
        router.get("/v1/installation/authority") { _, _ in
            try await Self.answer {
                let pem = try await control.installationAuthority()
                return try Self.json(InstallationAuthorityAnswer(certificate: pem))
            }
        }
    }

    static func json(
        _ answer: some Encodable, status: HTTPResponse.Status = .ok, revision: UInt64? = nil
    ) throws -> Response {
        Self.json(
            String(decoding: try AnswerJSON.encode(answer), as: UTF8.self), status: status,
            revision: revision)
    }
}
