// Ways without TLS to services that need it: each is an error that names both lines.

import StraitConfig
import Testing

@Suite("A way without TLS") struct WithoutTLSTests {
    /// A listener on line 2, a service on line 8, and the last line for the top.
    private static func problems(
        _ listener: String, _ service: String, defaults: String = ""
    ) -> [ConfigurationProblem] {
        let text = """
            listeners:
              - { name: public, address: "127.0.0.1:8443", \(listener) }
            tenants:
              - name: acme
                domains: [acme.example.com]
                client_ca: [people.pem]
                services:
                  - { name: s, \(service),
                      upstreams: [{ address: "tcp://127.0.0.1:22" }] }
            \(defaults)

            """
        return ConfigurationReader(checksFiles: false).read(text: text, file: "a.yaml").problems
    }

    @Test(
        "to a service whose protocol or mode cannot be read is not judged: one fault, one problem",
        arguments: ["protocol: shh, mode: terminate", "protocol: tcp, mode: terminat"])
    func notUnderstood(service: String) {
        let problems = Self.problems(
            "protocols: [tls, ssh]", service, defaults: "defaults: { ssh: acme/s }")
        #expect(problems.map(\.code) == [.notAChoice], "\(problems)")
    }

    @Test(
        "to MySQL, on which both sides would wait, is a warning",
        arguments: [
            (
                "protocols: [tls], tenant: acme, service: s",
                [ConfigurationProblem.Code.bothWait]
            ),
            ("tenant: acme, service: s", []), ("protocols: raw, tenant: acme, service: s", []),
            ("server_first: mysql, tenant: acme, service: s", []), ("tenant: acme", []),
        ])
    func bothWait(listener: String, codes: [ConfigurationProblem.Code]) {
        let problems = Self.problems(listener, "protocol: mysql")
        #expect(problems.map(\.code) == codes, "\(problems)")
        #expect(problems.allSatisfy { $0.path == "listeners[0].service" })
    }

    private static let withCertificate = [
        "protocol: ssh, mode: terminate, default: true, client_certificate: required",
        "protocol: ssh, mode: terminate, default: true, client_certificate: optional",
    ]

    @Test(
        "to a service that asks for certificates is an error that names both lines",
        arguments: [
            ("protocols: raw, tenant: acme, service: s", "", "listeners[0].service", 2),
            ("tenant: acme, service: s", "", "listeners[0].service", 2),
            ("protocols: [tls, ssh], tenant: acme, service: s", "", "listeners[0].protocols", 2),
            ("protocols: [tls, ssh], tenant: acme", "", "listeners[0].protocols", 2),
            ("tenant: acme", "", "listeners[0].protocols", 2),
            (
                "protocols: [tls], tenant: acme, server_first: ssh", "",
                "listeners[0].server_first", 2
            ),
            (
                "protocols: [tls], tenant: acme, service: s, server_first: ssh", "",
                "listeners[0].server_first", 2
            ),
            ("protocols: [tls, ssh]", "defaults: { ssh: acme/s }", "defaults.ssh", 10),
            ("server_first: ssh", "defaults: { ssh: acme/s }", "defaults.ssh", 10),
        ], withCertificate)
    func certificate(
        way: (listener: String, defaults: String, path: String, line: Int), service: String
    ) throws {
        let problems = Self.problems(way.listener, service, defaults: way.defaults)
        #expect(problems.map(\.path) == [way.path])
        let problem = try #require(problems.first)
        #expect(problem.code == .keysExclude && problem.severity == .error)
        #expect(problem.line == way.line && problem.found.contains("(line 8)"))
        #expect(problem.found.contains("client_certificate"))
        #expect(problem.remedy.contains("client_certificate"))
    }

    @Test(
        "to a service whose TLS ends here is an error, but for SSH, which needs none, and MySQL",
        arguments: [
            ("protocols: raw, tenant: acme, service: s", "protocol: web", true),
            ("protocols: raw, tenant: acme, service: s", "protocol: postgres", true),
            ("protocols: raw, tenant: acme, service: s", "protocol: tcp", true),
            ("protocols: [tls, ssh], tenant: acme, service: s", "protocol: tcp", true),
            ("protocols: raw, tenant: acme, service: s", "protocol: ssh", false),
            ("protocols: raw, tenant: acme, service: s", "protocol: mysql", false),
            ("tenant: acme, service: s, server_first: mysql", "protocol: mysql", false),
            ("tenant: acme, server_first: mysql", "protocol: mysql, default: true", false),
            ("tenant: acme, server_first: ssh", "protocol: ssh, default: true", false),
            ("protocols: [tls, ssh], tenant: acme, service: s", "protocol: postgres", false),
            ("protocols: [tls, http, postgres], tenant: acme", "protocol: postgres", false),
            ("protocols: [tls, http, postgres], tenant: acme", "protocol: web", false),
        ])
    func terminate(listener: String, service: String, isProblem: Bool) throws {
        let problems = Self.problems(listener, service + ", mode: terminate")
        #expect(problems.map(\.code) == (isProblem ? [.keysExclude] : []))
        guard isProblem else { return }
        #expect(problems.first?.line == 2)
        #expect(problems.first?.found.contains("(line 8), whose mode is terminate") == true)
        #expect(Self.problems(listener, service).isEmpty, "passthrough takes bytes as they are")
    }

    @Test("to MySQL whose TLS ends here may ask for certificates: its TLS comes later")
    func mySQL() {
        for policy in ["optional", "required"] {
            let service = "protocol: mysql, mode: terminate, client_certificate: \(policy)"
            for listener in [
                "protocols: raw, tenant: acme, service: s",
                "tenant: acme, service: s, server_first: mysql",
            ] {
                #expect(Self.problems(listener, service).isEmpty)
            }
        }
    }

    @Test(
        "that leads elsewhere is no problem of the service",
        arguments: [
            ("protocols: [tls], tenant: acme, service: s", ""),
            ("protocols: [tls, http, postgres], tenant: acme", ""),
            ("protocols: [tls, ssh]", ""),
        ])
    func elsewhere(listener: String, defaults: String) {
        for service in Self.withCertificate {
            #expect(Self.problems(listener, service, defaults: defaults).isEmpty)
        }
    }
}
