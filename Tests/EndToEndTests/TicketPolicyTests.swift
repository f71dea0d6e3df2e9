// A ticket that was given under another policy: the connection is served, by a full handshake.

import Foundation
import Testing

/// What a reload changes between the ticket and its use.
enum PolicyChange: String, Sendable, CaseIterable {
    case nothing
    case certificateOptional = "optional"
    case certificateRequired = "required"
    case tenant

    /// How the ticket is met afterwards.
    var outcome: String {
        switch self {
        case .nothing: "Reused 200"
        case .certificateOptional, .tenant: "New 200"
        case .certificateRequired: "refused"
        }
    }

    /// The tenants before (`isChanged` false) and after.
    func body(_ rig: Rig, port: Int, isChanged: Bool) -> String {
        let people = rig.certificates
        let isRule = self == .certificateOptional || self == .certificateRequired
        let rule = isChanged && isRule ? self.rawValue : "none"
        let owner = self == .tenant && isChanged ? "second" : "first"
        func tenant(_ name: String) -> String {
            let service = """
                    services:
                      - name: it
                        hosts: [www.acme.test]
                        protocol: web
                        mode: terminate
                        alpn: [http/1.1]
                        client_certificate: \(rule)
                        upstreams: [{ address: "tcp://127.0.0.1:\(rig.web.plainPort)" }]

                """
            let mine = people.acme
            return """
                  - name: \(name)
                    domains: [\(name).test]
                    certificates: [{ chain: \(mine.certificate), key: \(mine.key) }]
                    client_ca: [\(people.acmeUsers)]

                """ + (name == owner ? service : "")
        }
        return """
            listeners:
              - { name: shared, address: "[::]:\(port)", protocols: [tls] }
            tenants:

            """ + tenant("first") + tenant("second")
    }
}

extension Rig {
    /// A request by `openssl s_client`; "New" or "Reused", and nginx' status.
    func ticketed(_ version: String, port: Int, _ more: [String]) async throws -> String {
        let output = try await self.shell.run(
            [
                "openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-servername",
                "www.acme.test", "-alpn", "http/1.1", "-CAfile", self.certificates.hostAuthority,
                "-verify_return_error", "-ign_eof", version,
            ] + more, input: .text("GET / HTTP/1.0\r\nHost: www.acme.test\r\n\r\n"), seconds: 20)
        let lines = output.text.split(whereSeparator: \.isNewline)
        let handshake = lines.first { $0.hasPrefix("New, ") || $0.hasPrefix("Reused, ") }
        let status = lines.first { $0.hasPrefix("HTTP/1.1 ") }
        if output.standardError.contains("alert") { return "refused" }
        guard let handshake, let status else { return "\(output)" }
        return "\(handshake.prefix { $0 != "," }) \(status.dropFirst(9).prefix(3))"
    }
}

extension EndToEnd {
    @Suite("Tickets and policies") struct TicketPolicyTests {
        @Test(
            "a ticket is good while nothing changes, and leads to a full handshake after a change",
            .timeLimit(.minutes(2)), arguments: PolicyChange.allCases, ["-tls1_2", "-tls1_3"])
        func older(_ change: PolicyChange, _ version: String) async throws {
            let rig = try EndToEnd.rig()
            let port = try Loopback.freePort()
            let name = "ticket-\(change.rawValue)\(version)"
            let before = change.body(rig, port: port, isChanged: false)
            let router = try await Router.start(name, before, in: rig.shell)
            let ticket = "\(rig.shell.directory)/\(name).pem"
            let first = try await rig.ticketed(version, port: port, ["-sess_out", ticket])
            #expect(first == "New 200")
            let again = try await rig.ticketed(version, port: port, ["-sess_in", ticket])
            #expect(again == "Reused 200")

            let revision = try await router.liveRevision()
            let other = "metrics: { tenants: 7 }\n"  // a revision, whatever else
            try router.rewrite(other + change.body(rig, port: port, isChanged: true))
            router.daemon.signal(SIGHUP)
            try await eventually("the reload is live", within: 20) {
                try await router.liveRevision() > revision
            }
            let later = try await rig.ticketed(version, port: port, ["-sess_in", ticket])
            #expect(later == change.outcome)
            #expect(try await router.daemon.stop() == 0)
        }

        @Test(
            "a service that asks for certificates gives no ticket that could outlive its authority",
            arguments: ["optional", "required"], ["-tls1_2", "-tls1_3"])
        func none(_ rule: String, _ version: String) async throws {
            let rig = try EndToEnd.rig()
            let port = try Loopback.freePort()
            let name = "ticketless-\(rule)\(version)"
            let change = try #require(PolicyChange(rawValue: rule))
            let body = change.body(rig, port: port, isChanged: true)
            let router = try await Router.start(name, body, in: rig.shell)
            let ticket = "\(rig.shell.directory)/\(name).pem"
            let alice = rig.certificates.alice
            let person = ["-cert", alice.certificate, "-key", alice.key]
            let first = try await rig.ticketed(
                version, port: port, person + ["-sess_out", ticket])
            #expect(first == "New 200")
            #expect(!FileManager.default.fileExists(atPath: ticket))
            #expect(try await router.daemon.stop() == 0)
        }
    }
}
