// Ports that come and go without a tenant's own change: given back, moved here, only tried.

import Foundation
import StraitControl
import StraitCore
import StraitRouting
import StraitStore
import Testing

@Suite("Leased ports, by other ways", .serialized, .timeLimit(.minutes(3)))
struct PortMovingTests {
    @Test("ports of a tenant that a router without them took out are given back")
    func gone() async throws {
        let rig = try await PortRig(PortRig.ownAddress(16))
        try await rig.put("acme")
        try await rig.put("beta")
        let store = try #require(rig.control.registry?.store)
        // As a router of another region does it.
        let revision = try await store.commit(
            [
                .delete(try RowKey("tenant/acme/document")),
                .delete(try RowKey("name/acme.example.com")),
            ], if: [])
        #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
        await rig.control.retryPorts()
        try await rig.waitUntilLive()
        #expect(try await rig.ports("acme").isEmpty)
        #expect(try await rig.ports("beta").count == 5)
        #expect(await rig.control.portStatus?.quarantined == 5)
        let entries = try await rig.control.registry?.audit(after: nil, limit: 1000).entries
        #expect(entries?.last?.resource == "tenant/acme/ports" && entries?.last?.after == nil)
        try await rig.end()
    }

    @Test("ports that come from another registry wait for their tenants, those that ended do not")
    func moved() async throws {
        let rig = try await PortRig(PortRig.ownAddress(17))
        func port(_ number: UInt16, _ tenant: String, until: String? = nil) throws -> MovedPort {
            let end = until.map { #","until":"\#($0)""# } ?? ""
            let json =
                #"{"region":"eu","port":\#(number),"tenant":"\#(tenant)","kind":"ssh"\#(end)}"#
            return try AnswerJSON.decode(MovedPort.self, from: Array(json.utf8))
        }
        let begin = try await rig.control.registry?.store.revision()
        let ended = try port(11100, "gone", until: "2020-01-01T00:00:00Z")
        let none = try await rig.control.movePorts([ended], by: "test")
        #expect(none.revision == begin)
        let acme = try port(11121, "acme")
        for _ in 0..<2 { _ = try await rig.control.movePorts([acme, ended], by: "test") }
        let kept = try await rig.control.registry?.movedPorts(after: nil, limit: 9).ports
        #expect(kept?.map(\.port) == [11121] && kept?.first?.until != nil)
        await #expect(throws: RegistryRefusal.self) {
            try await rig.control.movePorts([try port(11121, "beta")], by: "test")
        }
        await #expect(throws: RegistryRefusal.self) {
            try await rig.control.movePorts([try port(80, "beta")], by: "test")
        }
        try await rig.put("acme")
        #expect(try await rig.ports("acme")["ssh"] == 11121)
        let later = try await rig.control.registry?.movedPorts(
            after: nil, limit: 9, now: 9_000_000_000
        ).ports
        #expect(later?.count == 5, "what is leased has no end")
        try await rig.end()
    }

    @Test("what is only tried is told what it would be told, and keeps no port from anybody")
    func tried() async throws {
        let rig = try await PortRig(PortRig.ownAddress(15), ports: "11100-11106")
        let fixed = #","ports":[{"kind":"ssh","port":11103}]"#
        let revision = try #require(try await rig.control.registry?.store.revision())
        try await rig.put("acme", more: fixed, .tried)
        try await rig.put("acme", .tried)
        #expect(try await rig.control.registry?.store.revision() == revision)
        try await rig.put("beta", more: fixed)
        #expect(try await rig.ports("beta")["ssh"] == 11103, "nobody had it meanwhile")
        #expect(try await rig.ports("acme").isEmpty)
        for manner in [WriteManner.tried, .live] {
            guard
                case .port(.exhausted(wanted: 5, free: 2, _)) = try await rig.refusal(
                    "acme", manner)
            else {
                Issue.record("\(manner)")
                continue
            }
        }
        _ = try await rig.control.removeTenant("beta", if: .none, by: "test", .tried)
        #expect(try await rig.ports("beta").count == 5, "it is still there")
        try await rig.end()
    }
}
