// What `strait connect` says, and the code it ends with.

import StraitControl
import Testing

@Suite("A failure of strait connect") struct ConnectFailureTests {
    private func failure(_ fields: String) -> ConnectFailure? {
        ConnectFailure(
            record: Array("{\(fields)}".utf8), host: "shell.acme.test",
            applicationProtocol: "strait-ssh")
    }

    @Test(
        "is told in the words of whoever asked",
        arguments: [
            (112, "the router knows no host shell.acme.test (alert 112)"),
            (120, "speaks no strait-ssh there (alert 120)"), (116, "--certificate and --key"),
            (48, "does not accept our certificate (unknown_ca, alert 48)"),
            (80, "cannot reach the service"), (47, "illegal_parameter, alert 47"),
            (200, "unknown, alert 200"),
        ])
    func alerts(_ alert: Int, _ words: String) throws {
        for fields in [
            #""error.type":"upstream_tls_failed","strait.side":"upstream","#
                + #""strait.detail":"127.0.0.1:8443: the peer sent alert \#(alert)""#,
            #""error.type":"tls_error","strait.side":"upstream","strait.tls.alert":\#(alert)"#,
        ] {
            let failure = try #require(self.failure(fields))
            #expect(failure.status == .refused)
            #expect(failure.message.contains(words), "\(failure.message)")
            #expect(!failure.message.contains("upstream_tls"))
        }
    }

    @Test("of the way to the router ends with 4", arguments: ["connect_failed", "connect_timeout"])
    func unreachable(_ reason: String) throws {
        let failure = try #require(
            self.failure(
                #""error.type":"\#(reason)","strait.detail":"127.0.0.1:1: Connection refused""#))
        #expect(failure.status == .unreachable)
        #expect(failure.message.hasPrefix("cannot reach the router: 127.0.0.1:1: Connection"))
    }

    @Test(
        "of an unknown authority names --ca, and any other certificate's does not",
        arguments: [
            ("unable to get local issuer certificate", true),
            ("self-signed certificate in certificate chain", true),
            ("certificate has expired", false), ("Hostname mismatch", false),
        ])
    func authority(_ detail: String, _ namesOption: Bool) throws {
        let failure = try #require(
            self.failure(
                #""error.type":"upstream_tls_failed","strait.detail":"a: \#(detail)""#))
        #expect(failure.status == .refused)
        #expect(failure.message.contains(detail))
        #expect(failure.message.contains("--ca") == namesOption)
    }

    @Test(
        "is none where all went well, or our own side ended it",
        arguments: [
            #""strait.reason":"finished","strait.side":"upstream""#,
            #""error.type":"drained","strait.side":"local""#,
            #""error.type":"reset","strait.side":"downstream""#,
        ])
    func none(_ fields: String) { #expect(self.failure(fields) == nil) }

    @Test("is told where the record cannot be read, and where nothing came")
    func others() {
        #expect(self.failure("nonsense")?.status == .refused)
        let broken = self.failure(#""error.type":"reset","strait.side":"upstream""#)
        #expect(broken?.message == "shell.acme.test: the connection to the router broke (reset)")
        let silence = ConnectFailure.silence(host: "shell.acme.test")
        #expect(silence.status == .refused)
        #expect(silence.message.contains("before the service had sent a byte"))
    }
}
