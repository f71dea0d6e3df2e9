// Faults of services and upstreams.

import StraitConfig

extension BrokenConfigurationTests {
    private static let tcp = "upstreams: [{ address: \"tcp://127.0.0.1:80\" }]"

    static let serviceFaults: [BrokenConfiguration] = [
        .service(
            .unknownKey, ".protocl", "did you mean \"protocol\"?", "name: b, protocl: web, \(tcp)"),
        .service(.missingKey, ".upstreams", "add upstreams", "name: b, protocol: web"),
        .service(
            .notInThisRelease, ".pin",
            "take it out: pinning certificates to addresses is not available in this release",
            "name: b, protocol: web, pin: required, \(tcp)"),
        .service(
            .notAChoice, ".health.check", "did you mean \"http\"?",
            "name: b, protocol: web, health: { check: htp }, \(tcp)"),
        .service(
            .keyNeedsAnother, ".health.path", "write check: http, or take it out",
            "name: b, protocol: web, health: { check: tcp, path: /up }, \(tcp)"),
        .service(
            .malformedText, ".health.path", "begin with a slash",
            "name: b, protocol: web, health: { check: http, path: up }, \(tcp)"),
        .service(
            .malformedText, ".health.path", "write other bytes as %XX (RFC 3986)",
            "name: b, protocol: web, health: { check: http, path: \"/a b\" }, \(tcp)"),
        .service(
            .wrongRelation, ".health.timeout", "shorten timeout or lengthen interval",
            "name: b, protocol: web, health: { check: tcp, timeout: 6s }, \(tcp)"),
        .service(
            .wrongRelation, ".health.ejection", "shorten ejection or lengthen ejection_max",
            "name: b, protocol: web, health: { ejection: 61s }, \(tcp)"),
        .service(
            .keysExclude, ".health.check", "write check: http",
            "name: b, protocol: web, mode: terminate, health: { check: https }, \(tcp)"),
        .service(
            .keysExclude, ".health.check", "write check: greeting",
            "name: b, protocol: mysql, health: { check: tls }, \(tcp)"),
        .service(
            .keysExclude, ".upstreams[0]", "write tls:// with ca, or mode: passthrough",
            "name: b, protocol: mysql, mode: terminate, "
                + "upstreams: [{ address: \"tcp://10.0.3.8:3306\" }]"),
        .service(
            .keysExclude, ".upstreams[0]", "write tls:// with ca, or mode: passthrough",
            "name: b, protocol: mysql, mode: terminate, "
                + "upstreams: [{ address: \"tcp://db.internal:3306\" }]"),
        .service(
            .outOfRange, ".connect_attempts", "the nearest that is allowed is 1",
            "name: b, protocol: web, connect_attempts: 0, \(tcp)"),
        .service(
            .notInThisRelease, ".protocol", "the protocol redis is not available in this release",
            "name: b, protocol: redis, \(tcp)"),
        .service(
            .notAChoice, ".protocol", "did you mean \"postgres\"?",
            "name: b, protocol: postgre, \(tcp)"),
        .service(
            .notAChoice, ".mode", "did you mean \"passthrough\"?",
            "name: b, protocol: web, mode: passthru, \(tcp)"),
        .service(.malformedName, ".name", "write \"b\"", "name: B, protocol: web, \(tcp)"),
        .service(
            .duplicateName, ".name", "rename one of the two", "name: www, protocol: web, \(tcp)"),
        .service(
            .keysExclude, ".client_certificate",
            "write mode: terminate, or let the upstream ask for the certificate",
            "name: b, protocol: web, client_certificate: required, \(tcp)"),
        .service(
            .keyNeedsAnother, ".client_certificate", "add client_ca: [FILE.pem] to the tenant",
            "name: b, protocol: web, mode: terminate, client_certificate: optional, \(tcp)"),
        .service(
            .malformedHostName, ".hosts[0]", "use one, as the first label",
            "name: b, protocol: web, hosts: [\"*.*.example.com\"], \(tcp)"),
        .service(
            .malformedHostName, ".hosts[0]", "take out the scheme and the path",
            "name: b, protocol: web, hosts: [\"https://example.com/\"], \(tcp)"),
        .service(
            .malformedHostName, ".hosts[1]",
            "write a name; addresses are not routed by name (RFC 6066)",
            "name: b, protocol: web, hosts: [a.example.com, 10.0.0.1], \(tcp)"),
        .service(
            .listedTwice, ".hosts[1]", "take one out",
            "name: b, protocol: web, hosts: [a.example.com, a.example.com], \(tcp)"),
        .service(
            .malformedText, ".alpn[0]",
            "write an identifier as in the IANA registry of ALPN protocol ids",
            "name: b, protocol: web, alpn: [\"h 2\"], \(tcp)"),
        .service(
            .wrongCount, ".upstreams", "add an item", "name: b, protocol: web, upstreams: []"),
        .service(
            .wrongType, ".upstreams", "put it in brackets, or behind a dash",
            "name: b, protocol: web, upstreams: { address: \"tcp://127.0.0.1:80\" }"),
        .service(
            .yamlFeature, ".<<", "write the keys out where they are used",
            "name: b, protocol: web, <<: {}, \(tcp)"),
    ]

    static let upstreamFaults: [BrokenConfiguration] = [
        .upstream(
            .notAChoice, ".address", "did you mean \"tcp\"?", "address: \"htttp://10.0.3.8:80\""),
        .upstream(
            .notAChoice, ".address",
            "write \"tcp://10.0.3.8:80\"; `protocol` of the service says what is spoken",
            "address: \"http://10.0.3.8:80\""),
        .upstream(
            .notAChoice, ".address",
            "write \"tls://10.0.3.8:443\"; `protocol` of the service says what is spoken",
            "address: \"https://10.0.3.8:443\""),
        .service(
            .notAChoice, ".upstreams[0].address",
            "write \"tcp://10.0.3.8:443\": TLS passes unopened, so the upstream's own is reached",
            "name: b, protocol: web, upstreams: [{ address: \"https://10.0.3.8:443\" }]"),
        .upstream(
            .malformedAddress, ".address", "write \"tcp://10.0.3.8:80\"", "address: \"10.0.3.8:80\""
        ),
        .upstream(
            .malformedAddress, ".address", "add the port: \"tcp://[::1]:PORT\"",
            "address: \"tcp://::1\""),
        .upstream(
            .malformedAddress, ".address", "write \"tcp://[fe80::1]:9999\"",
            "address: \"tcp://fe80::1:9999\""),
        .upstream(
            .malformedAddress, ".address", "take out the path: \"tcp://10.0.3.8:80\"",
            "address: \"tcp://10.0.3.8:80/\""),
        .upstream(
            .malformedAddress, ".address",
            "nothing listens there; did you mean \"tcp://[::1]:80\"?",
            "address: \"tcp://[::]:80\""),
        .upstream(
            .malformedAddress, ".address", "write an absolute path: \"unix:/run/NAME.sock\"",
            "address: \"unix:run/x.sock\""),
        .upstream(
            .malformedAddress, ".address", "write a port from 1 to 65535 behind the name",
            "address: \"tcp://db.internal\""),
        .upstream(
            .malformedAddress, ".address", "write a port from 1 to 65535 behind the name",
            "address: \"tcp://db.internal:0\""),
        .upstream(
            .malformedAddress, ".address",
            "write a name or an IP address, and a port from 1 to 65535",
            "address: \"tcp://10.0.3.300:80\""),
        .upstream(
            .upstreamIsName, ".address", "write 127.0.0.1 or [::1]",
            "address: \"tcp://localhost:5432\""),
        .upstream(
            .keyNeedsAnother, ".address",
            "add ca: FILE.pem, or ca: system for the system's authorities",
            "address: \"tls://10.0.3.8:80\""),
        .upstream(
            .keyNeedsAnother, ".address", "add server_name: NAME",
            "address: \"tls+unix:/run/db\", ca: system"),
        .upstream(
            .keyNeedsAnother, ".ca", "write tls:// if the upstream speaks TLS, else take ca out",
            "address: \"tcp://10.0.3.8:80\", ca: a.pem"),
        .upstream(
            .keyNeedsAnother, ".certificate", "add key: FILE.pem, or take certificate out",
            "address: \"tls://10.0.3.8:80\", ca: a.pem, certificate: b.pem"),
        .upstream(
            .verificationOff, ".verify",
            "name the authority of its certificate in ca; without, anybody can pose as it",
            "address: \"tls://10.0.3.8:80\", verify: false"),
        .upstream(
            .outOfRange, ".weight", "the nearest that is allowed is 256",
            "address: \"tcp://10.0.3.8:80\", weight: 257"),
        .upstream(
            .wrongType, ".backup", "write true", "address: \"tcp://10.0.3.8:80\", backup: yes"),
        .upstream(
            .notAChoice, ".proxy_protocol", "write one of them",
            "address: \"tcp://10.0.3.8:80\", proxy_protocol: v3"),
        .service(
            .keysExclude, ".upstreams[0].address",
            "write \"tcp://10.0.3.8:80\", or mode: terminate",
            "name: b, protocol: tcp, upstreams: [{ address: \"tls://10.0.3.8:80\", ca: system }]"),
    ]
}
