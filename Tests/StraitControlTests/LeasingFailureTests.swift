// Ports that cannot be leased for a while, as the registry can be read and not be written.

import Foundation
import GRDB
import StraitControl
import StraitStore
import Testing

@Suite("Leased ports that cannot be written", .timeLimit(.minutes(3))) struct LeasingFailureTests {
    @Test("keep nobody from following changes, and are leased when they can be, which is told")
    func follows() async throws {
        let rig = try await PortRig(PortRig.ownAddress(15))
        let queue = try DatabaseQueue(path: rig.folder.appendingPathComponent("registry.db").path)
        try await queue.write { database in
            try database.execute(
                sql: """
                    CREATE TRIGGER full BEFORE INSERT ON row WHEN NEW.key LIKE 'port/%'
                    BEGIN SELECT RAISE(ABORT, 'no room'); END
                    """)
        }
        let store = try #require(rig.control.registry?.store)
        for name in ["acme", "beta"] {
            let document = Array(#"{"name":"\#(name)","services":[]}"#.utf8)
            _ = try await store.commit(
                [.put(try RowKey("tenant/\(name)/document"), document)], if: [])
            try await rig.waitUntilLive()
        }
        await rig.control.retryPorts()
        #expect(await rig.control.status().registry?.failure == nil)
        #expect(await rig.control.portStatus?.leased == 0)
        let told = try await rig.control.problems(ofTenant: "beta")
        #expect(told.ports?.contains("no room") == true, "\(told)")
        let administrator = Caller.Role.tenantAdministrator(tenant: "beta")
        let less = try await rig.control.problems(ofTenant: "beta", as: administrator)
        #expect(less.ports == "they are being leased", "what fails may name other tenants")
        try await queue.write { try $0.execute(sql: "DROP TRIGGER full") }
        await rig.control.retryPorts()
        try await rig.waitUntilLive()
        let ports = try await rig.ports("beta")
        #expect(ports["ssh"] == 11105 && ports.count == 5)
        let entry = try await rig.control.registry?.audit(after: nil, limit: 100).entries
            .first { $0.action == "lease" }
        #expect(entry?.resource == "tenant/acme/ports" && entry?.actor == "strait")
        #expect(entry?.before == nil && entry?.after?.hasPrefix(#"{"ssh":11100,"#) == true)
        try queue.close()
        try await rig.end()
    }
}
