// Configurations with one fault each, and the one problem that must be told.

import StraitConfig
import Testing

/// A configuration with one fault.
struct BrokenConfiguration: Sendable, CustomTestStringConvertible {
    var yaml: String
    var code: ConfigurationProblem.Code
    var line: Int
    var path: String
    var remedy: String

    init(
        _ code: ConfigurationProblem.Code, line: Int, _ path: String, _ remedy: String,
        _ yaml: String
    ) {
        self.yaml = yaml
        self.code = code
        self.line = line
        self.path = path
        self.remedy = remedy
    }

    var testDescription: String { "\(self.code) at \(self.path.isEmpty ? "the file" : self.path)" }

    /// A fault among the keys at the top; line 1 is the fault's.
    static func top(
        _ code: ConfigurationProblem.Code, _ path: String, _ remedy: String, _ line: String
    ) -> Self {
        .init(code, line: 1, path, remedy, "\(line)\n\(Self.listeners)\(Self.tenants)")
    }

    /// A fault in the second listener; line 3 is the fault's.
    static func listener(
        _ code: ConfigurationProblem.Code, _ key: String, _ remedy: String, _ listener: String
    ) -> Self {
        .init(
            code, line: 3, "listeners[1]\(key)", remedy,
            "\(Self.listeners)  - { \(listener) }\n\(Self.tenants)")
    }

    /// A fault in the second service; line 8 is the fault's.
    static func service(
        _ code: ConfigurationProblem.Code, _ key: String, _ remedy: String, _ service: String
    ) -> Self {
        .init(
            code, line: 8, "tenants[0].services[1]\(key)", remedy,
            "\(Self.listeners)\(Self.tenants)      - { \(service) }\n")
    }

    /// A fault in the only upstream of the second service, which ends TLS.
    static func upstream(
        _ code: ConfigurationProblem.Code, _ key: String, _ remedy: String, _ upstream: String
    ) -> Self {
        .service(
            code, ".upstreams[0]\(key)", remedy,
            "name: db, protocol: postgres, mode: terminate, upstreams: [{ \(upstream) }]")
    }

    /// Lines 1 and 2.
    static let listeners = """
        listeners:
          - { name: public, address: "127.0.0.1:8443" }

        """

    /// Five lines, the last a service of the first tenant.
    static let tenants = """
        tenants:
          - name: acme
            domains: [acme.example.com]
            services:
              - { name: www, protocol: web, upstreams: [{ address: "tcp://127.0.0.1:80" }] }

        """
}
