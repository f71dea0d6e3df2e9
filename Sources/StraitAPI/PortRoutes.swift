// Leased ports of this router's region: all of them, or one tenant's.

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import StraitControl
internal import StraitCore

extension AdminAPI {
    func addPorts(to router: Router<OperatorContext>) {
        let control = self.control
        router.get("/v1/ports") { request, _ in
            await Self.ports(
                control, request, of: request.uri.queryParameters["tenant"].map(String.init))
        }
        router.get("/v1/tenants/{name}/ports") { request, context in
            await Self.ports(control, request, of: try context.parameters.require("name"))
        }
    }

    private static func ports(
        _ control: ControlPlane, _ request: Request, of tenant: String?
    ) async -> Response {
        do {
            let after = request.uri.queryParameters["after"].map { UInt16($0) } ?? 0
            let limit = request.uri.queryParameters["limit"].map { Int($0) } ?? 100
            guard let after, let limit, 1...Limits.storePageRowsMax ~= limit else {
                throw APIProblem(
                    status: .badRequest, title: "after or limit is no such number",
                    detail: "after is a port, limit a number from 1 to \(Limits.storePageRowsMax)")
            }
            let answer = try await control.ports(after: after, limit: limit, of: tenant)
            // One that has gone has ports in quarantine.
            if let tenant, answer.ports.isEmpty, after == 0 {
                try await control.checkThere(tenant)
            }
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(
                    byteBuffer: ByteBuffer(bytes: try AnswerJSON.encode(answer) + [10])))
        } catch let problem as APIProblem {
            return problem.response
        } catch let refusal as RegistryRefusal {
            return APIProblem(refusal).response
        } catch {
            return APIProblem(
                status: .internalServerError, title: "no answer", detail: "\(error)"
            ).response
        }
    }
}
