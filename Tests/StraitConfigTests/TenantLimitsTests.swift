// Limits of a tenant as they are written.

import StraitConfig
import StraitCore
import Testing

@Suite("Limits of a tenant, as written") struct TenantLimitsTests {
    private func read(_ limits: String) -> ConfigurationReader.Reading {
        let text = """
            listeners: [{ name: public, address: "127.0.0.1:4430" }]
            tenants:
              - name: acme
                domains: [acme.example.com]
                limits: { \(limits) }
                services:
                  - { name: db, protocol: tcp, upstreams: [{ address: "tcp://127.0.0.1:1" }] }
            """
        return ConfigurationReader(checksFiles: false).read(text: text, file: "strait.yaml")
    }

    private func tenant(_ limits: String) throws -> Configuration.Tenant {
        let reading = self.read(limits)
        #expect(reading.problems.isEmpty, "\(reading.problems.map(\.text))")
        return try #require(reading.configuration?.tenant(named: "acme"))
    }

    @Test("are none where nothing is written, or 0")
    func none() throws {
        for text in ["", "connections: 0, bytes_per_second_in: 0, per_source: {}"] {
            let tenant = try self.tenant(text)
            #expect(tenant.limits == LimitSet())
            #expect(tenant.sourceLimits == LimitSet())
        }
    }

    @Test("have each value in its place, and a second's worth as their burst")
    func values() throws {
        let one = """
            connections: 1, new_connections_per_second: 2, handshakes_per_second: 3, \
            bytes_per_second_in: 4, bytes_per_second_out: 5
            """
        var expected = LimitSet()
        expected.connections = 1
        expected.newConnections = RateLimit(perSecond: 2, burst: 2)
        expected.handshakes = RateLimit(perSecond: 3, burst: 3)
        expected.bytesIn = RateLimit(perSecond: 4, burst: 4)
        expected.bytesOut = RateLimit(perSecond: 5, burst: 5)
        #expect(try self.tenant(one).limits == expected)
        #expect(try self.tenant(one).sourceLimits == LimitSet())
        let source = try self.tenant("per_source: { \(one) }")
        #expect(source.limits == LimitSet())
        #expect(source.sourceLimits == expected)
    }

    @Test("take bursts; of bytes no less than a 50th of a second's")
    func bursts() throws {
        let limits = try self.tenant(
            """
            new_connections_per_second: 10, new_connections_burst: 30, \
            handshakes_per_second: 10, handshakes_burst: 1, \
            bytes_per_second_in: 10000000000, bytes_burst_in: 1, \
            bytes_per_second_out: 1000, bytes_burst_out: 70
            """
        ).limits
        #expect(limits.newConnections.burst == 30)
        #expect(limits.handshakes.burst == 1)
        #expect(limits.bytesIn == RateLimit(perSecond: 10_000_000_000, burst: 200_000_000))
        #expect(limits.bytesOut.burst == 70)
    }

    @Test("need a rate beside a burst", arguments: ["", "per_source: "])
    func burstAlone(whose: String) throws {
        let keys = "bytes_burst_in: 5"
        let reading = self.read(whose.isEmpty ? keys : "\(whose){ \(keys) }")
        let problem = try #require(reading.problems.first)
        #expect(reading.problems.count == 1)
        #expect(problem.code == .keyNeedsAnother)
        #expect(
            problem.path
                == "tenants[0].limits.\(whose.isEmpty ? "" : "per_source.")bytes_burst_in")
        #expect(problem.remedy.contains("bytes_per_second_in"))
    }
}
