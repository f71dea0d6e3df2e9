// One fault, one problem: its code, its place and what to do. And many faults in one run.

import StraitConfig
import Testing

@Suite("A configuration with one fault") struct BrokenConfigurationTests {
    @Test("is told with code, line, path and remedy, and nothing else", arguments: Self.faults)
    func oneFault(_ broken: BrokenConfiguration) throws {
        let reading = ConfigurationReader(checksFiles: false).read(
            text: broken.yaml, file: "strait.yaml")

        let told = reading.problems.map(\.text).joined(separator: "\n")
        #expect(reading.problems.count == 1, "\(told)")
        let problem = try #require(reading.problems.first)
        #expect(problem.code == broken.code)
        #expect(problem.line == broken.line)
        #expect(problem.column > 0)
        #expect(problem.path == broken.path)
        #expect(problem.remedy == broken.remedy)
        #expect((reading.configuration == nil) == (problem.severity == .error))
    }

    static let faults: [BrokenConfiguration] =
        topFaults + listenerFaults + serviceFaults + upstreamFaults

    private static let topFaults: [BrokenConfiguration] = [
        .top(.unknownKey, "regon", "did you mean \"region\"?", "regon: eu"),
        .top(
            .unknownKey, "plugins", "take it out; configs/reference.yaml lists every key",
            "plugins: []"),
        .top(
            .notInThisRelease, "agents",
            "take it out: the tunnel of agents is not available in this release", "agents: {}"),
        .top(
            .malformedAddress, "source_addresses[0]",
            "write an address of this machine (ip address), without a port",
            "source_addresses: [\"0.0.0.0\"]"),
        .top(.malformedName, "region", "write \"eu-central\"", "region: EU-Central"),
        .top(.malformedName, "router", "write \"r-1\"", "router: r.1"),
        .top(.outOfRange, "workers", "the nearest that is allowed is 128", "workers: 129"),
        .top(.outOfRange, "workers", "the nearest that is allowed is 1", "workers: 0"),
        .top(
            .outOfRange, "workers", "the nearest that is allowed is 1",
            "workers: -9223372036854775808"),
        .top(
            .outOfRange, "workers", "write a whole number without a unit",
            "workers: 99999999999999999999"),
        .top(.wrongType, "workers", "write a whole number without a unit", "workers: four"),
        .top(.wrongType, "workers", "write one value, in quotes if need be", "workers: [4]"),
        .top(.wrongType, "workers", "give it a value, or take it out", "workers:"),
        .top(.wrongType, "timeouts", "write KEY: VALUE, indented or in braces", "timeouts: 5s"),
        .top(.wrongType, "timeouts", "give it keys, or take it out", "timeouts:"),
        .top(
            .malformedDuration, "timeouts.idle", "write 3600s for seconds",
            "timeouts: { idle: 3600 }"),
        .top(
            .malformedDuration, "timeouts.idle", "write it as 10s", "timeouts: { idle: 1 hour }"),
        .top(
            .outOfRange, "timeouts.connect", "the nearest that is allowed is 10ms",
            "timeouts: { connect: 1ms }"),
        .top(
            .wrongRelation, "timeouts.first_byte", "shorten first_byte or lengthen hello",
            "timeouts: { first_byte: 20s }"),
        .top(.notAChoice, "log.level", "did you mean \"warning\"?", "log: { level: warnig }"),
        .top(.notAChoice, "log.level", "write one of them", "log: { level: chatty }"),
        .top(
            .malformedText, "admin.unix", "write a shorter path, as in /run/strait/admin.sock",
            "admin: { unix: /\(String(repeating: "x", count: 107)) }"),
        .top(
            .unknownReference, "defaults.ssh", "did you mean \"acme\" (line 5)?",
            "defaults: { ssh: amce/www }"),
        .top(
            .unknownReference, "defaults.ssh", "did you mean \"www\" (line 8)?",
            "defaults: { ssh: acme/ww }"),
        .top(
            .wrongRelation, "defaults.ssh", "name another service, or change its protocol",
            "defaults: { ssh: acme/www }"),
        .top(
            .malformedName, "defaults.ssh",
            "write the tenant's name, a slash and the service's name, as in acme/bastion",
            "defaults: { ssh: www }"),
        .init(
            .missingKey, line: 1, "listeners", "add listeners", "\(BrokenConfiguration.tenants)"),
        .init(
            .nothingToServe, line: 1, "tenants",
            "add tenants; until then every connection is refused",
            "\(BrokenConfiguration.listeners)"),
    ]

    private static let listenerFaults: [BrokenConfiguration] = [
        .listener(.missingKey, ".name", "add name: public", "address: \"127.0.0.1:1\""),
        .listener(.missingKey, ".address", "add address: \"[::]:443\"", "name: b"),
        .listener(.malformedAddress, ".address", "write \"[::]:443\"", "name: b, address: 443"),
        .listener(
            .malformedAddress, ".address", "write \"127.0.0.1:443\"",
            "name: b, address: \"localhost:443\""),
        .listener(
            .malformedAddress, ".address", "write \"[::1]:443\"", "name: b, address: \"::1:443\""),
        .listener(
            .malformedAddress, ".address", "write \"10.0.0.1:443\"", "name: b, address: 10.0.0.1"),
        .listener(
            .malformedAddress, ".address",
            "write the port; 0 (any free port) is for loopback addresses",
            "name: b, address: \"0.0.0.0:0\""),
        .listener(
            .addressTwice, ".address", "change one of the two, or make them one listener",
            "name: b, address: \"127.0.0.1:8443\""),
        .listener(
            .duplicateName, ".name", "rename one of the two",
            "name: public, address: \"127.0.0.1:1\""),
        .listener(
            .notAChoice, ".protocols[0]", "did you mean \"tls\"?",
            "name: b, address: \"[::]:1\", protocols: [tsl]"),
        .listener(
            .notAChoice, ".protocols[1]", "raw stands alone: protocols: raw",
            "name: b, address: \"[::]:1\", protocols: [tls, raw]"),
        .listener(
            .wrongType, ".protocols", "write [tls]",
            "name: b, address: \"[::]:1\", protocols: tls"),
        .listener(
            .wrongCount, ".protocols", "take the key out for all, or write raw",
            "name: b, address: \"[::]:1\", protocols: []"),
        .listener(
            .keyNeedsAnother, ".protocols",
            "add tenant: NAME and service: NAME, or list the protocols",
            "name: b, address: \"[::]:1\", protocols: raw"),
        .listener(
            .keyNeedsAnother, ".proxy_protocol",
            "add trusted: [ADDRESS/BITS] with those of your load balancer",
            "name: b, address: \"[::]:1\", proxy_protocol: required"),
        .listener(
            .keyNeedsAnother, ".trusted", "add proxy_protocol: required, or take trusted out",
            "name: b, address: \"[::]:1\", trusted: [10.0.0.0/8]"),
        .listener(
            .malformedBlock, ".trusted[0]", "did you mean \"10.1.0.0/16\"?",
            "name: b, address: \"[::]:1\", proxy_protocol: required, trusted: [10.1.2.3/16]"),
        .listener(
            .trustsEverybody, ".trusted[0]",
            "name its addresses; anybody else could state any address for himself",
            "name: b, address: \"[::]:1\", proxy_protocol: required, trusted: [\"::/0\"]"),
        .listener(
            .keysExclude, ".proxy_protocol", "listen on 127.0.0.1:PORT, and trust 127.0.0.1",
            "name: b, address: \"unix:/run/a\", proxy_protocol: required, trusted: [10.0.0.0/8]"),
        .listener(
            .unknownReference, ".tenant", "did you mean \"acme\" (line 5)?",
            "name: b, address: \"[::]:1\", tenant: acmee"),
        .listener(
            .unknownReference, ".service", "did you mean \"www\" (line 8)?",
            "name: b, address: \"[::]:1\", tenant: acme, service: wwww"),
        .listener(
            .keyNeedsAnother, ".service", "add tenant: acme (line 5)",
            "name: b, address: \"[::]:1\", protocols: [tls], service: www"),
        .listener(
            .keyNeedsAnother, ".server_first",
            "add defaults: { mysql: TENANT/SERVICE }, or tenant and service here",
            "name: b, address: \"[::]:1\", server_first: mysql"),
        .listener(
            .wrongRelation, ".server_first", "name another service, or take server_first out",
            "name: b, address: \"[::]:1\", tenant: acme, service: www, server_first: ssh"),
        .listener(
            .notAChoice, ".server_first", "write one of them",
            "name: b, address: \"[::]:1\", server_first: web"),
        .listener(
            .keyNeedsAnother, ".redirect_to_https", "write protocols: [http]",
            "name: b, address: \"[::]:1\", protocols: [tls], redirect_to_https: true"),
        .listener(
            .wrongType, ".redirect_to_https", "write true",
            "name: b, address: \"[::]:1\", redirect_to_https: yes"),
        .listener(
            .outOfRange, ".backlog", "the nearest that is allowed is 65535",
            "name: b, address: \"[::]:1\", backlog: 65536"),
        .listener(
            .notInThisRelease, ".deny",
            "take it out: the deny list is not available in this release",
            "name: b, address: \"[::]:1\", deny: [10.0.0.0/8]"),
    ]
}
