// Audit rows: of long documents, of one tenant alone, and their end.

import Foundation
import StraitConfig
import StraitControl
import StraitCore
import StraitStore
import Testing

@Suite("Audit rows", .timeLimit(.minutes(3))) struct AuditTests {
    @Test("a document that is too long to be quoted is changed all the same, and its row says so")
    func longDocument() async throws {
        let rig = try await RegistryRig()
        for domain in ["one", "two"] {
            let services = (0..<30).map { number in
                let upstreams = (1...64).map { #"{"address":"tcp://10.1.\#(number).\#($0):80"}"# }
                return #"{"name":"s\#(number)","protocol":"web","mode":"passthrough","#
                    + #""upstreams":[\#(upstreams.joined(separator: ","))]}"#
            }
            let text =
                #"{"name":"acme","domains":["\#(domain).example.com"],"#
                + #""services":[\#(services.joined(separator: ","))]}"#
            _ = try await rig.control.putTenant("acme", Array(text.utf8), if: .none, by: "test")
        }
        let registry = try #require(rig.control.registry)
        let last = try #require(try await registry.audit(after: nil, limit: 10).entries.last)
        #expect(last.isCut == true && last.action == "change")
        #expect(last.before?.utf8.count == Limits.auditQuoteBytesMax)
        #expect(last.after?.hasPrefix(#"{"name":"acme""#) == true)
        try await rig.end()
    }

    @Test("a tenant's are paged through without a word of others, and of those before it")
    func pages() async throws {
        let rig = try await RegistryRig()
        let registry = try #require(rig.control.registry)
        _ = try await rig.put("acme")
        _ = try await rig.control.removeTenant("acme", if: .none, by: "test")
        for domain in ["a", "b", "c"] {
            _ = try await rig.put("acme", domain: "\(domain).example.com")
            _ = try await rig.put("beta", domain: "\(domain).example.net")
        }
        let all = try await registry.audit(after: nil, limit: 1000).entries
        let own = all.filter { $0.resource == "tenant/acme" }.dropFirst(2).map(\.id)
        var found: [String] = []
        var next: String?
        repeat {
            let page = try await registry.audit(after: next, limit: 1, of: "acme")
            found += page.entries.map(\.id)
            next = page.next
            #expect(next.map { own.contains($0) } != false)
        } while next != nil
        #expect(found == own && own.count == 3)
        #expect(try await registry.audit(after: nil, limit: 10, of: "nobody").entries.isEmpty)
        try await rig.end()
    }

    @Test("the oldest are forgotten, with what finds them, and the others stay")
    func forgetting() async throws {
        let rig = try await RegistryRig()
        let registry = try #require(rig.control.registry)
        for domain in ["a", "b", "c", "d"] {
            _ = try await rig.put("acme", domain: "\(domain).example.com")
        }
        func own() async throws -> [String] {
            try await registry.audit(after: nil, limit: 10, of: "acme").entries.map(\.id)
        }
        let ids = try await own()
        #expect(ids.count == 4)
        #expect(try await registry.forgetAudits(excess: 0, before: 0) == 0)
        let third = try #require(UInt64(ids[2].prefix { $0 != "-" }))
        // The first by number, the second by age.
        #expect(try await registry.forgetAudits(excess: 1, before: third) == 2)
        #expect(try await own() == Array(ids[2...]))
        let rows = try await registry.store.page(prefix: "audit", after: nil, limit: 100).rows
        #expect(!rows.contains { $0.key.description.contains(ids[0]) })
        try await rig.end()
    }
}
