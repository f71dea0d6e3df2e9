// From an empty directory, by the command line: tenants come, change and go, each reached by real
// programs by name and by its own ports, while connections of another tenant exchange bytes.

import Foundation
import Glibc
import Testing

extension EndToEnd {
    @Suite("From an empty directory") struct FromNothingTests {
        @Test(
            "tenants come, change and go by commands, live at once, and cut nobody else",
            .timeLimit(.minutes(8)))
        func commandLine() async throws {
            let edge = try await NewEdge(try EndToEnd.rig())
            let beta = try await edge.addBeta()
            let others = try await edge.bystanders(of: beta, held: 24, new: 1)
            let acme = try await edge.addAcme()
            let own = try await edge.bystanders(of: acme, held: 6, new: 0)
            try await self.reach(acme, edge)
            try await self.reach(beta, edge)

            let anvil = try await edge.rename(acme)
            try await self.reach(anvil, edge, [.ipv6])
            try await self.reach(acme, edge, [.ipv4], isOldName: true)
            try await edge.rotate(anvil)
            try await edge.move(anvil)

            try await edge.change("tenant", "rm", "anvil", "--yes")
            for name in [acme, anvil] { try await self.isGone(name, edge) }
            try await self.reach(beta, edge, [.ipv4])
            // Not even what was open to the tenant that has gone is cut.
            let ended = try await own.end()
            #expect(ended.contains("held 8 cut 0 opened 0 failed 0 "), "\(ended)")
            let counts = try await others.end()
            let match = try #require(
                counts.wholeMatch(of: #/held 32 cut 0 opened (\d+) failed 0 echoes (\d+)/#),
                "\(counts)")
            let opened = try #require(Int(match.1))
            #expect(opened > 100, "\(counts)")
            let echoes = try #require(Int(match.2))
            #expect(echoes > 1000, "\(counts)")
            #expect(try await edge.router.daemon.stop() == 0)
            for upstreams in [acme.upstreams, beta.upstreams] { try await upstreams.stop() }
        }

        /// Every program by name and by port; each answer tells whose it is.
        private func reach(
            _ tenant: EdgeTenant, _ edge: NewEdge, _ families: [Family] = Family.allCases,
            isOldName: Bool = false
        ) async throws {
            for family in families {
                for output in try await edge.psql(tenant, family) {
                    #expect(output.trimmed == tenant.upstreams.postgres.name, "\(output)")
                }
                let mariadb = try await edge.mariadb(tenant, family)
                #expect(mariadb.trimmed == "\(tenant.origin)-maria", "\(mariadb)")
                for output in try await edge.ssh(tenant, family) {
                    #expect(output.trimmed.hasSuffix(" \(tenant.upstreams.ssh.port)"), "\(output)")
                }
                for output in try await edge.kubectl(tenant, family) {
                    #expect(output.trimmed == tenant.origin, "\(output)")
                }
                for version in ["1.1", "2"] {
                    let options = ["--http\(version)", "-w", "%{http_version}"]
                    let web = try await edge.curl("www.\(tenant.domain)", "/", family, options)
                    let protocolName = version == "2" ? "HTTP/2.0" : "HTTP/1.1"
                    #expect(web.text == "\(tenant.origin) \(protocolName)\n\(version)", "\(web)")
                    let ping = try await edge.curl(tenant.domain, "/webapi/ping", family, options)
                    #expect(ping.text.hasSuffix("\n\(version)"), "\(ping)")
                    let name = isOldName ? "anvil.example.com" : tenant.domain
                    for kind in ["ssh", "kube", "mysql", "postgres"] {
                        let place = "\(name):\(try tenant.port(kind))\""
                        #expect(ping.text.contains(place), "\(place): \(ping)")
                    }
                }
            }
            let local = try await edge.mariadbByName(tenant)
            #expect(local.trimmed == "\(tenant.origin)-maria", "\(local)")
        }

        /// Neither its names nor its ports answer anything.
        private func isGone(_ tenant: EdgeTenant, _ edge: NewEdge) async throws {
            for family in Family.allCases {
                for port in tenant.ports.values {
                    #expect(!Loopback.answers(family, port), "\(port)")
                }
            }
            for name in [tenant.domain, "www.\(tenant.domain)"] {
                let web = try await edge.curl(name, "/webapi/ping", .ipv4, [])
                #expect(web.status == 35, "refused in the TLS handshake: \(web)")
            }
            let programs = try await edge.psql(tenant, .ipv4) + edge.ssh(tenant, .ipv4)
            for output in programs { #expect(!output.succeeded, "\(output)") }
        }
    }
}
