// PROXY headers: believed where they are demanded, passed on where they are wanted.

import Testing

extension EndToEnd {
    @Suite("PROXY headers") struct ProxyTests {
        @Test(
            "an upstream that wants one is told the downstream's address",
            arguments: Family.allCases)
        func towardsUpstream(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must(
                rig.curl("seen.acme.test", .terminate, family) + [rig.url("seen.acme.test", "/")])
            #expect(output.trimmed == family.address)
        }

        @Test("a listener that demands one takes the address from it")
        func fromLoadBalancer() async throws {
            let rig = try EndToEnd.rig()
            let host = "seen.acme.test"
            let output = try await rig.shell.must([
                "bash", "-c",
                """
                exec 3<>/dev/tcp/127.0.0.1/\(rig.ports.proxied)
                printf 'PROXY TCP4 192.0.2.77 192.0.2.1 4242 443\\r\\n' >&3
                exec '\(Programs.python)' '\(Programs.script("tls_over.py"))' 3 \
                    '\(rig.certificates.hostAuthority)' \(host)
                """,
            ])
            #expect(output.text.hasSuffix("192.0.2.77\n"), "\(output)")
            let record = try await rig.router.record("of the balanced connection") {
                $0["client.address"] == "192.0.2.77"
            }
            #expect(record["client.port"] == "4242")
            #expect(record["network.peer.address"] == "127.0.0.1")
        }

        @Test("a listener that demands one lets nobody in without it", arguments: Family.allCases)
        func missing(_ family: Family) async throws {
            let rig = try EndToEnd.rig()
            let probe = try await rig.probe(
                ["name=www.acme.test"], family: family, port: rig.ports.proxied)
            #expect(probe.alert != nil && probe.version == nil)
            _ = try await rig.router.record("of the missing header") {
                $0["strait.reason"] == "proxy_header_missing"
            }
        }
    }
}
