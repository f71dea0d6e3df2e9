// What is refused, and in which words: alerts, errors of Postgres, records and counters.

import Foundation
import Testing

/// What tls_probe.py told.
struct Probe: Decodable, Sendable {
    let version: String?
    let alpn: String?
    let reused: Bool?
    let serial: String?
    let alert: String?
    let read: String?
    let again: Again?

    /// The second connection.
    struct Again: Decodable, Sendable {
        let reused: Bool?
        let alert: String?
    }
}

extension Rig {
    /// One TLS connection to the shared port.
    func probe(
        _ options: [String], family: Family = .ipv4, port: Int? = nil
    ) async throws -> Probe {
        let output = try await self.shell.must(
            [
                Programs.python, Programs.script("tls_probe.py"), family.address,
                "\(port ?? self.ports.shared)", self.certificates.hostAuthority,
            ] + options, seconds: 50)
        return try JSONDecoder().decode(Probe.self, from: output.standardOutput)
    }
}

/// A handshake that has to fail, and how.
struct Refusal: Sendable, CustomTestStringConvertible {
    let what: String
    let options: [String]
    /// OpenSSL's name of the alert.
    let alert: String
    let reason: String

    var testDescription: String { self.what }

    static let all: [Refusal] = [
        Refusal(
            what: "an unknown name", options: ["name=nobody.test"],
            alert: "TLSV1_UNRECOGNIZED_NAME", reason: "name_unknown"),
        Refusal(
            what: "an unknown name of a known tenant", options: ["name=nothing.acme.test"],
            alert: "TLSV1_UNRECOGNIZED_NAME", reason: "name_unknown"),
        Refusal(
            what: "no name", options: [], alert: "TLSV1_UNRECOGNIZED_NAME", reason: "name_missing"),
        Refusal(
            what: "no protocol in common", options: ["name=www.acme.test", "alpn=nonsense"],
            alert: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL", reason: "alpn_mismatch"),
        Refusal(
            what: "a version before TLS 1.2",
            options: ["name=www.acme.test", "min=1.1", "max=1.1"],
            alert: "TLSV1_ALERT_PROTOCOL_VERSION", reason: "tls_version_unsupported"),
        Refusal(
            what: "an upstream that is down, in passthrough", options: ["name=down-pass.acme.test"],
            alert: "TLSV1_ALERT_INTERNAL_ERROR", reason: "connect_failed"),
    ]
}

extension EndToEnd {
    @Suite("Refusals") struct RefusalTests {
        @Test("come as the right alert, in the record and in the metrics", arguments: Refusal.all)
        func alerts(_ refusal: Refusal) async throws {
            let rig = try EndToEnd.rig()
            for family in Family.allCases {
                let before = try rig.router.records().count
                let probe = try await rig.probe(refusal.options, family: family)
                #expect(probe.alert == refusal.alert)
                _ = try await rig.router.record(refusal.what) {
                    $0["strait.reason"] == refusal.reason
                }
                #expect(try rig.router.records().count > before)
            }
            let counted = try await rig.router.metric(
                "strait_connections_refused_total", ["reason=\"\(refusal.reason)\""])
            #expect(counted >= 2)
        }

        @Test(
            "of client certificates: none, another tenant's, an expired one",
            arguments: ["1.2", "1.3"])
        func clientCertificates(_ version: String) async throws {
            let rig = try EndToEnd.rig()
            let people = rig.certificates
            let name = ["name=intranet.acme.test", "max=\(version)"]
            func with(_ person: Identity) -> [String] {
                name + ["cert=\(person.certificate)", "key=\(person.key)"]
            }
            let none = try await rig.probe(name)
            #expect(
                ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"]
                    .contains(none.alert), "\(none)")
            let foreign = try await rig.probe(with(people.mallory))
            #expect(foreign.alert == "TLSV1_ALERT_UNKNOWN_CA", "\(foreign)")
            let expired = try await rig.probe(with(people.bygone))
            #expect(expired.alert == "SSLV3_ALERT_CERTIFICATE_EXPIRED", "\(expired)")
            let good = try await rig.probe(with(people.alice))
            #expect(good.alert == nil && good.version == "TLSv\(version)", "\(good)")
            for reason in ["missing", "rejected", "expired"] {
                let record = try await rig.router.record(reason) {
                    $0["strait.reason"] == "client_certificate_\(reason)"
                }
                #expect(record["strait.tenant"] == "acme")
                #expect(record["strait.check"] == "certificate")
            }
        }

        @Test("a tenant's person is nobody at another tenant's optional service")
        func otherTenant() async throws {
            let rig = try EndToEnd.rig()
            let alice = rig.certificates.alice
            let probe = try await rig.probe([
                "name=www.globex.test", "cert=\(alice.certificate)", "key=\(alice.key)",
            ])
            #expect(probe.alert == "TLSV1_ALERT_UNKNOWN_CA")
            #expect(try await rig.probe(["name=www.globex.test"]).alert == nil)
        }

        @Test("a ticket is good for its own tenant only", arguments: ["1.2", "1.3"])
        func tickets(_ version: String) async throws {
            let rig = try EndToEnd.rig()
            // The ticket of TLS 1.3 comes with the answer.
            let ask = #"send=GET / HTTP/1.1\r\nHost: www.acme.test\r\n\r\n"#
            let from = ["name=www.acme.test", "max=\(version)", ask, "read=16"]
            let same = try await rig.probe(from + ["again=www.acme.test"])
            #expect(same.reused == false && same.again?.reused == true, "\(same)")
            let other = try await rig.probe(from + ["again=www.globex.test"])
            #expect(other.again?.alert == nil && other.again?.reused == false, "\(other)")
        }

        @Test("Postgres programs are told in their own protocol")
        func postgres() async throws {
            let rig = try EndToEnd.rig()
            let psql = PostgresProgram.psql15.psql
            func fails(_ host: String, _ more: String) async throws -> String {
                let output = try await rig.shell.run([
                    psql, "-X", rig.postgres(host, .terminate, .ipv4) + " " + more, "-c",
                    "select 1",
                ])
                #expect(!output.succeeded)
                return output.standardError
            }
            #expect(try await fails("orders.acme.test", "sslmode=disable").contains("FATAL"))
            #expect(try await fails("down-pg.acme.test", "").contains("FATAL"))
            #expect(try await fails("nobody.test", "").contains("unrecognized name"))
            #expect(try await fails("wages.acme.test", "").contains("certificate required"))
        }
    }
}
