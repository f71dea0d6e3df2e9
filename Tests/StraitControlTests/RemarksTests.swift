// What is told with a change that is no error, and yet hardly what its tenant wants.

import StraitControl
import StraitCore
import StraitState
import Testing

@Suite("Remarks", .timeLimit(.minutes(3))) struct RemarksTests {
    private static func document(
        _ tenant: String, _ services: [String], upstream: String = "127.0.0.1", more: String = ""
    ) -> [UInt8] {
        let services = services.map {
            #"{"name":"\#($0)","protocol":"ssh","upstreams":[{"address":"tcp://\#(upstream):9"}]}"#
        }
        return Array(
            #"{"name":"\#(tenant)","services":[\#(services.joined(separator: ","))]\#(more)}"#.utf8)
    }

    @Test(
        "a port that closes because two services could answer is told, to who changes and who asks")
    func ports() async throws {
        let rig = try await PortRig(PortRig.ownAddress(70))
        func put(_ services: [String]) async throws -> RegistryWrite {
            try await rig.control.putTenant(
                "acme", Self.document("acme", services), if: .none, by: "test")
        }
        #expect(try await put(["one"]).remarks == nil)
        let remark =
            "port 11100 (ssh) is closed: of 2 ssh services none is the default "
            + "(strait service set acme/one --default)"
        #expect(try await put(["one", "two"]).remarks == [remark])
        for role in [Caller.Role.operator, .tenantAdministrator(tenant: "acme")] {
            let answer = try await rig.control.problems(ofTenant: "acme", as: role)
            #expect(answer.remarks == [remark])
            #expect(answer.problems.isEmpty && answer.ports == nil)
        }
        let listed = try await rig.control.ports(after: 0, limit: 2, of: "acme").ports
        #expect(listed.map(\.port) == [11100, 11101])
        #expect(listed[0].whyClosed.map { remark.hasSuffix($0) } == true)
        #expect(listed[1].whyClosed == "no service is named for it")
        #expect(try await put(["two"]).remarks == nil)
        #expect(try await rig.control.problems(ofTenant: "acme").remarks == [])
        try await rig.end()
    }

    @Test("a tenant without a name, where there are no ports, is told; one that is tried is not")
    func unreachable() async throws {
        let rig = try await RegistryRig()
        let document = Self.document("beta", ["one"])
        let tried = try await rig.control.putTenant(
            "beta", document, if: .none, by: "test", .tried)
        #expect(tried.remarks == nil)
        let made = try await rig.control.putTenant("beta", document, if: .none, by: "test")
        #expect(
            made.remarks
                == ["nobody can reach it: it has no domain (strait name add beta NAME)"])
        let named = Self.document("beta", ["one"], more: Self.domains)
        let changed = try await rig.control.putTenant("beta", named, if: .none, by: "test")
        #expect(changed.remarks == nil)
        try await rig.end()
    }

    @Test("an upstream's name that is not found, or leads to the router itself alone, is told")
    func names() async throws {
        let rig = try await RegistryRig { name in
            switch "\(name)" {
            case "own.internal":
                (.addresses([IPAddress(v4: 127, 0, 0, 1)], lifetimeSeconds: 60), .none)
            case "db.internal":
                (.addresses([IPAddress(v4: 192, 0, 2, 1)], lifetimeSeconds: 60), .none)
            default: (.none, .none)
            }
        }
        func remarks(_ upstream: String) async throws -> [String]? {
            try await rig.control.putTenant(
                "beta", Self.document("beta", ["one"], upstream: upstream, more: Self.domains),
                if: .none, by: "test"
            ).remarks
        }
        #expect(try await remarks("db.internal") == nil)
        #expect(
            try await remarks("own.internal") == [
                "upstream own.internal leads to the router's own machine alone, where names of "
                    + "tenants' upstreams must not"
            ])
        #expect(
            try await remarks("gone.internal")
                == ["upstream gone.internal has no address: its name was not found"])
        try await rig.end()
    }

    private static let domains = #","domains":["beta.example.com"]"#
}
