// A tenant of a registry: the keys of the file, with names where those are files.

import StraitConfig
import StraitCore
import Testing

@Suite("TenantDocument") struct TenantDocumentTests {
    private static let process: Configuration? = ConfigurationReader(checksFiles: false).read(
        text: """
            region: test
            router: r-1
            admin: { unix: admin.sock }
            listeners: [{ name: public, address: "127.0.0.1:0" }]
            tenants: [{ name: x, services: [] }]
            """, file: "strait.yaml"
    ).configuration

    private func read(
        _ json: String, named name: String = "a", certificates: [String] = []
    ) throws -> TenantDocument.Reading {
        try TenantDocument(json: Array(json.utf8)).tenant(
            named: name, certificates: certificates, process: try #require(Self.process))
    }

    @Test("has the keys of the file; what is a file there is a name here")
    func names() throws {
        let reading = try self.read(
            """
            {"name": "acme", "domains": ["acme.example.com"], "client_ca": ["people"],
             "limits": {"connections": 100},
             "services": [{"name": "orders", "protocol": "postgres", "mode": "terminate",
               "client_certificate": "required", "idle_timeout": "1h",
               "upstreams": [{"address": "tls://10.0.3.7:5432", "ca": "db", "certificate": "us"},
                             {"address": "tls://10.0.3.8:5432", "ca": "system"}]}]}
            """, named: "acme", certificates: ["web", "old"])
        #expect(reading.problems == [])
        let tenant = try #require(reading.tenant)
        #expect(tenant.name == "acme")
        #expect(tenant.limits.connections == 100)
        #expect(tenant.clientAuthorities.map(\.path) == ["tenant/acme/authority/people"])
        #expect(
            tenant.certificates.map(\.chain.path)
                == ["tenant/acme/certificate/web/chain", "tenant/acme/certificate/old/chain"])
        #expect(tenant.certificates.first?.key.path == "tenant/acme/certificate/web/key")
        let service = try #require(tenant.services.first)
        #expect(service.idleTimeout == .seconds(3600))
        let tls = try #require(service.upstreams[0].tls)
        #expect(tls.certificate?.chain.path == "tenant/acme/certificate/us/chain")
        guard case .file(let file)? = tls.authorities else {
            Issue.record("no authorities")
            return
        }
        #expect(file.path == "tenant/acme/authority/db")
        #expect(service.upstreams[1].tls?.authorities == .system)
    }

    @Test(
        "a problem has path, found, expected and remedy",
        arguments: [
            (#"{"services": []}"#, "name"), (#"{"name": "b"}"#, "name"),
            (#"{"name": "Acme"}"#, "name"),
            (#"{"name": "a", "domain": ["x.test"]}"#, "domain"),
            (#"{"name": "a", "certificates": []}"#, "certificates"),
            (#"{"name": "a", "client_ca": ["../b/c"]}"#, "client_ca[0]"),
            (
                #"{"name": "a", "domains": ["x.test"], "services": [{"name": "s", "#
                    + #""protocol": "tcp", "upstreams": [{"address": "tls://x.test:1", "#
                    + #""ca": "/etc/passwd"}]}]}"#,
                "services[0].upstreams[0].ca"
            ),
            (
                #"{"name": "a", "domains": ["x.test"], "services": [{"name": "s", "#
                    + #""protocol": "htp", "upstreams": []}]}"#,
                "services[0].protocol"
            ),
            (#"["a"]"#, ""),
        ])
    func problems(json: String, path: String) throws {
        let reading = try self.read(json)
        #expect(reading.tenant == nil)
        let problem = try #require(
            reading.problems.first { $0.path == path }, "\(reading.problems)")
        #expect(!problem.found.isEmpty && !problem.expected.isEmpty && !problem.remedy.isEmpty)
    }

    @Test("what asks for certificates without authorities is told once")
    func authorities() throws {
        let reading = try self.read(
            #"""
            {"name": "a", "domains": ["x.test"], "client_ca": ["-"], "services": [
              {"name": "s", "protocol": "web", "mode": "terminate",
               "client_certificate": "required", "upstreams": [{"address": "tcp://10.0.0.1:80"}]}]}
            """#)
        #expect(reading.problems.map(\.path) == ["client_ca[0]"])
    }
}
