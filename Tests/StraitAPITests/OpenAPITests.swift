// The document of the API is the API.

import Foundation
import StraitAPI
import Testing

@Suite("The OpenAPI document", .timeLimit(.minutes(3))) struct OpenAPITests {
    @Test("has every request that is taken, and no other")
    func routes() async throws {
        let rig = try await Rig()
        let answer = try await rig.ask("GET", "/v1/openapi.json")
        #expect(answer.status == 200 && answer.contentType == "application/json")
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(answer.bytes)) as? [String: Any])
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        let documented = Set(
            paths.flatMap { path, items in items.keys.map { "\($0.uppercased()) \(path)" } })
        #expect(documented == rig.requests)
        #expect(rig.requests.count > 15)
        try await rig.end()
    }

    @Test("a method that a path does not take is 405 with those that it takes; other paths are 404")
    func methods() async throws {
        let rig = try await Rig()
        let wrong = try await rig.ask("DELETE", "/v1/tenants")
        #expect(wrong.status == 405 && wrong.headers["allow"] == "GET")
        let other = try await rig.ask("POST", "/v1/tenants/acme")
        #expect(other.status == 405 && other.headers["allow"] == "DELETE, GET, PUT")
        #expect(try await rig.ask("GET", "/v1/nothing").status == 404)
        try await rig.end()
    }
}
