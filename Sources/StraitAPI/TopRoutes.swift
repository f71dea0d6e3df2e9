// Which tenants use the most.

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import StraitConfig
internal import StraitControl
internal import StraitCore

extension AdminAPI {
    func addTop(to router: Router<OperatorContext>) {
        let control = self.control
        let places = RequestPlaces(Limits.topReadingsMax)
        router.get("/v1/top") { request, context in
            try await Self.answer {
                let own = try context.caller.tenant
                let question = try TopQuestion(request, of: own)
                guard let place = places.take(for: own) else {
                    throw APIProblem(
                        status: .serviceUnavailable, title: "too many look already",
                        detail: "\(places.count) may look at all tenants at once; ask again")
                }
                defer { withExtendedLifetime(place) {} }
                let answer = try await control.top(question)
                return try Self.json(answer)
            }
        }
    }
}

extension TopQuestion {
    /// `?sort=&limit=&seconds=&tenant=`; an administrator asks for its own tenant.
    fileprivate init(_ request: Request, of own: String?) throws(APIProblem) {
        let query = request.uri.queryParameters
        self.init(tenant: own ?? query["tenant"].map(String.init))
        if let text = query["sort"] {
            guard let order = TopOrder(rawValue: String(text)) else {
                throw APIProblem(
                    status: .badRequest, title: "sort is no order",
                    detail: "sort is "
                        + TopOrder.allCases.map(\.rawValue).joined(separator: ", "))
            }
            self.order = order
        }
        self.limit = try Self.number(
            query["limit"], "limit", 1...Limits.topTenantsMax, else: self.limit)
        self.seconds = try Self.number(
            query["seconds"], "seconds", 0...Limits.topSecondsMax, else: self.seconds)
        if let tenant = self.tenant, !RegisteredFile.isName(tenant) {
            throw APIProblem(
                status: .badRequest, title: "tenant is no name",
                detail: "tenant is the name of one: a-z, 0-9, - and _")
        }
    }

    private static func number(
        _ text: Substring?, _ name: String, _ range: ClosedRange<Int>, else usual: Int
    ) throws(APIProblem) -> Int {
        guard let text else { return usual }
        guard let number = Int(text), range.contains(number) else {
            throw APIProblem(
                status: .badRequest, title: "\(name) is no such number",
                detail: "\(name) is a whole number from \(range.lowerBound) to "
                    + "\(range.upperBound)")
        }
        return number
    }
}
